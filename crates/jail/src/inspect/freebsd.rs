//! What only FreeBSD can be asked.

use std::collections::BTreeSet;
use std::io;

use thinjail_closure::machine::Machine;
use thinjail_plan::facts::{Cgroup, Mounted, System, SystemKind};
use thinjail_sys::freebsd::sysctl::sysctlbyname_int;

pub(super) const KIND: SystemKind = SystemKind::FreeBsd;

/// Whether a jail runs programs of this machine: those that the host runs.
pub(super) fn runs(_machine: &Machine) -> bool {
    true
}

/// None on this system.
pub(super) fn landlock() -> u32 {
    0
}

/// None on this system.
pub(super) fn cgroups(_controllers: &BTreeSet<String>) -> Vec<Cgroup> {
    Vec::new()
}

/// getosreldate(3).
pub(super) fn system() -> io::Result<System> {
    let osreldate = sysctlbyname_int(c"kern.osreldate")?;
    Ok(System::FreeBsd { osreldate: u32::try_from(osreldate).unwrap_or(0) })
}

/// None: what nullfs(5) shows of a directory has no other mounts in it.
pub(super) fn mounts(_file_systems: &BTreeSet<String>) -> Vec<Mounted> {
    Vec::new()
}
