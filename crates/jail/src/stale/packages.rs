//! Whose a file is: Debian's lists of packages, read as text. No program of the package manager is executed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use thinjail_plan::path::HostPath;

/// Where dpkg keeps the names of all files of each package.
const LISTS: &str = "/var/lib/dpkg/info";
/// Bytes of one list; the longest of Debian 12 has three million.
const LIST_MAX: u64 = 32 << 20;

/// The package of each path, where one is known.
pub(super) fn owners(paths: &[&HostPath]) -> Vec<Option<String>> {
    owners_by(Path::new(LISTS), paths)
}

fn owners_by(lists: &Path, paths: &[&HostPath]) -> Vec<Option<String>> {
    let mut owners = vec![None; paths.len()];
    if paths.is_empty() {
        return owners;
    }
    let wanted: HashMap<&[u8], usize> =
        paths.iter().enumerate().flat_map(|(at, path)| names(path).map(move |name| (name.as_bytes(), at))).collect();
    for entry in fs::read_dir(lists).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(package) = name.to_str().and_then(|name| name.strip_suffix(".list")) else { continue };
        let mut text = Vec::new();
        if File::open(entry.path()).and_then(|file| file.take(LIST_MAX).read_to_end(&mut text)).is_err() {
            continue;
        }
        for at in text.split(|byte| *byte == b'\n').filter_map(|line| wanted.get(line)) {
            // `libssl3:amd64` is the package libssl3 of one architecture.
            let package = package.split(':').next().unwrap_or(package);
            owners[*at].get_or_insert_with(|| package.to_owned());
        }
    }
    owners
}

/// A path as a package may have it: before /bin, /lib and /sbin became links into /usr, files were listed there.
fn names(path: &HostPath) -> impl Iterator<Item = &str> {
    let path = path.as_str();
    let old =
        path.strip_prefix("/usr").filter(|old| ["/bin/", "/lib", "/sbin/"].iter().any(|dir| old.starts_with(dir)));
    std::iter::once(path).chain(old)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_is_found_in_the_list_of_its_package_by_either_name() {
        let dir = std::env::temp_dir().join(format!("thinjail-lists-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("libssl3:amd64.list"), "/.\n/usr/lib/x/libssl.so.3\n").unwrap();
        fs::write(dir.join("libc6:amd64.list"), "/lib/x/libc.so.6\n/lib/x/libc.so.6.more\n").unwrap();
        fs::write(dir.join("libc6:amd64.md5sums"), "/lib/x/other\n").unwrap();
        let path = |text| HostPath::new(text).unwrap();
        let asked = ["/usr/lib/x/libc.so.6", "/usr/lib/x/libssl.so.3", "/usr/lib/x/other", "/usr/lib/x"].map(path);
        let found = owners_by(&dir, &asked.iter().collect::<Vec<_>>());
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found, [Some("libc6".to_owned()), Some("libssl3".to_owned()), None, None]);
        assert_eq!(owners_by(&dir, &[&asked[0]]), [None]);
    }
}
