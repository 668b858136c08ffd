//! What every jail on FreeBSD begins with: a root in memory, a devfs with a ruleset, and jail(2)'s parameters.

use std::collections::BTreeMap;

use super::inside::{Entry, Inside, Node, Origin};
use super::problem::{Problem, Report};
use crate::defaults::DEVFS_RULESET;
use crate::path::RootPath;
use crate::plan::Network;
use crate::spec::Spec;
use crate::step::{Confine, Planned, Step};

/// What ruleset 4 of devfs.rules(5) shows, and what needs no device here.
const SHOWN: [&str; 13] =
    ["crypto", "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"];

/// jail(8)'s parameters that have a word of ours, or that are ours alone.
const OURS: [(&str, &str); 14] = [
    ("allow.dying", "take it out: a dying jail is waited for"),
    ("command", "write command"),
    ("depend", "let the init system order its services"),
    ("devfs_ruleset", "take it out: the jail has a /dev of its own, and mounts no other"),
    ("host.hostname", "write hostname"),
    ("ip_hostname", "take it out"),
    ("jid", "take it out: the kernel chooses it"),
    ("mount", "write read, write or [[mount]]"),
    ("name", "take it out: the jail has the profile's name"),
    ("nopersist", "take it out: the jail ends with its last process"),
    ("path", "take it out: the root is made in memory"),
    ("persist", "take it out: the jail ends with its last process"),
    ("stop.timeout", "write stop-timeout"),
    ("parent", "take it out"),
];

/// jail(8)'s hooks in the order in which they are run.
const HOOKS: [&str; 9] = [
    "exec.prepare",
    "exec.prestart",
    "exec.created",
    "exec.start",
    "exec.poststart",
    "exec.prestop",
    "exec.stop",
    "exec.poststop",
    "exec.release",
];

pub(super) fn base(spec: &Spec, inside: &mut Inside, report: &mut Report) {
    for word in &spec.devices {
        let name = word.strip_prefix("/dev/").unwrap_or(word);
        if name == "log" {
            report.problem(
                Problem::setup("devices: log: a single socket can't be mounted on this FreeBSD")
                    .help("write it under [linux]; on FreeBSD let the daemon log to stderr or a file"),
            );
        } else if !SHOWN.contains(&name) && !name.starts_with("tty") {
            report.problem(
                Problem::setup(format!("devices: {name} is not shown by devfs ruleset {DEVFS_RULESET}"))
                    .help("take it out; this version has no ruleset of its own"),
            );
        }
    }
    if spec.proc.is_some() {
        report.note("proc is Linux's; FreeBSD's programs need no /proc, and there is none inside");
    }
    let node = Node::Devices { nodes: Vec::new(), links: Vec::new(), ruleset: Some(DEVFS_RULESET) };
    let why = "devfs.rules(5)'s devfsrules_jail: null zero random urandom fd and terminals";
    let put = inside.put(RootPath::fixed("/dev"), Entry::new(node, Origin::Base, why));
    report.keep(put);
}

pub(super) fn confine(
    name: &str,
    spec: &Spec,
    hostname: Option<String>,
    network: Network,
    report: &mut Report,
) -> Planned {
    let mut params: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |name: &str, value: &str| {
        params.insert(name.into(), value.into());
    };
    set("allow.noset_hostname", "");
    set("children.max", "0");
    set("enforce_statfs", "2");
    // A dot would name a child of another jail.
    set("name", &name.replace('.', "_"));
    for sysv in ["sysvmsg", "sysvsem", "sysvshm"] {
        set(sysv, "new");
    }
    match &hostname {
        Some(hostname) => {
            set("host", "new");
            set("host.hostname", hostname);
        }
        None => set("host", "inherit"),
    }
    let ip = match network {
        Network::Inherit => "inherit",
        Network::None => "disable",
    };
    // Addresses are the jail's own only where it does not inherit all of the host's.
    for (family, addresses) in [("ip4", "ip4.addr"), ("ip6", "ip6.addr")] {
        set(family, if spec.params.contains_key(addresses) { "new" } else { ip });
    }
    let mut hooks: Vec<(String, String)> = Vec::new();
    for (param, value) in &spec.params {
        if HOOKS.contains(&param.as_str()) {
            hooks.push((param.clone(), value.clone()));
            continue;
        }
        match refused(param) {
            Some(help) => report.problem(Problem::setup(format!("params: {param} is thinjail's own")).help(help)),
            None => {
                // A boolean and its opposite are two names of one parameter.
                params.remove(&opposite(param));
                params.insert(param.clone(), value.clone());
            }
        }
    }
    let params = params.into_iter().collect();
    hooks.sort_by_key(|(name, _)| HOOKS.iter().position(|hook| hook == name));
    let why = match network {
        Network::Inherit => "a jail of its own, with the host's network",
        Network::None => "a jail of its own, without a network",
    };
    Planned { step: Step::Confine(Confine::FreeBsd { params, hooks }), why: why.into() }
}

fn refused(param: &str) -> Option<&'static str> {
    if param.starts_with("exec.") && param != "exec.fib" {
        return Some(
            "write the keys for it: user, umask, env, command; hooks are exec.prepare, exec.prestart and their kin",
        );
    }
    if param.starts_with("mount.") || param.starts_with("vnet") || param.starts_with("zfs.") {
        return Some("take it out: this version does not do that");
    }
    let plain = !param.is_empty() && param.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'));
    if !plain {
        return Some("write a name of jail(8)'s parameters");
    }
    OURS.iter().find(|(name, _)| *name == param).map(|(_, help)| *help)
}

/// `allow.mlock` and `allow.nomlock`.
fn opposite(param: &str) -> String {
    let (head, last) = match param.rfind('.') {
        Some(at) => param.split_at(at + 1),
        None => ("", param),
    };
    match last.strip_prefix("no") {
        Some(rest) => format!("{head}{rest}"),
        None => format!("{head}no{last}"),
    }
}
