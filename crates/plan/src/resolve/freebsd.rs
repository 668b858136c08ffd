//! What every jail on FreeBSD begins with: a root in memory, a devfs, and jail(2)'s parameters.

mod devices;

use std::collections::BTreeMap;

use super::exec;
use super::inside::{Entry, Inside, Node, Origin};
use super::problem::{Problem, Report};
use crate::facts::Facts;
use crate::path::RootPath;
use crate::plan::Network;
use crate::spec::Spec;
use crate::step::{Confine, Planned, ProcView, Step};

/// jail(8)'s parameters that have a word of ours, or that are ours alone.
const OURS: [(&str, &str); 13] = [
    ("allow.dying", "take it out: a dying jail is waited for"),
    ("command", "write command"),
    ("depend", "let the init system order its services"),
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

pub(super) fn base(spec: &Spec, facts: &Facts, inside: &mut Inside, report: &mut Report) {
    devices::place(spec, facts, inside, report);
    match spec.proc.as_deref() {
        None | Some("none") => {}
        // procfs(5) has nothing of the host's but its processes, which jail(2) hides.
        Some(written @ ("pid" | "full")) => {
            let node = Node::Proc { view: ProcView::Pid };
            let why = format!("proc = \"{written}\"");
            let put = inside.put(RootPath::fixed("/proc"), Entry::new(node, Origin::Base, why));
            report.keep(put);
        }
        Some(written) => report.problem(exec::one_of("proc", written)),
    }
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
    if param.starts_with("exec.") && !["exec.cpuset", "exec.fib"].contains(&param) {
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
