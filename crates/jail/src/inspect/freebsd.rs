//! What only FreeBSD can be asked.

use std::io;

use thinjail_plan::facts::{System, SystemKind};
use thinjail_sys::freebsd::sysctl::sysctlbyname_int;

pub(super) const KIND: SystemKind = SystemKind::FreeBsd;

/// getosreldate(3).
pub(super) fn system() -> io::Result<System> {
    let osreldate = sysctlbyname_int(c"kern.osreldate")?;
    Ok(System::FreeBsd { osreldate: u32::try_from(osreldate).unwrap_or(0) })
}
