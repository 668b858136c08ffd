//! What the program `probe` does: prints the whole tree it stands in as JSON, one name a line.
//!
//! With a pid, it first enters the mount namespace of that process, and so sees what a daemon in a jail sees.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::walk::walk;

/// The whole of it.
///
/// # Errors
///
/// If there is no such process, or a part of the tree can't be read: a list with gaps would prove nothing.
pub fn run(pid: Option<&str>) -> Result<(), Box<dyn Error>> {
    if let Some(pid) = pid {
        let namespace = File::open(format!("/proc/{pid}/ns/mnt"))?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
    }
    let mut out = String::new();
    for entry in walk(Path::new("/"))? {
        out += &serde_json::to_string(&entry)?;
        out.push('\n');
    }
    std::io::stdout().write_all(out.as_bytes())?;
    Ok(())
}
