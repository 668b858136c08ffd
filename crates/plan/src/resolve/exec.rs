//! What is run: argv, environment, limits, and how it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use super::identity::Who;
use super::problem::{Problem, Report};
use super::{capabilities, env_files, landlock, limits, quantity, signals, syscalls};
use crate::defaults;
use crate::env_file::is_name;
use crate::facts::{Facts, SystemKind};
use crate::path::RootPath;
use crate::plan::{Exec, Network, Stop, Success, Wait};
use crate::spec::choices::choices;
use crate::spec::{Ending, Spec};
use crate::wishes::octal;

pub(super) fn exec(
    spec: &Spec,
    program: RootPath,
    argv: Vec<String>,
    who: &Who,
    network: Network,
    facts: &Facts,
    report: &mut Report,
) -> Exec {
    let kind = facts.system.kind();
    let env_files = env_files::resolve(spec, facts, report);
    Exec {
        program,
        argv,
        env: env_files::without(env(spec, who, kind, report), &env_files).into_iter().collect(),
        env_files,
        listen: Vec::new(),
        ids: who.ids.clone(),
        capabilities: capabilities::resolve(spec, kind, report),
        syscalls: syscalls::resolve(spec, kind, report),
        landlock: landlock::resolve(spec, facts, network, report),
        umask: umask(spec, report),
        chdir: chdir(spec, report),
        limits: limits::resolve(spec, facts, report),
        descriptors: descriptors(spec, report),
        tty: spec.tty,
        network,
    }
}

/// Nothing is inherited: what login(1) would set, and what is written.
fn env(spec: &Spec, who: &Who, kind: SystemKind, report: &mut Report) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([
        ("PATH".to_string(), defaults::search_path(kind).to_string()),
        ("HOME".to_string(), who.home.clone()),
        ("USER".to_string(), who.name.clone()),
        ("LOGNAME".to_string(), who.name.clone()),
        ("SHELL".to_string(), who.shell.clone()),
    ]);
    for (name, value) in &spec.env {
        if !is_name(name) {
            report.problem(
                Problem::setup(format!("env: {name:?} is no name of a variable"))
                    .help("write letters, digits and _, no digit first"),
            );
            continue;
        }
        env.insert(name.clone(), value.clone());
    }
    env
}

fn umask(spec: &Spec, report: &mut Report) -> u32 {
    let Some(written) = &spec.umask else { return defaults::UMASK };
    let mask = octal(written).filter(|mask| *mask <= 0o777);
    report
        .keep(mask.ok_or_else(|| {
            Problem::setup(format!("umask = {written:?} is not an octal number of three or four digits"))
                .help("write umask = \"027\"")
        }))
        .unwrap_or(defaults::UMASK)
}

fn chdir(spec: &Spec, report: &mut Report) -> RootPath {
    let Some(written) = &spec.chdir else { return RootPath::root() };
    let path = RootPath::new(written)
        .map_err(|error| Problem::setup(format!("chdir: {error}")).help("write a directory inside, from the root on"));
    report.keep(path).unwrap_or_else(RootPath::root)
}

fn descriptors(spec: &Spec, report: &mut Report) -> Vec<i32> {
    let mut kept = spec.descriptors.clone();
    kept.sort_unstable();
    for pair in kept.windows(2).filter(|pair| pair[0] == pair[1]) {
        report.problem(Problem::setup(format!("descriptors: {} is written twice", pair[0])).help("write it once"));
    }
    for fd in kept.iter().filter(|fd| **fd < 3) {
        report.problem(
            Problem::setup(format!("descriptors: {fd} is not 3 or more"))
                .help("take it out: 0, 1 and 2 are handed on anyway"),
        );
    }
    kept.dedup();
    kept
}

pub(super) fn network(spec: &Spec, report: &mut Report) -> Network {
    match spec.network.as_deref() {
        None => {
            report.note("network = \"inherit\" (default): the host's network, its loopback included");
            Network::Inherit
        }
        Some("inherit") => Network::Inherit,
        Some("none") => Network::None,
        Some("host") => {
            let what = "network = \"host\" is not known: the host's network is inherited";
            report.problem(Problem::setup(what).help("write network = \"inherit\", which is the default"));
            Network::Inherit
        }
        Some(written) => {
            report.problem(one_of("network", written));
            Network::Inherit
        }
    }
}

pub(super) fn stop(spec: &Spec, kind: SystemKind, report: &mut Report) -> Stop {
    let written = spec.stop_signal.as_deref().unwrap_or("TERM");
    let signal = report.keep(signals::number("stop-signal", written, kind)).unwrap_or_default();
    let timeout = match &spec.stop_timeout {
        None => Duration::from_secs(defaults::STOP_SECONDS),
        Some(written) => report
            .keep(quantity::duration(written).ok_or_else(|| {
                Problem::setup(format!("stop-timeout = {written:?} is no time"))
                    .help("write a time such as \"10s\", \"1m30s\" or \"500ms\"")
            }))
            .unwrap_or_default(),
    };
    let wait = match spec.wait.as_deref() {
        None | Some("main") => Wait::Main,
        Some("all") => Wait::All,
        Some(written) => {
            report.problem(one_of("wait", written));
            Wait::Main
        }
    };
    Stop { signal, timeout, wait }
}

/// What is a success beside status 0.
pub(super) fn success(spec: &Spec, kind: SystemKind, report: &mut Report) -> Success {
    let mut success = Success::default();
    for ending in &spec.success_exit {
        match ending {
            Ending::Status(status @ 0..=255) => success.statuses.push(*status),
            Ending::Status(status) => report.problem(
                Problem::setup(format!("success-exit: {status} is no status that a program can end with"))
                    .help("write numbers from 0 to 255, and signals by name"),
            ),
            Ending::Signal(name) => {
                success.signals.extend(report.keep(signals::number("success-exit", name, kind)));
            }
        }
    }
    for list in [&mut success.statuses, &mut success.signals] {
        list.sort_unstable();
        list.dedup();
    }
    success
}

/// sethostname(2)'s limit on each system; RFC 1123's letters.
pub(super) fn hostname(spec: &Spec, kind: SystemKind, report: &mut Report) -> Option<String> {
    let written = spec.hostname.as_ref()?;
    let most = match kind {
        SystemKind::Linux => 64,
        SystemKind::FreeBsd => 255,
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if written.len() > most || !written.split('.').all(label) {
        report.problem(
            Problem::setup(format!("hostname = {written:?} is no host name"))
                .help(format!("write letters, digits and -, parts joined by dots, {most} characters at most")),
        );
    }
    Some(written.clone())
}

pub(super) fn one_of(key: &str, written: &str) -> Problem {
    let words = choices(key);
    let help = match crate::nearest::nearest(written, words.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("write one of {}", words.join(", ")),
    };
    Problem::setup(format!("{key} = {written:?} is not known")).help(help)
}
