//! What only Linux can be asked.

use std::collections::BTreeSet;
use std::io;

use thinjail_closure::machine::Machine;
use thinjail_plan::facts::{Mounted, System, SystemKind};
use thinjail_plan::path::HostPath;

pub(super) const KIND: SystemKind = SystemKind::Linux;

/// Whether a jail runs programs of this machine: the ways that those of 32 bits take into the kernel are closed.
pub(super) fn runs(machine: &Machine) -> bool {
    machine.wide
}

/// The kernel's ABI of landlock(7).
pub(super) fn landlock() -> u32 {
    thinjail_sys::linux::landlock::abi()
}

pub(super) use super::cgroups::cgroups;

/// uname(2).
pub(super) fn system() -> io::Result<System> {
    Ok(System::Linux { release: rustix::system::uname().release().to_string_lossy().into_owned() })
}

/// The mounts of these types. Without a /proc none are known.
pub(super) fn mounts(file_systems: &BTreeSet<String>) -> Vec<Mounted> {
    if file_systems.is_empty() {
        return Vec::new();
    }
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    text.split(|&byte| byte == b'\n').filter_map(|line| mounted(line, file_systems)).collect()
}

/// A line of proc_pid_mountinfo(5): five fields, the fifth the place; some more up to a `-`; the type.
fn mounted(line: &[u8], file_systems: &BTreeSet<String>) -> Option<Mounted> {
    let mut fields = line.split(|&byte| byte == b' ');
    let at = fields.nth(4)?;
    fields.find(|field| *field == b"-")?;
    let file_system = std::str::from_utf8(fields.next()?).ok()?;
    if !file_systems.contains(file_system) {
        return None;
    }
    // Only asked whether it is below or above something whose name is UTF-8: what is not, in a name of its own, is as good
    // as any other.
    let at = String::from_utf8_lossy(&unescaped(at)).into_owned();
    Some(Mounted { at: HostPath::new(&at).ok()?, file_system: file_system.to_owned() })
}

/// Space, tab, newline and backslash come as a backslash and three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) if byte == b'\\' => {
                plain.push(escaped);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                plain.push(byte);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_mounts_of_a_type_are_found_whatever_they_are_called() {
        let types = BTreeSet::from(["proc".to_owned()]);
        let line = |text: &str| mounted(text.as_bytes(), &types).map(|mounted| mounted.at.as_str().to_owned());
        let place = |at: &str| line(&format!("26 31 0:24 / {at} rw,nosuid shared:13 master:2 - proc none rw"));
        assert_eq!(place("/srv/a\\040-\\134040\\012"), Some("/srv/a -\\040\n".into()));
        assert_eq!(place("/srv/\\04"), Some("/srv/\\04".into()));
        assert_eq!(line("26 31 0:24 /proc /proc rw - ext4 proc rw"), None);
        assert_eq!(line(""), None);
        let here = mounts(&types);
        assert!(here.iter().any(|mounted| mounted.at.as_str() == "/proc"), "{here:?}");
    }
}
