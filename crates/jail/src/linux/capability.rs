//! capabilities(7) by name.

use rustix::io::Errno;
use rustix::thread::{self, CapabilitySet};

/// In the order of their numbers; linux/capability.h.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// How many numbers there can be.
pub(super) const LAST: u32 = 63;

/// Takes all but these out of the bounding set: what execve(2) may give to this process and to those that it starts. It has
/// them itself as before. Who is `powerless` has none to lose, and gets none by no_new_privs.
pub(super) fn bound(kept: CapabilitySet, powerless: bool) -> Result<(), Errno> {
    for number in 0..=LAST {
        let one = one(number);
        if kept.contains(one) {
            continue;
        }
        match thread::remove_capability_from_bounding_set(one) {
            // Past the last one that this kernel has.
            Err(Errno::INVAL) => break,
            Err(Errno::PERM) if powerless => break,
            other => other?,
        }
    }
    Ok(())
}

/// The set of these; the first name that is none otherwise.
pub(super) fn set(names: &[String]) -> Result<CapabilitySet, &str> {
    let mut set = CapabilitySet::empty();
    for name in names {
        match NAMES.iter().position(|known| known == name) {
            Some(number) => set |= one(u32::try_from(number).unwrap_or(LAST)),
            None => return Err(name),
        }
    }
    Ok(set)
}

/// The one with this number.
pub(super) fn one(number: u32) -> CapabilitySet {
    CapabilitySet::from_bits_retain(1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_kernel_s_numbers() {
        for (name, set_of_one) in [
            ("chown", CapabilitySet::CHOWN),
            ("net_bind_service", CapabilitySet::NET_BIND_SERVICE),
            ("sys_admin", CapabilitySet::SYS_ADMIN),
            ("setfcap", CapabilitySet::SETFCAP),
            ("checkpoint_restore", CapabilitySet::CHECKPOINT_RESTORE),
        ] {
            assert_eq!(set(&[name.to_owned()]), Ok(set_of_one), "{name}");
        }
        assert_eq!(set(&["sys_magic".to_owned()]), Err("sys_magic"));
    }
}
