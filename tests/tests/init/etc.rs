//! What is in the directories that an init system and its services are made of.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Every path of /etc and of our own records, with what it holds.
pub(crate) fn now() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for tree in ["/etc", "/var/lib/thinjail", "/run/runit"] {
        list(Path::new(tree), &mut found);
    }
    // What insserv(8) and systemd work out of the rest.
    found.retain(|path, _| !path.starts_with("/etc/init.d/.depend."));
    found
}

fn list(path: &Path, found: &mut BTreeMap<String, String>) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let mode = format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
    let holds = if meta.is_symlink() {
        fs::read_link(path).unwrap().display().to_string()
    } else if meta.is_file() {
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    } else {
        String::new()
    };
    found.insert(path.display().to_string(), format!("{mode} {holds}"));
    if meta.is_dir() {
        fs::read_dir(path).into_iter().flatten().flatten().for_each(|entry| list(&entry.path(), found));
    }
}

/// Fails the test unless both are the same.
#[track_caller]
pub(crate) fn assert_same(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    let gone =
        before.iter().filter(|(path, holds)| after.get(*path) != Some(holds)).map(|(path, _)| format!("- {path}"));
    let left =
        after.iter().filter(|(path, holds)| before.get(*path) != Some(holds)).map(|(path, _)| format!("+ {path}"));
    let all: Vec<String> = gone.chain(left).collect();
    assert!(all.is_empty(), "not as it was:\n{}", all.join("\n"));
}
