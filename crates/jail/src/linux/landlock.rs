//! The rules of landlock(7) that a plan asks for, made before the child is, which only has to put them in force.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use thinjail_closure::tree::Kind;
use thinjail_plan::plan::{Landlock, Plan};
use thinjail_plan::step::{Access, Step};
use thinjail_sys::linux::landlock::{
    BIND_TCP, CONNECT_TCP, Handled, Ruleset, SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL, abi, access,
};

use super::source;
use crate::os::linux::HostDir;
use crate::run::RunError;

/// None where nothing is asked for. With `files` nothing else can be opened.
pub(super) fn ruleset(landlock: &Landlock, files: Option<&[(OwnedFd, Kind, Access)]>) -> io::Result<Option<Ruleset>> {
    let known = files.map_or(0, |_| access::known(abi()));
    let Landlock { own_abstract_sockets, own_signals, own_processes, tcp_bind, tcp_connect } = landlock;
    let bit = |wanted: bool, bit: u64| if wanted { bit } else { 0 };
    let handled = Handled {
        access_fs: known,
        access_net: bit(tcp_bind.is_some(), BIND_TCP) | bit(tcp_connect.is_some(), CONNECT_TCP),
        scoped: bit(*own_abstract_sockets, SCOPE_ABSTRACT_UNIX_SOCKET) | bit(*own_signals, SCOPE_SIGNAL),
    };
    let handled = match handled == Handled::default() {
        // Whoever has rules traces nobody who has them not; what they are about does not matter, and this nobody misses.
        true if *own_processes => Handled { access_fs: access::MAKE_DEVICE, ..handled },
        true => return Ok(None),
        false => handled,
    };
    let ruleset = Ruleset::create(handled)?;
    for (ports, access) in [(tcp_bind, BIND_TCP), (tcp_connect, CONNECT_TCP)] {
        for port in ports.iter().flatten() {
            ruleset.allow_port(*port, access)?;
        }
    }
    for (fd, kind, access) in files.unwrap_or_default() {
        ruleset.allow_path(fd, rights(*kind, *access) & known)?;
    }
    Ok(Some(ruleset))
}

/// As landlock(7) has it.
fn rights(kind: Kind, access: Access) -> u64 {
    let mut rights = access::READ_FILE | access::READ_DIR;
    if access.exec {
        rights |= access::EXECUTE;
    }
    if access.write {
        rights |= access::WRITE_FILE | access::TRUNCATE | access::CHANGE_DIR | access::REFER;
    }
    if access.dev {
        rights |= access::IOCTL_DEV;
    }
    if kind == Kind::Directory { rights } else { rights & access::OF_FILES }
}

/// Opens what a plan allows. What of the system's files is not there needs no rule.
pub(super) fn files(plan: &Plan, made: &[HostDir]) -> Result<Vec<(OwnedFd, Kind, Access)>, RunError> {
    let allowed = plan.inside.iter().filter_map(|planned| match &planned.step {
        Step::Allow { source, access } => Some((source, *access)),
        _ => None,
    });
    let mut files = Vec::new();
    for (source, access) in allowed {
        let is_made = made.iter().any(|dir| dir.path == source.path);
        if source.id.is_none() && !is_made {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            match fs::open(source.path.as_str(), flags, Mode::empty()) {
                Ok(fd) => files.push((fd, source.kind, access)),
                Err(Errno::NOENT) => {}
                Err(cause) => return Err(RunError::setup(format!("open {}", source.path), cause.into())),
            }
            continue;
        }
        files.push((source::open(source, made)?, source.kind, access));
    }
    Ok(files)
}
