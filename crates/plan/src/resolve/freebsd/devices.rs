//! /dev on FreeBSD: a devfs(5) that shows a few devices and those that are named, or what a ruleset of the host's shows.

use thinjail_closure::tree::Kind;

use super::super::inside::{Entry, Inside, Node, Origin};
use super::super::links;
use super::super::problem::{Problem, Report};
use crate::defaults::{DEVFS_SHOWN, HOST_LOG};
use crate::facts::{Facts, PathFact};
use crate::path::{HostPath, RootPath};
use crate::spec::Spec;
use crate::step::{Devfs, ProcView};

/// The parameter of jail(8) that names a ruleset of the host's.
pub(super) const RULESET: &str = "devfs_ruleset";

/// Devices that undo a jail, and why.
const REFUSED: [(&str, &str); 8] = [
    ("devctl2", "it takes the host's devices away"),
    ("io", "it is every device of the host"),
    ("klog", "it reads the kernel's log"),
    ("kmem", "it is the kernel's memory"),
    ("mdctl", "it makes disks of the host's files"),
    ("mem", "it is the host's memory"),
    ("pci", "it is every device of the host"),
    ("ufssuspend", "it stops the host's file systems"),
];

/// How disks are called, which look like any other device here; then comes a number.
const DISKS: [&str; 13] =
    ["ada", "aacd", "cd", "da", "md", "mfid", "mmcsd", "nda", "nvd", "nvme", "pass", "vtbd", "xbd"];
/// Directories that hold disks by other names.
const DISK_DIRS: [&str; 10] =
    ["concat", "diskid", "gpt", "gptid", "iso9660", "label", "mirror", "raid", "stripe", "ufs"];

pub(super) fn place(spec: &Spec, facts: &Facts, inside: &mut Inside, report: &mut Report) {
    let ruleset = spec.params.get(RULESET).map(|written| number(written));
    let ruleset = ruleset.and_then(|number| report.keep(number));
    let mut shown: Vec<String> = DEVFS_SHOWN.iter().map(|pattern| (*pattern).to_owned()).collect();
    for word in &spec.devices {
        let name = word.strip_prefix("/dev/").unwrap_or(word);
        let done = match name {
            "fd" => descriptors(inside),
            "log" => log(facts, inside),
            // POSIX's shared memory needs no directory here.
            "shm" => Ok(()),
            _ if ruleset.is_some() => Err(Problem::setup(format!("devices: {name}: {RULESET} says what /dev shows"))
                .help("take one of them out of the profile")),
            _ => device(name, facts).map(|patterns| {
                for pattern in patterns {
                    if !shown.contains(&pattern) {
                        shown.push(pattern);
                    }
                }
            }),
        };
        report.keep(done);
    }
    let (devfs, why) = match ruleset {
        Some(number) => (Devfs::Ruleset(number), format!("{RULESET} = \"{number}\"")),
        None => (Devfs::Only(shown), "the devices that every program expects".to_owned()),
    };
    let node = Node::Devices { nodes: Vec::new(), links: Vec::new(), devfs: Some(devfs) };
    let put = inside.put(RootPath::fixed("/dev"), Entry::new(node, Origin::Base, why));
    report.keep(put);
}

/// 0 is what no rule is about, and would show every device.
fn number(written: &str) -> Result<u16, Problem> {
    let number = written.parse().ok().filter(|number| *number != 0);
    number.ok_or_else(|| {
        Problem::setup(format!("params: {RULESET} = {written:?} is no ruleset"))
            .help("write a number of devfs.rules(5), from 1 to 65535")
    })
}

fn descriptors(inside: &mut Inside) -> Result<(), Problem> {
    let node = Node::Proc { view: ProcView::Descriptors };
    inside.put(RootPath::fixed("/dev/fd"), Entry::new(node, Origin::Base, "devices: fd"))
}

/// syslog(3) sends to /var/run/log. A single socket can't be mounted, and syslogd(8) makes another one when it starts again.
fn log(facts: &Facts, inside: &mut Inside) -> Result<(), Problem> {
    let said = "devices: log";
    match facts.paths.get(&HostPath::fixed(HOST_LOG)) {
        Some(PathFact::Found(found)) if found.meta.kind == Kind::Socket => {
            links::judge(said, found, facts.caller)?;
            let to = HostPath::from_path(&found.real).map_err(|error| Problem::setup(format!("{said}: {error}")))?;
            inside.put(RootPath::fixed(HOST_LOG), Entry::new(Node::LogSocket { to }, Origin::Base, said))
        }
        Some(PathFact::Found(_)) => Err(Problem::setup(format!("{said}: {HOST_LOG} is no socket"))),
        _ => Err(Problem::setup(format!("{said}: there is no {HOST_LOG} on this host"))
            .help("service syslogd start; or take it out")),
    }
}

/// The patterns that show a device: its directories are devices as well.
fn device(name: &str, facts: &Facts) -> Result<Vec<String>, Problem> {
    let said = format!("devices: {name}");
    if name.contains(['*', '?', '[', '\\']) {
        return Err(Problem::setup(format!("{said}: it is a pattern")).help("name each device"));
    }
    let path = HostPath::new(&format!("/dev/{name}")).map_err(|error| Problem::setup(format!("{said}: {error}")))?;
    // By its path: a name may have more slashes than it needs.
    let plain = path.below(&HostPath::fixed("/dev")).unwrap_or(name);
    if DEVFS_SHOWN.contains(&plain) {
        return Ok(Vec::new());
    }
    // devfs(5) shows a jail no terminal but its own, and the directory is there only while there is one.
    if ["ptmx", "pts"].contains(&plain) {
        return Ok(["ptmx", "pts", "pts/*"].map(String::from).to_vec());
    }
    let reason = REFUSED.iter().find(|(refused, _)| *refused == plain).map(|(_, reason)| *reason);
    if let Some(reason) = reason.or_else(|| is_disk(plain).then_some("it is a whole disk")) {
        return Err(Problem::setup(format!("{said} would undo the jail: {reason}")).help("take it out"));
    }
    match facts.paths.get(&path) {
        Some(PathFact::Found(found)) if found.meta.kind == Kind::CharDevice && found.links.is_empty() => {}
        Some(PathFact::Found(found)) if !found.links.is_empty() => {
            return Err(Problem::setup(format!("{said}: {path} is a link to {}", found.real.display()))
                .help("name the device that it leads to"));
        }
        Some(PathFact::Found(_)) => return Err(Problem::setup(format!("{said}: {path} is no device"))),
        Some(PathFact::Missing { at, .. }) => {
            return Err(Problem::setup(format!("{said}: {at} does not exist")).help(
                "write a name below /dev, or one of fd, log, pts, shm; or load the kernel module that makes it",
            ));
        }
        Some(PathFact::Refused { why }) => return Err(Problem::setup(format!("{said}: {why}"))),
        None => {
            return Err(Problem::setup(format!("{said}: the facts say nothing of {path}"))
                .help("gather the facts again with this profile"));
        }
    }
    let ends = plain.match_indices('/').map(|(at, _)| at).chain([plain.len()]);
    Ok(ends.map(|end| plain[..end].to_owned()).collect())
}

fn is_disk(name: &str) -> bool {
    let numbered = |disk: &&str| {
        name.strip_prefix(*disk).is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
    };
    let (first, rest) = name.split_once('/').unwrap_or((name, ""));
    DISKS.iter().any(numbered) || (!rest.is_empty() && DISK_DIRS.contains(&first))
}
