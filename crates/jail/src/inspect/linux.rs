//! What only Linux can be asked.

use std::io;

use thinjail_plan::facts::{System, SystemKind};

pub(super) const KIND: SystemKind = SystemKind::Linux;

/// uname(2).
pub(super) fn system() -> io::Result<System> {
    Ok(System::Linux { release: rustix::system::uname().release().to_string_lossy().into_owned() })
}
