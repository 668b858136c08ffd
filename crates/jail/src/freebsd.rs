//! FreeBSD: the jail's root on the host, a child that makes itself the first process of a jail there, and a guardian that
//! takes everything down if the supervisor is killed.

mod child;
pub(crate) mod doctor;
mod enter;
pub(crate) mod exec;
mod guardian;
mod hooks;
mod limits;
mod message;
mod params;
pub(crate) mod refresh;
mod relay;
pub(crate) mod reload;
mod start;
mod supervisor;

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};
use thinjail_plan::facts::SystemKind;
use thinjail_plan::path::HostPath;
use thinjail_plan::plan::{Plan, Ready};
use thinjail_plan::spec::Spec;
use thinjail_plan::step::{Confine, Devfs, Planned, Step};
use thinjail_sys::freebsd::process;

use self::child::Child;
use self::guardian::Guardian;
use self::hooks::{BEFORE, Hook, Hooks};
use self::params::Params;
use self::relay::Relay;
use self::reload::Reloads;
use self::supervisor::{Search, Signals};
use crate::apply::apply;
use crate::claim;
use crate::handed::{self, Outlets};
use crate::journal::Journal;
use crate::journal::line::Verb;
use crate::journal::undo::Undo;
use crate::os::freebsd::{Host, check_ruleset, root_steps};
use crate::os::{End, StepError};
use crate::pidfile::{self, Pidfile};
use crate::run::{Observer, RunError, Timings};
use crate::supervise::machine::Event;
use crate::supervise::service::Service;
use crate::supervise::words::Words;
use crate::teardown::teardown;

/// What would be made before there is a plan: nothing.
#[derive(Debug)]
pub(crate) enum Early {}

impl Early {
    /// Never one.
    pub(crate) fn begin() -> Option<Self> {
        None
    }

    /// There is none to judge.
    pub(crate) fn judge(&mut self, _spec: &Spec) {}
}

/// What makes jails, one after the other.
#[derive(Debug)]
pub(crate) struct Engine {
    signals: Signals,
}

impl Engine {
    /// Takes signals as data from now on.
    pub(crate) fn new(plan: &Plan, _verb: Verb, observer: &mut dyn Observer) -> Result<Self, RunError> {
        check(plan)?;
        observer.check()?;
        let signals = Signals::take().map_err(|cause| RunError::setup("take signals as data".into(), cause))?;
        // Every mode in a plan is meant as it is written; the program gets its own umask.
        rustix::process::umask(rustix::fs::Mode::empty());
        Ok(Self { signals })
    }

    /// Whether a new plan can be made for the next jail.
    #[allow(clippy::unused_self, reason = "elsewhere it depends")]
    pub(crate) fn looks_again(&self) -> bool {
        true
    }

    /// Waits for a signal, and for this long at most.
    pub(crate) fn rest(&self, time: Option<Duration>) -> io::Result<Event> {
        self.signals.wait(time)
    }

    /// One jail from its beginning to its end.
    pub(crate) fn once(&self, plan: &Plan, journal: &mut Journal, service: &mut Service<'_>) -> Result<(), RunError> {
        let (params, hooks) = check(plan)?;
        let mut clock = Clock::start();
        let (root, steps) = steps(plan, params.name())?;
        let name = params.name().to_owned();
        let hooks = Hooks::new(hooks, &name, root.clone());
        let mut os = Host::new(root);
        hooks.run("exec.prepare", None)?;
        let mut left = |error: &StepError| service.observer().left(&error.describe());
        let made = match os.make_ruleset(&steps, journal) {
            Ok(()) => apply(&mut os, &steps, journal, &mut left),
            Err(error) => {
                teardown(&mut os, journal, End::Failed, &mut left);
                Err(error)
            }
        };
        let result = match made {
            Ok(_) => {
                clock.phase("root");
                let mut guardian = None;
                let watched = (&self.signals, &mut guardian);
                let result = run_applied(plan, (params, &hooks), &mut os, journal, watched, clock, service);
                os.let_go();
                let end = if result.is_err() { End::Failed } else { End::Stopped };
                teardown(&mut os, journal, end, &mut |error| service.observer().left(&error.describe()));
                // Not sooner: until now there was something to be taken down.
                if let Some(guardian) = guardian {
                    guardian.end();
                }
                result
            }
            Err(error) => Err(step_failed(error)),
        };
        tell(&hooks, "exec.release", service.observer());
        result
    }
}

/// What can be refused before anything is touched.
fn check(plan: &Plan) -> Result<(Params, &[Hook]), RunError> {
    if plan.system.kind() != SystemKind::FreeBsd {
        let cause = io::Error::other("it is a plan for Linux, and this is FreeBSD");
        return Err(RunError::setup(format!("run {}", plan.name), cause));
    }
    for descriptor in &plan.exec.descriptors {
        // What we have opened ourselves is close-on-exec, and not the caller's to name.
        if !process::is_inherited(*descriptor) {
            let cause = io::Error::other("it is not open");
            return Err(RunError::setup(format!("hand on the descriptor {descriptor}"), cause)
                .help(format!("open it for thinjail, as a shell does with {descriptor}<FILE")));
        }
    }
    for descriptor in [0, 1, 2].iter().chain(&plan.exec.descriptors) {
        if process::is_directory(*descriptor) {
            let cause = io::Error::other("it is a directory of the host, and a way out of the jail");
            return Err(RunError::setup(format!("hand on the descriptor {descriptor}"), cause)
                .help("mount the directory in its place".to_owned()));
        }
    }
    for ruleset in plan.host.iter().filter_map(|planned| match &planned.step {
        Step::Devices { devfs: Some(Devfs::Ruleset(number)), .. } => Some(*number),
        _ => None,
    }) {
        check_ruleset(ruleset).map_err(|cause| {
            RunError::setup(format!("use the devfs ruleset {ruleset}"), cause)
                .help("load the host's rules: `service devfs restart`".to_owned())
        })?;
    }
    if let Some(path) = &plan.pidfile {
        pidfile::check_free(path)?;
    }
    let confine = plan.inside.iter().find_map(|planned| match &planned.step {
        Step::Confine(Confine::FreeBsd { params, hooks }) => Some((params, hooks)),
        _ => None,
    });
    let (params, hooks) = confine.ok_or_else(|| {
        RunError::setup(format!("run {}", plan.name), io::Error::other("the plan has no step that makes a jail"))
    })?;
    Ok((Params::new(params)?, hooks))
}

/// Where the root is, and all that is done on the host: its directories first.
fn steps(plan: &Plan, name: &str) -> Result<(HostPath, Vec<Planned>), RunError> {
    let place = |cause| RunError::setup(format!("find a place for the root of the jail {name}"), cause);
    let made = root_steps(name).map_err(|error| place(io::Error::other(error)))?;
    let Some(Step::MakeHostDir { path: root, .. }) = made.last() else {
        return Err(place(io::ErrorKind::NotFound.into()));
    };
    let root = root.clone();
    let made = made.into_iter().map(|step| Planned { step, why: "the place of the jail's root".into() });
    Ok((root, made.chain(plan.host.iter().cloned()).collect()))
}

fn step_failed(error: StepError) -> RunError {
    match error {
        StepError::Step { what, cause } => RunError::setup(what, cause),
        StepError::MakeHostDir { ref path, cause } => RunError::setup(format!("make the directory {path}"), cause),
        other => RunError::setup("prepare the host".into(), io::Error::other(other.to_string())),
    }
}

/// With the root in place: the pidfile, the guardian, the jail.
fn run_applied(
    plan: &Plan,
    (mut params, hooks): (Params, &Hooks<'_>),
    os: &mut Host,
    journal: &mut Journal,
    (signals, watching): (&Signals, &mut Option<Guardian>),
    mut clock: Clock,
    service: &mut Service<'_>,
) -> Result<(), RunError> {
    // While it may still be written to.
    hooks.run("exec.prestart", None)?;
    os.seal().map_err(step_failed)?;
    params.set_path(os.root());
    let name = params.name().to_owned();
    let _never: Option<Early> = service.early();
    let (outlets, words) = outlets(plan, service)?;
    let socket = os.take_socket();
    let socket_number = socket.as_ref().map(AsRawFd::as_raw_fd);
    service.listen(words.or(socket.map(Words::Socket)));
    let child = Child::prepare(plan, params, hooks.any(&BEFORE) || !plan.before_start.is_empty(), outlets)?;
    let (pid_number, mut pidfile) = match &plan.pidfile {
        Some(path) => Pidfile::claim_written(path, journal).map(|(number, pidfile)| (Some(number), Some(pidfile)))?,
        None => (None, None),
    };
    limits::add(plan, &name, journal, service.observer())?;
    let undo = Undo::RemoveJail { name: name.clone(), jid: None };
    // From here on, what is left of the jail is taken back with the rest, whatever happens.
    let number = journal.will(undo).map_err(RunError::unwritten)?;
    let relay = os.take_log().map(Relay::new).transpose()?;
    // A socket inside would keep the root busy.
    let inside = relay.iter().flat_map(Relay::descriptors).chain(socket_number);
    let not_its = plan.exec.descriptors.iter().copied().chain(inside).collect::<Vec<_>>();
    let (guardian, mut pidfile) = Guardian::start(os, journal, pidfile.take(), &not_its, &name)?;
    let guardian = watching.insert(guardian);
    let signals = (signals, relay.as_ref());
    let result = run_guarded(plan, (child, hooks), guardian, (pidfile.as_mut(), journal), signals, &mut clock, service);
    tell(hooks, "exec.poststop", service.observer());
    if supervisor::gone(&name, os.root()) {
        journal.undone(number);
    }
    match (pidfile.map(Pidfile::remove), pid_number) {
        (Some(Err(error)), _) => service.observer().left(&format!("remove the pidfile: {error}")),
        (_, Some(number)) => journal.undone(number),
        (_, None) => {}
    }
    result
}

fn run_guarded(
    plan: &Plan,
    (child, hooks): (Child, &Hooks<'_>),
    guardian: &Guardian,
    (pidfile, journal): (Option<&mut Pidfile>, &mut Journal),
    (signals, relay): (&Signals, Option<&Relay>),
    clock: &mut Clock,
    service: &mut Service<'_>,
) -> Result<(), RunError> {
    let mut jail = start::start(plan, child, hooks, guardian.pid(), signals, clock)?;
    // From FreeBSD 15 on the jail ends with us whatever happens to the guardian, who unmounts what is left.
    let _owner = thinjail_sys::freebsd::jail::own(jail.jid);
    if let Some(pidfile) = pidfile {
        // rc.subr(8) sees no process of a jail: what it is told of is the supervisor.
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        if let Err(error) = pidfile.write(pid) {
            jail.kill();
            return Err(error);
        }
    }
    if let Err(error) = claim::tell(journal, jail.main, Some(jail.jid.0)) {
        jail.kill();
        return Err(error);
    }
    if let Err(error) = hooks.run("exec.poststart", Some(jail.jid)) {
        jail.kill();
        return Err(error);
    }
    service.built(&clock.timings);
    let search = Search::of(plan, hooks.root());
    let output = service.output().and_then(Result::ok);
    let mut reloads = Reloads::new(plan, jail.jid, jail.main, output);
    let heard = (signals, relay, &mut reloads);
    let ended = supervisor::supervise(&mut jail, heard, (&search, journal), service, &mut |service, jid| {
        for which in ["exec.prestop", "exec.stop"] {
            if let Err(error) = hooks.run(which, Some(jid)) {
                service.observer().left(&format!("{error}{}", cause_of(&error)));
            }
        }
    });
    // What was said last, and by whom we have killed.
    service.hear(true);
    if ended.is_err() {
        jail.kill();
    }
    // Its last words.
    if let Some(relay) = relay {
        relay.hand_on();
    }
    if ended.map_err(|cause| RunError::setup(format!("supervise {}", plan.name), cause))? {
        service.observer().background();
    }
    Ok(())
}

/// What the child has of its own in place of ours: its output, and where it says that it is ready. And our end of the latter.
fn outlets(plan: &Plan, service: &Service<'_>) -> Result<(Outlets, Option<Words>), RunError> {
    let failed = |cause: io::Error| RunError::setup("make a pipe for what the program says".into(), cause);
    let output = service.output().transpose().map_err(failed)?;
    let sockets = service.sockets(plan)?;
    let Ready::Writes { descriptor } = plan.service.ready else {
        return Ok((Outlets { output, ready: None, sockets }, None));
    };
    let (hear, talk) = pipe_with(PipeFlags::CLOEXEC).map_err(|cause| failed(cause.into()))?;
    let ready = Some((start::above(talk, handed::top(plan).unwrap_or(descriptor))?, descriptor));
    Ok((Outlets { output, ready, sockets }, Some(Words::Pipe(hear))))
}

/// Runs hooks of the end, whose failure stops nothing.
fn tell(hooks: &Hooks<'_>, which: &str, observer: &mut dyn Observer) {
    if let Err(error) = hooks.run(which, None) {
        observer.left(&format!("{error}{}", cause_of(&error)));
    }
}

/// What follows an error on one line.
fn cause_of(error: &RunError) -> String {
    error.cause.as_ref().map_or_else(String::new, |cause| format!(": {cause}"))
}

/// Names the time since the last phase.
struct Clock {
    last: Instant,
    timings: Timings,
}

impl Clock {
    fn start() -> Self {
        Self { last: Instant::now(), timings: Timings::default() }
    }

    fn phase(&mut self, name: &'static str) {
        let now = Instant::now();
        self.timings.phases.push((name, now.saturating_duration_since(self.last)));
        self.last = now;
    }
}
