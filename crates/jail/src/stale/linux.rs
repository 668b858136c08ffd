//! Linux: /proc/PID/maps of every process of a jail. They are hostile: how many there are and how much they map is up to them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use rustix::process::Pid;

use super::{Mapped, id_of};
use crate::linux::below;

/// Bytes that are read of all processes together.
const MOST: u64 = 64 << 20;

/// Every file that a process of the jail has mapped, once.
pub(super) fn mapped(main: i32, supervisor: i32) -> Vec<Mapped> {
    let mut found = BTreeMap::new();
    let mut left = MOST;
    for pid in processes(main, supervisor) {
        read_maps(&pid, &mut left, &mut found);
    }
    found
        .into_iter()
        .map(|((path, dev, ino), _)| Mapped { path, id: thinjail_closure::tree::FileId { dev, ino } })
        .collect()
}

/// The processes of a jail by their pid namespace; those of one that has none of its own by their parents.
fn processes(main: i32, supervisor: i32) -> Vec<String> {
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let main = main.to_string();
    let Some(ours) = namespace(&main) else { return Vec::new() };
    if namespace("self").is_some_and(|own| own == ours) {
        let all = Pid::from_raw(supervisor).map(below).unwrap_or_default();
        return all.into_iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
    }
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let pids = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    pids.filter(|pid| namespace(pid).is_some_and(|found| found == ours)).collect()
}

/// Takes in the mapped files of one process.
fn read_maps(pid: &str, left: &mut u64, found: &mut BTreeMap<(String, u64, u64), ()>) {
    let Ok(file) = std::fs::File::open(format!("/proc/{pid}/maps")) else { return };
    let mut text = Vec::new();
    // It may have ended meanwhile; what was read holds.
    let _ = file.take(*left).read_to_end(&mut text);
    *left = left.saturating_sub(text.len() as u64);
    let text = String::from_utf8_lossy(&text);
    let mut last = None;
    for line in text.lines() {
        let Some((range, path)) = file_of(line) else { continue };
        // A library is mapped in several pieces, one after the other.
        if last.replace(path) == Some(path) {
            continue;
        }
        // By the mapping itself: the path is the jail's, and not to be walked.
        let Ok(stat) = rustix::fs::stat(PathBuf::from(format!("/proc/{pid}/map_files/{range}"))) else { continue };
        let id = id_of(&stat);
        found.insert((path.replace("\\012", "\n"), id.dev, id.ino), ());
    }
}

/// The range as map_files(5) spells it, and the path, of a line about a file; proc_pid_maps(5).
fn file_of(line: &str) -> Option<(String, &str)> {
    let (range, _) = line.split_once(' ')?;
    let path = line.find('/').map(|at| &line[at..])?;
    let (from, to) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((format!("{:x}-{:x}", number(from)?, number(to)?), path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_names_the_range_and_the_path() {
        let line = "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/a b (deleted)";
        assert_eq!(file_of(line), Some(("400000-452000".into(), "/usr/bin/a b (deleted)")));
        assert_eq!(file_of("7ffd0000-7ffd1000 rw-p 00000000 00:00 0   [stack]"), None);
        assert_eq!(file_of(""), None);
    }

    #[test]
    fn our_own_program_is_mapped_by_us() {
        let own = std::env::current_exe().unwrap();
        let mut found = BTreeMap::new();
        read_maps("self", &mut MOST.clone(), &mut found);
        let id = id_of(&rustix::fs::stat(&own).unwrap());
        assert!(found.contains_key(&(own.display().to_string(), id.dev, id.ino)), "{found:?}");
        let mut nothing = BTreeMap::new();
        read_maps("self", &mut 0, &mut nothing);
        assert!(nothing.is_empty());
    }
}
