//! `listen`: sockets that are opened on the host before privileges go, and handed on as sd_listen_fds(3) says.

use super::links::Writable;
use super::pidfile;
use super::problem::{Problem, Report};
use crate::facts::Facts;
use crate::path::HostPath;
use crate::plan::{Address, Listen, Network};
use crate::spec::Spec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The longest path that connect(2) takes on every system.
const LONGEST: usize = 103;

/// The sockets, in the order in which they are written.
pub(super) fn resolve(
    jail: &str,
    spec: &Spec,
    network: Network,
    (unsupervised, descriptors): (bool, &[i32]),
    (facts, writable): (&Facts, &Writable),
    report: &mut Report,
) -> Vec<Listen> {
    let mut all: Vec<Listen> = Vec::new();
    for written in &spec.listen {
        let Some(one) = report.keep(one(jail, written, facts, writable)) else { continue };
        if let Some(other) = all.iter().find(|other| meets(&other.at, &one.at)) {
            report.problem(
                Problem::setup(format!("listen = {written:?}: {} is in the list already", other.at))
                    .help("write each address once; a port alone is that of all addresses"),
            );
            continue;
        }
        if let (true, Address::Unix { path }) = (unsupervised, &one.at) {
            report.note(format!("loss: {path} stays after the end, and the next start replaces it"));
        }
        all.push(one);
    }
    if network == Network::None && all.iter().any(|one| !matches!(one.at, Address::Unix { .. })) {
        report.note(
            "listen: the sockets are of the host's network, though the jail is not: it answers, and reaches nothing",
        );
    }
    let taken = 3..3 + i32::try_from(all.len()).unwrap_or(i32::MAX - 3);
    let ready = spec.ready_descriptor.map(|number| ("ready-descriptor", number));
    let theirs = descriptors.iter().map(|number| ("descriptors", *number)).chain(ready);
    for (key, number) in theirs.filter(|(_, number)| taken.contains(number)) {
        report.problem(
            Problem::setup(format!("{key}: {number} is a socket of listen, which has the descriptors from 3 on"))
                .help(format!("write {} or more", taken.end)),
        );
    }
    all
}

/// The directory of a unix socket, which has to be known.
pub(crate) fn directory(written: &str) -> Option<HostPath> {
    HostPath::new(split(written).1).ok()?.parent()
}

/// The name, if there is one, and the address.
fn split(written: &str) -> (Option<&str>, &str) {
    match written.split_once('=') {
        Some((name, address)) if !name.contains(['/', ':']) => (Some(name), address),
        _ => (None, written),
    }
}

fn one(jail: &str, written: &str, facts: &Facts, writable: &Writable) -> Result<Listen, Problem> {
    let said = format!("listen = {written:?}");
    let (name, address) = split(written);
    if name.is_some_and(|name| name.is_empty() || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_graphic())) {
        let problem = Problem::setup(format!("{said}: what is before the = is no name for a socket"));
        return Err(problem.help("write letters and digits, as in \"web=80\""));
    }
    let at = if address.starts_with('/') { unix(&said, address, facts, writable)? } else { internet(&said, address)? };
    Ok(Listen { name: name.unwrap_or(jail).to_owned(), at })
}

fn internet(said: &str, written: &str) -> Result<Address, Problem> {
    let (udp, rest) = match written.strip_prefix("udp:") {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let bad = |why: &str| {
        let help = "write a port such as \"80\", an address and a port such as \"127.0.0.1:80\" or \"[::1]:80\", \
                    the same after \"udp:\", or a path such as \"/run/app.sock\"";
        Problem::setup(format!("{said}: {why}")).help(help)
    };
    let (address, both) = if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
        let port = rest.parse().map_err(|_| bad("a port is a number up to 65535"))?;
        (SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port), true)
    } else {
        (rest.parse().map_err(|_| bad("it is neither an address with a port nor a path"))?, false)
    };
    if address.port() == 0 {
        return Err(bad("port 0 is any, and nobody would know which"));
    }
    Ok(if udp { Address::Udp { address, both } } else { Address::Tcp { address, both } })
}

fn unix(said: &str, written: &str, facts: &Facts, writable: &Writable) -> Result<Address, Problem> {
    let bad = |error| Problem::setup(format!("{said}: {error}"));
    let path = HostPath::new(written).map_err(bad)?;
    let (Some(dir), Some(name)) = (path.parent(), path.name()) else {
        return Err(Problem::setup(format!("{said} is no file")).help("write a path such as \"/run/app.sock\""));
    };
    let found = pidfile::directory(said, &dir, facts, writable)?;
    let path = HostPath::from_path(&found.real).and_then(|real| real.join(name)).map_err(bad)?;
    if path.as_str().len() > LONGEST {
        return Err(Problem::setup(format!("{said}: the path has more than {LONGEST} bytes"))
            .help("write a shorter one: no program could connect to it"));
    }
    Ok(Address::Unix { path })
}

/// Whether one socket would be in the way of the other.
fn meets(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Tcp { address: a, both: x }, Address::Tcp { address: b, both: y })
        | (Address::Udp { address: a, both: x }, Address::Udp { address: b, both: y }) => {
            let every = |address: &SocketAddr| address.ip().is_unspecified();
            let family = a.is_ipv4() == b.is_ipv4();
            a.port() == b.port() && (*x || *y || a.ip() == b.ip() || family && (every(a) || every(b)))
        }
        (Address::Unix { path: a }, Address::Unix { path: b }) => a == b,
        _ => false,
    }
}
