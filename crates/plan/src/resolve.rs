//! Spec + facts -> plan, or everything that would fail.
//!
//! In this order: who runs; what every jail begins with; what is written; what the programs need; the place for the
//! daemon's own pidfile; the usual files of /etc. What comes first wins over what comes later, and what is written wins
//! over what is usual. Then the way to each thing is looked at, and the steps come out parents first.

mod capabilities;
mod commands;
mod env_files;
mod etc;
mod exec;
mod follow;
mod freebsd;
mod fresh;
mod identity;
mod inside;
mod isolated;
mod landlock;
mod ld_elf_hints;
mod ld_so_cache;
mod libmap;
pub(crate) mod limits;
mod links;
mod linux;
pub(crate) mod listen;
mod mounts;
mod pidfile;
mod problem;
mod programs;
mod pwd_db;
pub(crate) mod quantity;
pub(crate) mod runtime;
mod secrets;
mod service;
pub(crate) mod signals;
mod syscalls;
mod unprivileged;
mod unsupervised;
mod ways;

use crate::defaults;
use crate::doubts::doubts;
use crate::facts::{Facts, PathFact, System, SystemKind};
use crate::path::RootPath;
use crate::plan::{Plan, Ready};
use crate::spec::{Spec, TmpSize};
use crate::step::{Access, Content, Planned};
use crate::wishes::wishes;
pub(crate) use follow::wanted as follows_links;
pub use follow::{SYSTEM, dangling};
pub use fresh::{Newer, decide as decide_fresh};
use inside::{Entry, Inside, Node, Origin};
pub(crate) use links::Writable;
use problem::Report;
pub use problem::{Class, Problem};
pub use programs::missing_file;
pub use signals::{name as signal_name, of_command_line as signal_number};
pub use unprivileged::privilege;

/// The plan, or everything that would fail, the most telling first. Never an empty list.
pub fn resolve(name: &str, spec: &Spec, facts: &Facts) -> Result<Plan, Vec<Problem>> {
    let kind = facts.system.kind();
    let spec = &spec.for_system(kind);
    let mut report = Report::default();
    let mut inside = Inside::default();
    let mut host = Vec::new();

    let argv = command(spec, &mut report);
    let mut who = identity::resolve(spec, facts, &mut report);
    // Whoever may not carry it out sees what root would.
    let landlocked = isolated::wanted(spec, kind, &mut report);
    let alone = unsupervised::wanted(spec, kind, &mut report);
    let own = kind == SystemKind::Linux && facts.caller != 0 && privilege(spec, facts).is_empty();
    if !landlocked {
        report.notes.extend(unprivileged::note(own, &who, facts));
    }
    let network = exec::network(spec, &mut report);
    let hostname = exec::hostname(spec, kind, &mut report);

    match kind {
        SystemKind::Linux => linux::base(spec, facts, &mut inside, &mut report),
        SystemKind::FreeBsd => freebsd::base(spec, facts, &mut inside, &mut report),
    }
    let all = wishes(spec, kind);
    let writable = Writable::of(all.iter().flatten(), facts);
    for wish in all {
        if let Some(wish) = report.keep(wish) {
            let judged = match facts.paths.get(&wish.source) {
                Some(PathFact::Found(found)) => writable.judge(&wish.said, found),
                Some(PathFact::Missing { parent, .. }) => writable.judge_new(&wish.said, &wish.source, parent),
                _ => Ok(()),
            };
            if report.keep(judged).is_none() {
                continue;
            }
            host.extend(mounts::place(&wish, &who, facts, &mut inside, &mut report));
        }
    }
    env_files::check(spec, &writable, facts, &mut report);
    for path in &spec.secrets {
        let put = secrets::place(path, (&who, &writable), facts, &mut inside);
        report.keep(put);
    }
    runtime::resolve(spec, (&who, &writable), facts, &mut inside, &mut report);
    if spec.run_dir.is_some() {
        report.keep(mounts::old_run(facts, &mut inside));
    }
    if let Some(size) = tmp_size(spec, &mut report) {
        report.keep(mounts::tmp(size, &mut inside));
    }
    let main = argv.first().map(String::as_str).filter(|main| !main.is_empty());
    let programs = programs::resolve(main, &spec.further_programs(), (facts, &writable), &mut inside, &mut report);
    let pidfile = spec.pidfile.as_ref().and_then(|written| {
        let decided = pidfile::resolve(written, (facts, &writable), (&who, alone), &mut inside, &mut report);
        report.keep(decided).filter(|_| !alone)
    });
    etc::resolve(spec, facts, &who, network, &programs, &mut inside, &mut report);
    report.keep(programs.cache.put(&mut inside));
    report.keep(programs.hints.put(&mut inside));
    report.keep(programs.libmap.put(&mut inside));
    report.keep(root(&mut inside, kind));

    report.keep(service::socket(spec, landlocked, &mut inside));
    // Last, since what it brings gives way to all that anybody has named.
    follow::follow(spec, (&who, &writable), facts, &mut inside, &mut report);

    let mut steps = inside.finish(facts, &mut report);
    let fresh = fresh::find(&steps, &inside, &writable, facts);
    fresh::check(spec, (kind, landlocked, alone, own), &fresh, &mut report);
    if landlocked {
        steps = isolated::rules(steps, spec, facts, &mut report);
    }
    if own {
        unprivileged::own(&mut who.ids, facts, [&mut host, &mut steps]);
    }
    let program = programs.main.clone().unwrap_or_else(RootPath::root);
    let mut exec = exec::exec(spec, program, argv, &who, network, facts, &mut report);
    exec.landlock.own_signals = landlocked && facts.landlock >= landlock::SCOPES;
    exec.syscalls.own_processes = landlocked || alone;
    exec.listen = listen::resolve(name, spec, network, (alone, &exec.descriptors), (facts, &writable), &mut report);
    check_chdir(&exec.chdir, &inside, facts, &mut report);
    let stop = exec::stop(spec, kind, &mut report);
    let success = exec::success(spec, kind, &mut report);
    let before_start = commands::before_start(spec, &programs, &mut report);
    let reload = commands::reload(spec, &programs, kind, &mut report);
    if alone {
        let done = (&mut exec, &mut host[..]);
        unsupervised::confine(spec, (landlocked, own), facts, done, &mut report);
    }
    let service = service::resolve(spec, pidfile.is_some(), landlocked, &inside, facts, &mut report);
    if let Ready::Notifies { socket } = &service.ready {
        exec.env.push(("NOTIFY_SOCKET".into(), socket.to_string()));
        exec.env.sort();
    }
    let confine = match kind {
        SystemKind::Linux => {
            linux::check_proc(spec, &programs, &mut report);
            if !spec.params.is_empty() {
                report.problem(
                    Problem::setup("params: these are jail(8)'s parameters").help("write them under [freebsd]"),
                );
            }
            match landlocked {
                true => isolated::confine(),
                false => linux::confine(hostname, network, own, alone),
            }
        }
        SystemKind::FreeBsd => freebsd::confine(name, spec, hostname, network, &mut report),
    };
    host.extend(limits::groups(name, &exec.limits, facts));
    if spec.limits.is_empty() {
        report.note("no limits are written: those of the caller hold");
    }
    if !report.problems.is_empty() {
        return Err(report.sorted());
    }
    let (host, inside) = in_order(&facts.system, host, confine, steps);
    let name = name.to_string();
    let system = facts.system.clone();
    let notes = report.notes;
    let unsupervised = alone;
    let mut plan = Plan {
        name,
        system,
        host,
        inside,
        before_start,
        exec,
        reload,
        stop,
        success,
        unsupervised,
        service,
        pidfile,
        fresh: if landlocked || alone || own { Vec::new() } else { fresh },
        notes,
    };
    plan.notes.extend(doubts(&plan, facts));
    Ok(plan)
}

/// On Linux all mounts are in the jail's own namespace and vanish with it; on FreeBSD they are the host's.
fn in_order(
    system: &System,
    mut host: Vec<Planned>,
    confine: Planned,
    steps: Vec<Planned>,
) -> (Vec<Planned>, Vec<Planned>) {
    // Two wishes may share directories that are not there yet.
    let mut seen = Vec::new();
    host.retain(|planned| {
        let new = !seen.contains(&planned.step);
        seen.push(planned.step.clone());
        new
    });
    match system.kind() {
        SystemKind::Linux => {
            let mut inside = vec![confine];
            inside.extend(steps);
            (host, inside)
        }
        SystemKind::FreeBsd => {
            host.extend(steps);
            (host, vec![confine])
        }
    }
}

fn command(spec: &Spec, report: &mut Report) -> Vec<String> {
    let argv = spec.command.list().map_err(|error| Problem::setup(format!("command: {error}")));
    let argv = report.keep(argv);
    if argv.as_ref().is_some_and(|argv| argv.first().is_none_or(String::is_empty)) {
        report.problem(Problem::setup("command is empty").help("write command = \"/usr/sbin/nginx\""));
    }
    let argv = argv.unwrap_or_default();
    for program in argv.iter().take(1).chain(&spec.further_programs()) {
        if program.contains('/') && !program.starts_with('/') {
            report.problem(
                Problem::setup(format!("run {program}: the path is relative, and to what is not said"))
                    .help("write it from the root on, or as a name that is looked up in PATH"),
            );
        }
    }
    argv
}

fn tmp_size(spec: &Spec, report: &mut Report) -> Option<u64> {
    match spec.tmp.as_ref()? {
        TmpSize::Switch(false) => None,
        TmpSize::Switch(true) => {
            report.note(format!("tmp = true: /tmp holds {} MiB at most", defaults::TMP_SIZE >> 20));
            Some(defaults::TMP_SIZE)
        }
        TmpSize::Size(written) => report.keep(quantity::size(written).filter(|size| *size > 0).ok_or_else(|| {
            Problem::setup(format!("tmp = {written:?} is no size")).help("write tmp = true, or a size such as \"64M\"")
        })),
    }
}

/// The root itself: as large as what we put there, and a little more.
fn root(inside: &mut Inside, kind: SystemKind) -> Result<(), Problem> {
    const PAGE: u64 = 4096;
    let bytes = |entry: &Entry| match &entry.node {
        Node::File { content: Content::Text(text), .. } => text.len() as u64,
        Node::File { content: Content::Bytes(bytes), .. } => bytes.len() as u64,
        _ => entry.bytes,
    };
    let content: u64 = inside.entries.values().map(|entry| bytes(entry).div_ceil(PAGE) * PAGE).sum();
    let size = defaults::ROOT_SIZE.saturating_add(content.next_multiple_of(1 << 20));
    // On FreeBSD the programs themselves are copied there; on Linux each is a mount of its own.
    let exec = kind == SystemKind::FreeBsd;
    let access = Access { write: false, exec, dev: false };
    let node = Node::Tmpfs { size, mode: 0o755, uid: 0, gid: 0, access };
    inside
        .put(RootPath::root(), Entry::new(node, Origin::Base, "the jail's root, read-only once everything is in place"))
}

fn check_chdir(chdir: &RootPath, inside: &Inside, facts: &Facts, report: &mut Report) {
    if !inside.has_dir(chdir, facts) {
        report.problem(
            Problem::setup(format!("chdir: there will be no directory {chdir} inside"))
                .help("name it in read or write, or take chdir out"),
        );
    }
}
