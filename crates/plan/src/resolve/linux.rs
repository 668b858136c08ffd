//! What every jail on Linux begins with: a root in memory, a small /dev, a read-only /proc, and namespaces.

use thinjail_closure::tree::Kind;

use super::exec;
use super::inside::{Entry, Inside, Node, Origin};
use super::links;
use super::problem::{Problem, Report};
use super::programs::Programs;
use crate::defaults::{DEVICE_LINKS, DEVICES, SHM_SIZE};
use crate::facts::{Facts, PathFact};
use crate::path::{HostPath, RootPath};
use crate::plan::Network;
use crate::spec::Spec;
use crate::step::{Access, Confine, Planned, ProcView, Source, Step};

/// Character devices that undo a jail, and why.
const REFUSED: [(&str, &str); 7] = [
    ("kmem", "it is the kernel's memory"),
    ("kmsg", "it reads and writes the kernel's log"),
    ("mem", "it is the host's memory"),
    ("port", "it is every device of the host"),
    ("ptmx", "it makes terminals of the host"),
    ("pts/ptmx", "it makes terminals of the host"),
    ("vhost-net", "it is served by the host's kernel with the host's memory"),
];

/// Everything but the size of the root, which depends on what is put there.
pub(super) fn base(spec: &Spec, facts: &Facts, inside: &mut Inside, report: &mut Report) {
    let view = match spec.proc.as_deref() {
        None | Some("pid") => Some(ProcView::Pid),
        Some("full") => Some(ProcView::Full),
        Some("none") => None,
        Some(written) => {
            report.problem(exec::one_of("proc", written));
            None
        }
    };
    if let Some(view) = view {
        let why = match view {
            ProcView::Pid => "proc = \"pid\": the jail's own processes",
            ProcView::Full | ProcView::Descriptors => "proc = \"full\"",
        };
        let put = inside.put(RootPath::fixed("/proc"), Entry::new(Node::Proc { view }, Origin::Base, why));
        report.keep(put);
    }
    let mut nodes: Vec<Source> = DEVICES.iter().filter_map(|name| usual_device(name, facts, report)).collect();
    for word in &spec.devices {
        let more = device(word, facts, inside);
        match report.keep(more).flatten() {
            Some(node) if !nodes.contains(&node) => nodes.push(node),
            _ => {}
        }
    }
    // Without /proc these would lead nowhere.
    let own = view.map_or(&[][..], |_| &DEVICE_LINKS[..]);
    let links = own.iter().map(|(name, to)| ((*name).into(), (*to).into())).collect();
    let node = Node::Devices { nodes, links, devfs: None };
    let put =
        inside.put(RootPath::fixed("/dev"), Entry::new(node, Origin::Base, "the devices that every program expects"));
    report.keep(put);
}

fn usual_device(name: &str, facts: &Facts, report: &mut Report) -> Option<Source> {
    match found(name, facts) {
        Ok(source) => Some(source),
        Err(_) => {
            report.note(format!("/dev/{name} is not on this host: left out"));
            None
        }
    }
}

/// One word of `devices`: a node beside the others, or something put into place at once.
fn device(word: &str, facts: &Facts, inside: &mut Inside) -> Result<Option<Source>, Problem> {
    let name = word.strip_prefix("/dev/").unwrap_or(word);
    let why = format!("devices: {name}");
    let writable = Access { write: true, exec: false, dev: false };
    match name {
        "shm" => {
            let node = Node::Tmpfs { size: SHM_SIZE, mode: 0o1777, uid: 0, gid: 0, access: writable };
            inside.put(RootPath::fixed("/dev/shm"), Entry::new(node, Origin::Base, why))?;
            Ok(None)
        }
        "log" => {
            let source = log_socket(facts)?;
            let node = Node::Bind { source, access: Access::default() };
            inside.put(RootPath::fixed("/dev/log"), Entry::new(node, Origin::Base, why))?;
            Ok(None)
        }
        _ => {
            let source = found(name, facts)?;
            // By its path: a name may have more slashes than it needs.
            let plain = source.path.below(&HostPath::fixed("/dev")).unwrap_or(name);
            if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == plain) {
                return Err(Problem::setup(format!("{why} would undo the jail: {reason}")).help("take it out"));
            }
            if !name.contains('/') {
                return Ok(Some(source));
            }
            let at = source.path.inside();
            let node = Node::Bind { source, access: Access { dev: true, ..writable } };
            inside.put(at, Entry::new(node, Origin::Base, why))?;
            Ok(None)
        }
    }
}

/// A character device of the host.
fn found(name: &str, facts: &Facts) -> Result<Source, Problem> {
    let said = format!("devices: {name}");
    let path = HostPath::new(&format!("/dev/{name}")).map_err(|error| Problem::setup(format!("{said}: {error}")))?;
    match facts.paths.get(&path) {
        Some(PathFact::Found(found)) if found.meta.kind == Kind::CharDevice && found.links.is_empty() => {
            Ok(Source { path, id: Some(found.meta.id), kind: Kind::CharDevice })
        }
        Some(PathFact::Found(found)) if found.meta.kind == Kind::BlockDevice => {
            Err(Problem::setup(format!("{said} would undo the jail: a block device is a whole disk"))
                .help("mount the files of it that the program needs"))
        }
        Some(PathFact::Found(found)) if !found.links.is_empty() => {
            Err(Problem::setup(format!("{said}: {path} is a link to {}", found.real.display()))
                .help("name the device that it leads to"))
        }
        Some(PathFact::Found(_)) => Err(Problem::setup(format!("{said}: {path} is no character device"))),
        Some(PathFact::Missing { at, .. }) => Err(Problem::setup(format!("{said}: {at} does not exist"))
            .help("write a name below /dev, or one of shm, log, tty")),
        Some(PathFact::Refused { why }) => Err(Problem::setup(format!("{said}: {why}"))),
        None => Err(Problem::setup(format!("{said}: the facts say nothing of {path}"))
            .help("gather the facts again with this profile")),
    }
}

/// syslog(3) connects to /dev/log, which may be a link to the socket.
fn log_socket(facts: &Facts) -> Result<Source, Problem> {
    let said = "devices: log";
    match facts.paths.get(&HostPath::fixed("/dev/log")) {
        Some(PathFact::Found(found)) if found.meta.kind == Kind::Socket => {
            links::judge(said, found, facts.caller)?;
            let path = HostPath::from_path(&found.real).map_err(|error| Problem::setup(format!("{said}: {error}")))?;
            Ok(Source { path, id: Some(found.meta.id), kind: Kind::Socket })
        }
        Some(PathFact::Found(_)) => Err(Problem::setup(format!("{said}: /dev/log is no socket"))),
        _ => Err(Problem::setup(format!("{said}: there is no /dev/log on this host"))
            .help("start a syslog daemon, or take it out")),
    }
}

/// A program that asks where it stands finds out by /proc/self/exe.
pub(super) fn check_proc(spec: &Spec, programs: &Programs, report: &mut Report) {
    if let (Some(program), Some("none")) = (&programs.needs_proc, spec.proc.as_deref()) {
        report.problem(
            Problem::setup(format!("{program} takes $ORIGIN from /proc/self/exe, and proc = \"none\""))
                .help("write proc = \"pid\", or take the key out"),
        );
    }
}

/// With `own`, the caller has no privilege, and needs a namespace of its own to have any inside.
/// With `alone`, nobody stays who could be the parent of a pid 1.
pub(super) fn confine(hostname: Option<String>, network: Network, own: bool, alone: bool) -> Planned {
    let mut namespaces = vec!["ipc", "mount", "pid", "uts"];
    namespaces.retain(|name| *name != "pid" || !alone);
    if network == Network::None {
        namespaces.insert(2, "net");
    }
    if own {
        namespaces.insert(namespaces.len() - 1, "user");
    }
    let namespaces = namespaces.into_iter().map(String::from).collect();
    let why = match (network, alone) {
        (Network::Inherit, false) => "namespaces of its own, but for the network",
        (Network::Inherit, true) => "namespaces of its own, but for the network and the pids",
        (Network::None, false) => "namespaces of its own; of the network only its own loopback",
        (Network::None, true) => "namespaces of its own, but for the pids; of the network only its own loopback",
    };
    Planned { step: Step::Confine(Confine::Linux { namespaces, hostname }), why: why.into() }
}
