//! What the host looks like, before a jail and after it, by what the base system's own commands print.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub use crate::alone::{Alone, alone};
use crate::process::Process;
use crate::wait;

/// Mounts, jails, processes, rules of rctl(8) and devfs(8), and the trees it was told to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    mounts: BTreeSet<String>,
    jails: BTreeSet<String>,
    rules: BTreeSet<String>,
    processes: BTreeSet<Process>,
    files: BTreeSet<String>,
}

impl Snapshot {
    /// Takes one. `trees` are watched by name, type, owner, mode, and the size and inode of files.
    ///
    /// # Panics
    ///
    /// If the base system lacks mount(8) or jls(8).
    #[must_use]
    pub fn take(trees: &[&Path]) -> Self {
        let mut files = BTreeSet::new();
        trees.iter().for_each(|tree| list(tree, &mut files));
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let mut processes = Process::below(own);
        // What lost its parent became a child of init, and is ours if it is in a jail or has our name.
        let others = Process::all().into_iter();
        processes.extend(others.filter(|process| process.jid != 0 || process.name.starts_with("thinjail")));
        processes.retain(|process| process.state != 'Z' && process.pid != own);
        Self {
            mounts: lines("mount", &["-p"]).expect("run mount(8)"),
            // The dying too: what they hold is held.
            jails: lines("jls", &["-d", "jid", "name", "path"]).expect("run jls(8)"),
            rules: rules(),
            processes: processes.into_iter().map(settled).collect(),
            files,
        }
    }

    /// What is here and was not, or was and is not: empty if nothing was left.
    #[must_use]
    pub fn differences(&self, after: &Self) -> Vec<String> {
        let mut out = Vec::new();
        differ("mount", &self.mounts, &after.mounts, &mut out);
        // A dying one of an earlier test may be gone by now.
        out.extend(after.jails.difference(&self.jails).map(|jail| format!("jail left: {jail}")));
        differ("rule", &self.rules, &after.rules, &mut out);
        differ("file", &self.files, &after.files, &mut out);
        // One that is gone is no matter: another test of this process may have run it.
        let left = after.processes.difference(&self.processes);
        out.extend(left.map(|process| format!("process left: {process:?}")));
        out
    }

    /// Fails the test unless the host is as it was. Processes that have been killed get a moment to be gone.
    ///
    /// # Panics
    ///
    /// If something was left; each is named.
    #[track_caller]
    pub fn assert_same_now(&self, trees: &[&Path]) {
        self.assert_same_within(Duration::from_secs(10), trees);
    }

    /// The same within this time: a jail is dying while a connection that it closed is in TIME_WAIT.
    ///
    /// # Panics
    ///
    /// If something was left; each is named.
    #[track_caller]
    pub fn assert_same_within(&self, patience: Duration, trees: &[&Path]) {
        let mut found = Vec::new();
        let same = wait::poll(patience, || {
            found = self.differences(&Self::take(trees));
            found.is_empty().then_some(())
        });
        assert!(same.is_some(), "the host is not as it was:\n{}", found.join("\n"));
    }
}

/// The same process later is the same.
fn settled(process: Process) -> Process {
    Process { state: ' ', parent: 0, ..process }
}

/// What limits are set, where the kernel accounts for them, and which devfs rulesets there are.
fn rules() -> BTreeSet<String> {
    // Each fails where the kernel lacks it, and then there is nothing to be left.
    let limits = lines("rctl", &[]).unwrap_or_default();
    let sets = lines("devfs", &["rule", "showsets"]).unwrap_or_default();
    limits.into_iter().chain(sets.into_iter().map(|set| format!("devfs ruleset {set}"))).collect()
}

/// What a command prints; none if it fails or is not there.
fn lines(program: &str, args: &[&str]) -> Option<BTreeSet<String>> {
    let said = Command::new(program).args(args).output().ok().filter(|said| said.status.success())?;
    Some(String::from_utf8_lossy(&said.stdout).lines().map(String::from).collect())
}

fn differ(what: &str, before: &BTreeSet<String>, after: &BTreeSet<String>, out: &mut Vec<String>) {
    out.extend(before.difference(after).map(|gone| format!("{what} gone: {gone}")));
    out.extend(after.difference(before).map(|left| format!("{what} left: {left}")));
}

/// Every name below, with what the directory says of it.
fn list(path: &Path, into: &mut BTreeSet<String>) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let size = if meta.is_dir() { 0 } else { meta.size() };
    into.insert(format!("{} {:o} {}:{} {size} #{}", path.display(), meta.mode(), meta.uid(), meta.gid(), meta.ino()));
    if meta.is_dir() {
        let children = fs::read_dir(path).into_iter().flatten().flatten();
        children.for_each(|child| list(&child.path(), into));
    }
}
