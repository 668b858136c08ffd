//! Sockets that are opened before anything of the jail is made, and handed on to each of its lives; sd_listen_fds(3).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with, sockopt,
};
use thinjail_plan::path::HostPath;
use thinjail_plan::plan::{Address, Exec, Ids, Plan, Ready};

use crate::journal::Journal;
use crate::journal::undo::Undo;
use crate::look;
use crate::os::StepError;
use crate::os::host_file;
use crate::run::RunError;

/// What a child has of its own in place of ours.
#[derive(Debug, Default)]
pub(crate) struct Outlets {
    /// Standard output and error.
    pub(crate) output: Option<OwnedFd>,
    /// Where it says that it is ready, and by which number it knows that.
    pub(crate) ready: Option<(OwnedFd, i32)>,
    /// Sockets that were opened for it.
    pub(crate) sockets: Vec<OwnedFd>,
}

/// As many connections wait as the system allows.
const BACKLOG: i32 = 4096;
/// Its user and group may connect, nobody else.
const MODE: u32 = 0o660;
const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens what is written, all of it or nothing.
pub(crate) fn open(plan: &Plan, journal: &mut Journal) -> Result<Vec<OwnedFd>, RunError> {
    journal.keep_sockets(true);
    let opened = plan.exec.listen.iter().map(|one| match &one.at {
        Address::Tcp { address, both } => internet(&one.at, SocketType::STREAM, *address, *both),
        Address::Udp { address, both } => internet(&one.at, SocketType::DGRAM, *address, *both),
        Address::Unix { path } => unix(path, &plan.exec.ids, journal),
    });
    opened.collect()
}

/// Takes the files of unix sockets back.
pub(crate) fn close(journal: &mut Journal, left: &mut dyn FnMut(&StepError)) {
    journal.keep_sockets(false);
    for (number, entry) in journal.open() {
        if let Undo::RemoveSocket { path, id } = &entry.undo {
            match host_file::remove_socket(path, *id, &entry) {
                Ok(()) => journal.undone(number),
                Err(error) => left(&error),
            }
        }
    }
}

/// The same sockets for one more life, by numbers that are in the way of none that the program knows.
pub(crate) fn again(plan: &Plan, sockets: &[OwnedFd]) -> Result<Vec<OwnedFd>, RunError> {
    let top = top(plan).unwrap_or(0);
    let copy = |socket| rustix::io::fcntl_dupfd_cloexec(socket, top.saturating_add(1));
    let copies = sockets.iter().map(copy).collect::<Result<_, Errno>>();
    copies.map_err(|cause| RunError::setup("hand on the sockets of listen".into(), cause.into()))
}

/// The greatest number that the program will know a descriptor of ours by.
pub(crate) fn top(plan: &Plan) -> Option<i32> {
    let sockets = i32::try_from(plan.exec.listen.len()).unwrap_or(i32::MAX - 3);
    let ready = match plan.service.ready {
        Ready::Writes { descriptor } => Some(descriptor),
        _ => None,
    };
    ready.into_iter().chain((sockets > 0).then_some(2 + sockets)).max()
}

/// The variables of a program that is handed that many sockets. LISTEN_PID is known to its own process only.
pub(crate) fn environment(exec: &Exec, sockets: usize) -> Vec<(String, String)> {
    let ours = |name: &str| sockets > 0 && ["LISTEN_FDS", "LISTEN_FDNAMES", PID].contains(&name);
    let mut env: Vec<_> = exec.env.iter().filter(|(name, _)| !ours(name)).cloned().collect();
    if sockets > 0 {
        let names: Vec<&str> = exec.listen.iter().map(|one| one.name.as_str()).collect();
        env.push(("LISTEN_FDS".into(), sockets.to_string()));
        env.push(("LISTEN_FDNAMES".into(), names.join(":")));
    }
    env
}

/// Its name.
pub(crate) const PID: &str = "LISTEN_PID";

fn internet(at: &Address, kind: SocketType, address: SocketAddr, both: bool) -> Result<OwnedFd, RunError> {
    let found = match bound(kind, address, both) {
        // A host without IPv6.
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if both => {
            bound(kind, SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()), false)
        }
        other => other,
    };
    found.map_err(|cause| {
        let error = RunError::setup(format!("listen on {at}"), cause.into());
        let port = address.port();
        match cause {
            Errno::ADDRINUSE => error.help(format!("end what listens there, or write another address: `ss -lnp sport = :{port}` or sockstat(1) names it")),
            Errno::ADDRNOTAVAIL => error.help(format!("write the address of an interface of this host; `ip address` or ifconfig(8) lists them; \"{port}\" is all of them")),
            Errno::ACCESS => error.help(format!("start it as root, write a port from 1024 on, or let others have port {port}: `sysctl net.ipv4.ip_unprivileged_port_start={port}`")),
            _ => error,
        }
    })
}

fn bound(kind: SocketType, address: SocketAddr, both: bool) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !both)?;
    }
    if kind == SocketType::STREAM {
        // Connections of the last one that are not quite closed are in nobody's way. Of UDP this would let two have one port.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &address)?;
    if kind == SocketType::STREAM {
        listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

fn unix(path: &HostPath, ids: &Ids, journal: &mut Journal) -> Result<OwnedFd, RunError> {
    let failed = |cause: io::Error| RunError::setup(format!("listen on {path}"), cause);
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let given = (ids.uid, ids.gid) != (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let directory = place(&parent, given).map_err(|cause| {
        failed(cause).help(format!(
            "write a directory in which only root may write, such as /run, and no link on the way to it: {parent}"
        ))
    })?;
    remove_stale(path, &directory, name, ids)?;
    let undo = |id| Undo::RemoveSocket { path: path.clone(), id };
    let number = journal.will(undo(None)).map_err(RunError::unwritten)?;
    let made = bound_at(&directory, name).and_then(|socket| {
        let id = look::identity(&directory, name)?;
        Ok((socket, id))
    });
    let (socket, id) = made.map_err(failed)?;
    journal.did(number, undo(Some(id))).map_err(RunError::unwritten)?;
    if given {
        let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
        // Nobody else may put another file there: its directory is root's.
        fs::chownat(&directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|cause| failed(cause.into()))?;
    }
    listen(&socket, BACKLOG).map_err(|cause| failed(cause.into()))?;
    Ok(socket)
}

/// The directory, each name on the way opened for itself. Where a file in it is given to another user, nobody but root may
/// have put it there, or moved a part of the way.
fn place(path: &HostPath, given: bool) -> io::Result<OwnedFd> {
    let trusted = |directory: OwnedFd| {
        let stat = fs::fstat(&directory)?;
        let mode = stat.st_mode;
        if given && (stat.st_uid != 0 || mode & 0o022 != 0 && mode & 0o1000 == 0) {
            return Err(io::Error::other(format!("others than root may write in {path}, or above it")));
        }
        Ok(directory)
    };
    let root = trusted(fs::open("/", DIR, Mode::empty())?)?;
    path.parts().try_fold(root, |directory, name| trusted(fs::openat(directory, name, DIR, Mode::empty())?))
}

/// Does something where the directory is the working directory: a path of a socket has a short limit, and its parents may be
/// other ones by now.
fn within<T>(directory: &OwnedFd, act: impl FnOnce() -> Result<T, Errno>) -> io::Result<T> {
    let before = fs::open(".", DIR, Mode::empty());
    rustix::process::fchdir(directory)?;
    let done = act();
    match before {
        Ok(before) => rustix::process::fchdir(before)?,
        Err(_) => rustix::process::chdir("/")?,
    }
    Ok(done?)
}

fn new_unix(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | flags, None)?)
}

fn bound_at(directory: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let (socket, address) = (new_unix(SocketFlags::empty())?, SocketAddrUnix::new(name)?);
    let before = rustix::process::umask(Mode::from_raw_mode((0o777 & !MODE) as fs::RawMode));
    let done = within(directory, || bind(&socket, &address));
    rustix::process::umask(before);
    done.map(|()| socket)
}

/// Of a socket that stands there: nobody may listen any more, and it has to be the jail's own.
fn remove_stale(path: &HostPath, directory: &OwnedFd, name: &str, ids: &Ids) -> Result<(), RunError> {
    let failed = |cause: io::Error| RunError::setup(format!("listen on {path}"), cause);
    let stat = match fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        found => found.map_err(|cause| failed(cause.into()))?,
    };
    let refused = |why: &str, help: String| Err(failed(io::Error::other(why.to_owned())).help(help));
    if !FileType::from_raw_mode(stat.st_mode).is_socket() {
        return refused("a file that is no socket stands there", format!("remove {path}, or write another path"));
    }
    if ![ids.uid, rustix::process::geteuid().as_raw()].contains(&stat.st_uid) {
        let help = format!("remove {path} if nobody uses it, or write another path");
        return refused(&format!("a socket of uid {} stands there", stat.st_uid), help);
    }
    // Who listens and accepts nothing would have us wait for ever once as many wait as may.
    let socket = new_unix(SocketFlags::NONBLOCK).map_err(failed)?;
    let address = SocketAddrUnix::new(name).map_err(|cause| failed(cause.into()))?;
    match within(directory, || Ok(connect(&socket, &address))).map_err(failed)? {
        Err(Errno::CONNREFUSED) => {}
        Err(Errno::NOENT) => return Ok(()),
        _ => return refused("somebody listens there", "end what listens there, or write another path".into()),
    }
    match fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(cause) => Err(failed(cause.into())),
    }
}
