//! capabilities(7) that are kept. Those that would undo the jail are refused, each with its reason.

use std::collections::BTreeSet;

use super::problem::{Problem, Report};
use crate::facts::SystemKind;
use crate::spec::Spec;

/// What a daemon needs that starts as root, binds its port, opens its logs and then becomes another user.
pub(super) const DROP_USER: &str = "drop-user";
const DROP_USER_SET: [&str; 5] = ["chown", "dac_override", "net_bind_service", "setgid", "setuid"];

/// Every capability of Linux 6.18, and why a jail may not have it; empty where it may.
const CAPABILITIES: [(&str, &str); 41] = [
    ("audit_control", "it changes what the host audits"),
    ("audit_read", "it reads the audit log of the whole host"),
    ("audit_write", ""),
    ("block_suspend", ""),
    ("bpf", "it loads programs into the host's kernel"),
    ("checkpoint_restore", "it chooses process ids and reads what other processes have open"),
    ("chown", ""),
    ("dac_override", ""),
    ("dac_read_search", "open_by_handle_at(2) opens any file of a mounted file system with it, inside the jail or not"),
    ("fowner", ""),
    ("fsetid", ""),
    ("ipc_lock", ""),
    ("ipc_owner", ""),
    ("kill", ""),
    ("lease", ""),
    ("linux_immutable", ""),
    ("mac_admin", "it changes the policy that confines the host"),
    ("mac_override", "it ignores the policy that confines the host"),
    ("mknod", "it makes device nodes, and with one of a disk all files of the host are open"),
    ("net_admin", ""),
    ("net_bind_service", ""),
    ("net_broadcast", ""),
    ("net_raw", ""),
    ("perfmon", "it watches the whole host"),
    ("setfcap", "it gives privileges to files, which keep them on the host"),
    ("setgid", ""),
    ("setpcap", ""),
    ("setuid", ""),
    ("sys_admin", "it mounts and unmounts, and with that there is no jail"),
    ("sys_boot", "it restarts the host, or its kernel"),
    ("sys_chroot", ""),
    ("sys_module", "it loads code into the host's kernel"),
    ("sys_nice", ""),
    ("sys_pacct", "it switches the host's process accounting"),
    ("sys_ptrace", "it reads and changes any process that it sees, the jail's own init among them"),
    ("sys_rawio", "it reads and writes memory and disks of the host"),
    ("sys_resource", ""),
    ("sys_time", ""),
    ("sys_tty_config", ""),
    ("syslog", "it reads the kernel's log, where the host's addresses are"),
    ("wake_alarm", ""),
];

pub(super) fn resolve(spec: &Spec, kind: SystemKind, report: &mut Report) -> Vec<String> {
    let words = spec.capabilities.list().map_err(|error| Problem::setup(format!("capabilities: {error}")));
    let words = report.keep(words).unwrap_or_default();
    let mut kept = BTreeSet::new();
    for written in &words {
        if written.eq_ignore_ascii_case(DROP_USER) {
            kept.extend(DROP_USER_SET);
        } else if let Some(name) = report.keep(one(written)) {
            kept.insert(name);
        }
    }
    match kind {
        SystemKind::Linux => kept.into_iter().map(String::from).collect(),
        SystemKind::FreeBsd => {
            if !kept.is_empty() {
                report.note("capabilities are Linux's; on FreeBSD the jail's allow.* parameters hold, and root inside may do what jail(8) says");
            }
            Vec::new()
        }
    }
}

fn one(written: &str) -> Result<&'static str, Problem> {
    let lower = written.to_ascii_lowercase().replace('-', "_");
    let name = lower.strip_prefix("cap_").unwrap_or(&lower);
    match CAPABILITIES.iter().find(|(known, _)| *known == name) {
        Some((known, "")) => Ok(known),
        Some((known, why)) => Err(Problem::setup(format!("capabilities: {known} would undo the jail: {why}"))
            .help("take it out; a program that needs it can't be jailed")),
        None => {
            let problem = Problem::setup(format!("capabilities: there is no capability {written:?}"));
            let names = CAPABILITIES.iter().map(|(known, _)| *known).chain([DROP_USER]);
            Err(match crate::nearest::nearest(name, names) {
                Some(near) => problem.help(format!("did you mean {near}?")),
                None => problem.help("capabilities(7) has their names"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_in_any_case_with_or_without_the_prefix() {
        for written in ["net_bind_service", "CAP_NET_BIND_SERVICE", "cap_net_bind_service", "Net-Bind-Service"] {
            assert_eq!(one(written), Ok("net_bind_service"));
        }
    }

    #[test]
    fn the_table_is_sorted_and_the_preset_is_in_it() {
        assert!(CAPABILITIES.is_sorted_by(|one, two| one.0 < two.0));
        for name in DROP_USER_SET {
            assert_eq!(one(name), Ok(name));
        }
    }
}
