//! Linux: from what proc(5) tells of the supervisor's descendants.

use std::collections::{BTreeSet, HashSet};
use std::fs;

use super::Usage;

/// Of the jail of this supervisor.
pub(super) fn of(supervisor: i32) -> Usage {
    let all = below(supervisor);
    // The first of them is the jail's init.
    let pids = all.get(1..).unwrap_or_default();
    let Some(first) = pids.first() else { return Usage::default() };
    let mut sockets = HashSet::new();
    let files = pids.iter().map(|pid| descriptors(*pid, &mut sockets)).sum::<Option<usize>>();
    let ports = files.map(|_| ports(*first, &sockets).into_iter().collect());
    let memory = pids.iter().map(|pid| memory(*pid)).sum();
    Usage { user: None, processes: Some(pids.len()), memory, files, ports }
}

/// Of a process and all below it.
pub(super) fn listens(pid: i32) -> Option<Vec<String>> {
    let mut sockets = HashSet::new();
    for pid in std::iter::once(pid).chain(below(pid)) {
        descriptors(pid, &mut sockets)?;
    }
    Some(ports(pid, &sockets).into_iter().collect())
}

/// All that are below a process, parents first.
fn below(top: i32) -> Vec<i32> {
    let mut all = vec![top];
    let mut at = 0;
    while let Some(pid) = all.get(at) {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        at += 1;
    }
    all.remove(0);
    all
}

/// How many are open, and which of them are sockets. None where we may not look.
fn descriptors(pid: i32, sockets: &mut HashSet<u64>) -> Option<usize> {
    let mut count = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).ok()? {
        count += 1;
        let link = entry.ok().and_then(|entry| fs::read_link(entry.path()).ok());
        let number: Option<u64> =
            link.as_ref().and_then(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        sockets.extend(number);
    }
    Some(count)
}

/// Pss, in bytes.
fn memory(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Where these sockets listen; proc_pid_net(5).
fn ports(pid: i32, sockets: &HashSet<u64>) -> BTreeSet<String> {
    // TCP that listens, UDP that is connected to nobody.
    let tables = [("tcp", "tcp", "0A"), ("tcp6", "tcp", "0A"), ("udp", "udp", "07"), ("udp6", "udp", "07")];
    let mut found = BTreeSet::new();
    for (table, name, state) in tables {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        let port = |line: &str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let ours = fields.get(9)?.parse().is_ok_and(|inode| sockets.contains(&inode)) && *fields.get(3)? == state;
            let (_, port) = fields.get(1)?.rsplit_once(':')?;
            u16::from_str_radix(port, 16).ok().filter(|_| ours)
        };
        found.extend(text.lines().skip(1).filter_map(port).map(|port| format!("{port}/{name}")));
    }
    found
}
