//! A command of the administrator's beside a running daemon: the jail's own mounts, and what the command needs to start.
//!
//! The jail's tree stays as it is and is not touched: this is a second one, which the daemon never sees. Where both want
//! something at one place the jail wins, unless it is a file that the command executes or loads: then it has to be the very
//! same file, and one that the jail can't write to. Everything else is an error before anything is done.

use std::collections::BTreeMap;

use thinjail_closure::hints::ld_so_cache;
use thinjail_closure::tree::Kind;

use crate::facts::SystemKind;
use crate::path::RootPath;
use crate::plan::{Network, Plan};
use crate::resolve::Problem;
use crate::step::{Access, Confine, Content, Planned, ProcView, Source, Step};

/// What is to be done, and what of it is the running jail's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Joined {
    /// The second tree, and what is run in it.
    pub plan: Plan,
    /// Places whose mount or file is the one that the running jail has there, and not made anew.
    pub shared: Vec<RootPath>,
    /// Places at which the running jail has to have the very file that the plan names.
    pub same: Vec<RootPath>,
}

/// Capabilities that give nearly nothing, the least first. The command keeps one that the daemon has not: the kernel lets nobody
/// trace a process, or look at its memory and descriptors, that has more than he has; ptrace(2).
const SHIELDS: [&str; 3] = ["block_suspend", "wake_alarm", "lease"];

/// Adds the plan of a command to that of a running jail. `own_user`: the command runs as its own plan says, and not as the
/// jail's user. `env` comes on top of the jail's.
///
/// # Errors
/// Everything that stands in the way.
pub fn join(jail: &Plan, tool: &Plan, own_user: bool, env: &[(String, String)]) -> Result<Joined, Vec<Problem>> {
    if jail.system.kind() == SystemKind::FreeBsd {
        return alone(jail, tool, own_user, env);
    }
    let confined =
        |plan: &Plan| plan.inside.iter().any(|planned| matches!(planned.step, Step::Confine(Confine::Linux { .. })));
    if !confined(jail) || !confined(tool) {
        let what = format!("join {}: it has no namespaces of its own, and so nothing to join", jail.name);
        return Err(vec![Problem::setup(what).help("run the command on the host: it sees what the jail sees")]);
    }
    let mut both = Both { tree: BTreeMap::new(), same: Vec::new(), problems: Vec::new() };
    let mut shared = Vec::new();
    for planned in &jail.inside {
        let Some(at) = planned.step.at() else { continue };
        if is_shared(&planned.step) {
            shared.push(at.clone());
        }
        both.tree.insert(at.clone(), planned.clone());
    }
    tool.inside.iter().for_each(|planned| both.add(planned));
    let Both { mut tree, same, problems } = both;
    if !problems.is_empty() {
        return Err(problems);
    }
    for planned in tree.values_mut() {
        if let Step::Proc { view, .. } = &mut planned.step {
            // ps(1) asks for more than processes. The daemon has its own.
            *view = ProcView::Full;
        }
    }
    shared.retain(|at| jail_has(jail, at, tree.get(at)));
    let confine = Step::Confine(Confine::Linux { namespaces: vec!["mount".into()], hostname: None });
    let confine = Planned { step: confine, why: "the other namespaces are the jail's".into() };
    let inside = std::iter::once(confine).chain(tree.into_values()).collect();
    let plan = Plan { host: Vec::new(), inside, pidfile: None, exec: exec(jail, tool, own_user, env), ..jail.clone() };
    Ok(Joined { plan, shared, same })
}

/// On FreeBSD nothing can be put beside a jail that a jailed root does not see, so a command is one file, executed by its
/// descriptor.
fn alone(jail: &Plan, tool: &Plan, own_user: bool, env: &[(String, String)]) -> Result<Joined, Vec<Problem>> {
    let is_program =
        |planned: &&Planned| matches!(&planned.step, Step::PutFile { content: Content::Copy(_), mode: 0o555, .. });
    let files: Vec<Planned> = tool.host.iter().filter(is_program).cloned().collect();
    if files.len() != 1 {
        let what = format!("run {} in the jail: it needs {} files to start", tool.exec.program, files.len());
        return Err(vec![Problem::setup(what).help(
            "take one that is linked statically, as those in /rescue are, or with jexec(8) one that is inside already",
        )]);
    }
    let exec = exec(jail, tool, own_user, env);
    let exec = crate::plan::Exec { capabilities: Vec::new(), ..exec };
    let plan = Plan { host: files, inside: Vec::new(), pidfile: None, exec, ..jail.clone() };
    Ok(Joined { plan, shared: Vec::new(), same: Vec::new() })
}

/// Whether a step was not changed by the command.
fn jail_has(jail: &Plan, at: &RootPath, now: Option<&Planned>) -> bool {
    let before = jail.inside.iter().find(|planned| planned.step.at() == Some(at));
    before.map(|planned| &planned.step) == now.map(|planned| &planned.step)
}

/// Whether it is to be the jail's own: what the jail writes to, and what may be another file on the host by now.
fn is_shared(step: &Step) -> bool {
    match step {
        Step::Bind { .. } | Step::PutFile { content: Content::Copy(_), .. } => true,
        Step::Tmpfs { at, .. } => at.as_str() != "/",
        _ => false,
    }
}

/// As whom, with what and where.
fn exec(jail: &Plan, tool: &Plan, own_user: bool, env: &[(String, String)]) -> crate::plan::Exec {
    let shield = SHIELDS.iter().find(|name| !jail.exec.capabilities.iter().any(|has| has == *name));
    let mut exec = crate::plan::Exec {
        program: tool.exec.program.clone(),
        argv: tool.exec.argv.clone(),
        tty: false,
        descriptors: Vec::new(),
        // It is in the jail's already, whichever that is.
        network: Network::Inherit,
        // They are the daemon's, may be other ones by now, and a shell shows them to whoever looks on.
        env_files: Vec::new(),
        // Who accepts is the daemon.
        listen: Vec::new(),
        ..jail.exec.clone()
    };
    if own_user {
        exec.ids = tool.exec.ids.clone();
        exec.chdir = RootPath::root();
        exec.capabilities.clear();
    }
    exec.capabilities.extend(shield.map(|name| (*name).to_owned()));
    exec.capabilities.sort();
    // What a command says of itself is nothing that the daemon says.
    exec.env.retain(|(name, _)| name != "NOTIFY_SOCKET");
    for (name, value) in env {
        exec.env.retain(|(other, _)| other != name);
        exec.env.push((name.clone(), value.clone()));
    }
    exec.env.sort();
    exec
}

/// The tree while it grows.
struct Both {
    tree: BTreeMap<RootPath, Planned>,
    same: Vec<RootPath>,
    problems: Vec<Problem>,
}

/// What is above a place that the tree has nothing at.
enum Above<'t> {
    /// Directories of ours, or nothing yet.
    Ours,
    /// A mounted directory of the host, and the path below it.
    Host { source: &'t Source, access: Access, at: &'t RootPath },
    /// Something else.
    Other(&'t Step),
}

impl Both {
    /// Takes in a step of the command's.
    fn add(&mut self, planned: &Planned) {
        let Some(at) = planned.step.at() else { return };
        match &planned.step {
            Step::Tmpfs { size, .. } if at.as_str() == "/" => {
                if let Some(Planned { step: Step::Tmpfs { size: room, .. }, .. }) = self.tree.get_mut(at) {
                    *room = room.saturating_add(*size);
                }
                return;
            }
            Step::Devices { nodes, links, .. } => {
                if let Some(Planned { step: Step::Devices { nodes: has, links: linked, .. }, .. }) =
                    self.tree.get_mut(at)
                {
                    add_missing(has, nodes, |node| node.path.clone());
                    add_missing(linked, links, |(name, _)| name.clone());
                    return;
                }
            }
            _ => {}
        }
        let done = match self.tree.get(at) {
            Some(first) => meet(&first.step, &planned.step),
            None => self.place(&planned.step),
        };
        match done {
            Ok(Done::Jail) => {}
            Ok(Done::Same) => self.same.push(at.clone()),
            Ok(Done::Tool) => drop(self.tree.insert(at.clone(), planned.clone())),
            Ok(Done::Over) => {
                self.same.push(at.clone());
                self.tree.insert(at.clone(), planned.clone());
            }
            Ok(Done::Step(step)) => drop(self.tree.insert(at.clone(), Planned { step, why: planned.why.clone() })),
            Err(clash) => self.problems.push(clash.problem(at, &planned.why, self.tree.get(at))),
        }
    }

    /// Finds a place for what nothing stands at yet.
    fn place(&self, step: &Step) -> Result<Done, Clash> {
        let Some(at) = step.at() else { return Ok(Done::Jail) };
        let loaded = is_loaded(step);
        match self.above(at) {
            Above::Ours => Ok(Done::Tool),
            Above::Host { source, access, at: top } => {
                let below = at.below(top).unwrap_or_default();
                let host = source.path.join(below).ok();
                match step {
                    Step::Bind { .. } | Step::Symlink { .. } if !is_needed(step) => Ok(Done::Jail),
                    // The host's directory has it at that place as well.
                    Step::Symlink { .. } | Step::MakeDir { .. } => Ok(Done::Jail),
                    _ if access.write && loaded => Err(Clash::Writable),
                    Step::Bind { source: own, .. } if loaded && host.as_ref() == Some(&own.path) => Ok(Done::Over),
                    _ if loaded => Err(Clash::Other { replaced: false }),
                    _ => Ok(Done::Jail),
                }
            }
            Above::Other(_) if !is_needed(step) => Ok(Done::Jail),
            Above::Other(Step::Tmpfs { .. }) => Err(Clash::Writable),
            Above::Other(_) => Err(Clash::Other { replaced: false }),
        }
    }

    fn above(&self, at: &RootPath) -> Above<'_> {
        let mut up = at.parent();
        while let Some(dir) = up {
            match self.tree.get_key_value(&dir).map(|(at, planned)| (at, &planned.step)) {
                Some((at, Step::Bind { source, access, .. })) if source.kind == Kind::Directory => {
                    return Above::Host { source, access: *access, at };
                }
                None | Some((_, Step::MakeDir { .. })) => {}
                Some((at, Step::Tmpfs { .. })) if at.as_str() == "/" => {}
                Some((_, other)) => return Above::Other(other),
            }
            up = dir.parent();
        }
        Above::Ours
    }
}

fn add_missing<T: Clone, K: PartialEq>(to: &mut Vec<T>, from: &[T], key: impl Fn(&T) -> K) {
    for new in from {
        if !to.iter().any(|has| key(has) == key(new)) {
            to.push(new.clone());
        }
    }
}

/// A file that the command executes or loads.
fn is_loaded(step: &Step) -> bool {
    matches!(step, Step::Bind { access, source, .. } if access.exec && source.kind == Kind::File)
}

/// The same, and the links on the way to it.
fn is_needed(step: &Step) -> bool {
    is_loaded(step) || matches!(step, Step::Symlink { .. })
}

/// What becomes of a place that both may want something at.
enum Done {
    /// It is as the jail has it.
    Jail,
    /// The same, if that is the very file of the plan.
    Same,
    /// It is as the command wants it.
    Tool,
    /// The same, on top of the very same file.
    Over,
    /// It is this.
    Step(Step),
}

/// Why there is no place for a file of the command's.
enum Clash {
    /// Something else is there; perhaps what stood at this path of the host before.
    Other { replaced: bool },
    /// The jail can write there.
    Writable,
}

impl Clash {
    fn problem(&self, at: &RootPath, why: &str, has: Option<&Planned>) -> Problem {
        let has = has.map(|planned| format!(", {}", planned.why)).unwrap_or_default();
        match self {
            Self::Other { replaced: true } => Problem::setup(format!(
                "{why}: the jail has an older file at {at}{has}, and the host has a new one"
            ))
            .help("restart the jail, or take a command that does not load it, such as one that is linked statically"),
            Self::Other { replaced: false } => {
                Problem::setup(format!("{why}: the jail has something else at {at}{has}"))
                    .help("take a command that does not load it, such as one that is linked statically")
            }
            Self::Writable => {
                Problem::setup(format!("{why}: the jail can write at {at}, and so choose what is executed"))
                    .help("take a command of root's, from a directory that the jail does not write to")
            }
        }
    }
}

/// The jail's step and the command's at one place.
fn meet(jail: &Step, tool: &Step) -> Result<Done, Clash> {
    match (jail, tool) {
        (Step::Bind { source: one, access: has, .. }, Step::Bind { source: two, access: wants, .. })
            if is_loaded(tool) =>
        {
            match (one.id.is_some() && one.id == two.id, has.write, has.exec) {
                (true, true, _) => Err(Clash::Writable),
                (true, false, true) => Ok(Done::Same),
                // The same file, which the jail may not execute.
                (true, false, false) if wants.exec => Ok(Done::Tool),
                (true, false, false) => Ok(Done::Jail),
                (false, ..) => Err(Clash::Other { replaced: one.path == two.path }),
            }
        }
        (Step::Symlink { to: one, .. }, Step::Symlink { to: two, .. }) if one == two => Ok(Done::Jail),
        (Step::Symlink { .. }, Step::Symlink { .. } | Step::MakeDir { .. }) => Err(Clash::Other { replaced: false }),
        (
            Step::PutFile { content: Content::Bytes(one), .. },
            Step::PutFile { at, content: Content::Bytes(two), mode, uid, gid },
        ) if at.as_str() == ld_so_cache::PATH => {
            // The command's loader and those of the jail's programs, which a shell may run.
            let content = Content::Bytes(ld_so_cache::merge(two, one));
            Ok(Done::Step(Step::PutFile { at: at.clone(), content, mode: *mode, uid: *uid, gid: *gid }))
        }
        (first, Step::Symlink { .. } | Step::Bind { .. }) if is_dir(first) && is_needed(tool) => {
            Err(Clash::Other { replaced: false })
        }
        (first, Step::MakeDir { .. }) if !is_dir(first) => Err(Clash::Other { replaced: false }),
        (_, Step::Bind { .. }) if is_loaded(tool) => Err(Clash::Other { replaced: false }),
        _ => Ok(Done::Jail),
    }
}

fn is_dir(step: &Step) -> bool {
    match step {
        Step::MakeDir { .. } | Step::Tmpfs { .. } | Step::Devices { .. } | Step::Proc { .. } => true,
        Step::Bind { source, .. } => source.kind == Kind::Directory,
        _ => false,
    }
}
