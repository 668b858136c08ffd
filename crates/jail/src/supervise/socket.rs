//! A socket in a directory that no path of ours leads to.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};

/// Makes one of that name there, which everybody may write to who gets at it.
pub(crate) fn listen<D: AsFd>(directory: D, name: &str) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    // bind(2) knows no directory but the one that we are in.
    let here = fs::open(".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::process::fchdir(&directory)?;
    let bound = SocketAddrUnix::new(name).and_then(|address| bind(&socket, &address));
    rustix::process::fchdir(&here)?;
    bound?;
    fs::chmodat(&directory, name, Mode::from_raw_mode(0o666), AtFlags::empty())?;
    Ok(socket)
}
