//! Linux: a tree built as a detached mount, a child in namespaces of its own that takes it as its root.

mod borrow;
mod capability;
mod child;
mod devices;
pub(crate) mod doctor;
mod early;
mod enter;
pub(crate) mod exec;
mod explain;
mod filter;
mod handover;
mod init;
mod landlock;
mod limits;
mod message;
pub(crate) mod refresh;
pub(crate) mod reload;
mod source;
mod supervisor;
mod terminal;
mod tree;
mod unprivileged;
mod watch;

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketFlags, SocketType,
    socketpair, sockopt,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use thinjail_plan::facts::SystemKind;
use thinjail_plan::path::RootPath;
use thinjail_plan::plan::{Plan, Ready};
use thinjail_plan::step::{Confine, ProcView, Step};
use thinjail_sys::linux::process::{self, CloneFlags, Side, Stack};
use thinjail_sys::linux::signal;

use self::child::{Child, now};
pub(crate) use self::early::Early;
use self::early::Held;
use self::enter::Place;
pub(crate) use self::init::below;
use self::message::{MARKS, Message, Phase, SIZE};
use self::reload::Reloads;
use self::supervisor::{Hunt, Jail, Signals, supervise};
use self::tree::Tree;
use self::watch::Watch;
use crate::apply::apply;
use crate::claim;
use crate::command;
use crate::environment;
use crate::handed::{self, Outlets};
use crate::journal::Journal;
use crate::journal::line::Verb;
use crate::look::give_way;
use crate::os::linux::{Host, HostDir};
use crate::os::{End, StepError};
use crate::pidfile::{self, Pidfile};
use crate::run::{Observer, RunError, Timings};
use crate::supervise::machine::{self, Event, Stage};
use crate::supervise::service::Service;
use crate::supervise::words::Words;
use crate::teardown::teardown;

/// What makes jails, one after the other.
#[derive(Debug)]
pub(crate) struct Engine {
    signals: Signals,
    in_user_namespace: bool,
}

impl Engine {
    /// Takes signals as data from now on. Does not come back where the plan wants no supervisor.
    pub(crate) fn new(plan: &Plan, verb: Verb, observer: &mut dyn Observer) -> Result<Self, RunError> {
        check(plan)?;
        if plan.unsupervised {
            observer.check()?;
            return Err(match verb {
                Verb::Run => match environment::filled(plan) {
                    Ok(plan) => child::alone::become_program(&plan, observer),
                    Err(error) => error,
                },
                Verb::Start => {
                    let cause = io::Error::other("a jail in the background has a supervisor, and this is to have none");
                    RunError::setup(format!("start {}", plan.name), cause)
                        .help("let an init `thinjail run` it, or take `supervisor` out".to_owned())
                }
            });
        }
        let signals = Signals::take().map_err(|cause| RunError::setup("take signals as data".into(), cause))?;
        // Every mode in a plan is meant as it is written; the program gets its own umask.
        rustix::process::umask(rustix::fs::Mode::empty());
        // Before anything of the host is opened: what is opened before can't be mounted in there.
        let in_user_namespace = confinement(plan)?.namespaces.iter().any(|name| name == unprivileged::USER);
        if in_user_namespace {
            unprivileged::enter(&plan.exec.ids)?;
        }
        Ok(Self { signals, in_user_namespace })
    }

    /// Whether a new plan can be made for the next jail. In a user namespace the owners of files are not to be seen.
    pub(crate) fn looks_again(&self) -> bool {
        !self.in_user_namespace
    }

    /// Waits for a signal, and for this long at most.
    pub(crate) fn rest(&self, time: Option<Duration>) -> io::Result<Event> {
        self.signals.wait(time)
    }

    /// One jail from its beginning to its end.
    pub(crate) fn once(&self, plan: &Plan, journal: &mut Journal, service: &mut Service<'_>) -> Result<(), RunError> {
        check(plan)?;
        let mut os = Host;
        let made = apply(&mut os, &plan.host, journal, &mut |error| service.observer().left(&error.describe()));
        let made = made.map_err(step_failed)?;
        let result = run_claimed(plan, &made, journal, &self.signals, service);
        if let (Ok(()), Stage::Waiting { last: outcome, .. } | Stage::Ended(outcome)) = (&result, service.stage()) {
            limits::hit(plan, &made, outcome).iter().for_each(|what| service.observer().limit(what));
        }
        drop(made);
        let end = if result.is_err() { End::Failed } else { End::Stopped };
        teardown(&mut os, journal, end, &mut |error| service.observer().left(&error.describe()));
        result
    }
}

/// What confines pid 1.
#[derive(Clone, Copy, Debug)]
struct Confinement<'a> {
    /// The kinds of namespaces(7) that it gets of its own.
    namespaces: &'a [String],
    /// Host name inside.
    hostname: Option<&'a str>,
    /// How much of proc(5) is to be seen inside.
    proc: Option<ProcView>,
    /// landlock(7) alone, in the host's own tree.
    landlocked: bool,
}

/// What a plan says of it.
fn confinement(plan: &Plan) -> Result<Confinement<'_>, RunError> {
    let steps = || plan.inside.iter().map(|planned| &planned.step);
    let confine = steps().find_map(|step| match step {
        Step::Confine(Confine::Linux { namespaces, hostname }) => Some((&namespaces[..], hostname.as_deref(), false)),
        Step::Confine(Confine::Landlock) => Some((&[][..], None, true)),
        _ => None,
    });
    let Some((namespaces, hostname, landlocked)) = confine else {
        return Err(tree::malformed("it does not say which namespaces"));
    };
    let proc = steps().find_map(|step| match step {
        Step::Proc { view, .. } => Some(*view),
        _ => None,
    });
    Ok(Confinement { namespaces, hostname, proc, landlocked })
}

/// What can be refused before anything is touched.
fn check(plan: &Plan) -> Result<(), RunError> {
    if plan.system.kind() != SystemKind::Linux {
        let cause = io::Error::other("it is a plan for FreeBSD, and this is Linux");
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
    match &plan.pidfile {
        Some(path) => pidfile::check_free(path),
        None => Ok(()),
    }
}

fn step_failed(error: StepError) -> RunError {
    match error {
        StepError::MakeHostDir { ref path, cause } => RunError::setup(format!("make the directory {path}"), cause),
        other => RunError::setup("prepare the host".into(), io::Error::other(other.to_string())),
    }
}

/// With the host's steps done, which may have made the pidfile's directory.
fn run_claimed(
    plan: &Plan,
    made: &[HostDir],
    journal: &mut Journal,
    signals: &Signals,
    service: &mut Service<'_>,
) -> Result<(), RunError> {
    let Some(path) = &plan.pidfile else { return run_applied(plan, made, journal, None, signals, service) };
    let (number, mut pidfile) = Pidfile::claim_written(path, journal)?;
    let result = run_applied(plan, made, journal, Some(&mut pidfile), signals, service);
    match pidfile.remove() {
        Ok(()) => journal.undone(number),
        Err(error) => service.observer().left(&format!("remove the pidfile: {error}")),
    }
    result
}

/// Builds the tree, starts, supervises.
fn run_applied(
    plan: &Plan,
    made: &[HostDir],
    journal: &mut Journal,
    mut pidfile: Option<&mut Pidfile>,
    signals: &Signals,
    service: &mut Service<'_>,
) -> Result<(), RunError> {
    let mut clock = Clock::start();
    let mut jail = start(plan, made, &mut clock, service)?;
    let known = pidfile
        .as_mut()
        .map_or(Ok(()), |pidfile| pidfile.write(jail.main.as_raw_nonzero().get()))
        .and_then(|()| claim::tell(journal, jail.main, None));
    if let Err(error) = known {
        kill(&jail.jail);
        return Err(error);
    }
    service.built(&clock.timings);
    let output = service.output().and_then(Result::ok);
    let again = output.as_ref().and_then(|output| rustix::io::fcntl_dupfd_cloexec(output, 0).ok());
    let mut watch = Watch::of(plan, again).unwrap_or_else(|error| {
        let how = "raise fs.inotify.max_user_instances by sysctl(8)";
        service.observer().told(&format!("files that are replaced on the host are not watched: {error}; {how}"));
        None
    });
    let mut reloads = Reloads::new((plan, made), &jail.jail.main_fd, output);
    let ended = supervise(&mut jail.jail, (signals, &mut reloads, watch.as_mut()), (pidfile, journal), service);
    drop((reloads, watch));
    // What was said last, and by whom we have killed.
    service.hear(true);
    if ended.is_err() {
        kill(&jail.jail);
    }
    if ended.map_err(|cause| RunError::setup(format!("supervise {}", plan.name), cause))? {
        service.observer().background();
    }
    Ok(())
}

/// Ends a jail that must not go on, and waits until it is gone.
fn kill(jail: &Jail) {
    let _ = supervisor::kill(jail);
    let _ = supervisor::reap(jail.init);
}

/// Names the time since the last phase.
struct Clock {
    last: u64,
    timings: Timings,
}

impl Clock {
    fn start() -> Self {
        Self { last: now(), timings: Timings::default() }
    }

    fn phase(&mut self, name: &'static str) {
        self.until(name, now());
    }

    fn until(&mut self, name: &'static str, moment: u64) {
        self.timings.phases.push((name, Duration::from_nanos(moment.saturating_sub(self.last))));
        // What pid 1 tells may have been done while we did something else.
        self.last = self.last.max(moment);
    }
}

/// A jail whose main process runs the program.
struct Started {
    jail: Jail,
    /// The main process's pid on the host.
    main: Pid,
}

fn channel() -> Result<(OwnedFd, OwnedFd), RunError> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|cause| RunError::setup("make a socket to the jail's init".into(), cause.into()))
}

/// Makes pid 1 first, unless it is there already, and the tree then: while we build it, the kernel makes pid 1's other namespaces.
fn start(plan: &Plan, made: &[HostDir], clock: &mut Clock, service: &mut Service<'_>) -> Result<Started, RunError> {
    let confinement = confinement(plan)?;
    let files = confinement.landlocked.then(|| landlock::files(plan, made)).transpose()?;
    let (outlets, mut words) = outlets(plan, service)?;
    give_way();
    let child = Child::prepare(plan, &confinement, limits::entrances(plan, made)?, files.as_deref(), outlets)?;
    drop(files);
    if confinement.landlocked {
        service.observer().check()?;
    }
    let wait_all = child.wait_all;
    let (follows, tree) = (child::follows(plan), child::is_tree(plan));
    let mut early = service.early();
    let fit = early.as_mut().and_then(|early| Some((child.pack()?, early.take()?)));
    clock.phase("prepare");
    let Held { init, init_fd, life, report, bell, begin } = match fit {
        Some(((packed, fds), held)) => {
            let told = handover::send_packed((&held.life, held.bell.as_ref()), &packed, &fds);
            clock.phase("tell");
            told.inspect_err(|_| held.kill())?;
            held
        }
        None => {
            let tries = if early.is_some() { RELEASE } else { 0 };
            // Its namespaces count against the limits of the host until it is gone.
            drop(early);
            let held = born_when_free(plan, &child, confinement.namespaces, tries)?;
            clock.phase("clone");
            held
        }
    };
    let end = |error: RunError| {
        early::kill(&init_fd, init);
        error
    };
    let (mut shown, mut word) = (Vec::new(), begin);
    if !confinement.landlocked {
        let tree = tree::build(&plan.inside, made, None).map_err(end)?;
        clock.phase("tree");
        handover::send((&life, bell.as_ref()), &tree).map_err(end)?;
        give_way();
        let Tree { late, socket, .. } = tree;
        words = words.or(socket.map(Words::Socket));
        shown = late.into_iter().map(|late| late.shown).collect();
        // The child has enough to do meanwhile, and executes nothing without our word.
        service.observer().check().map_err(end)?;
        clock.phase("verify");
        word = now();
        if plan.before_start.is_empty() {
            handover::go((&life, bell.as_ref())).map_err(end)?;
        }
    }
    let inside = Inside { late: shown, confinement, place: Place { plan, made, member: init_fd.as_fd() } };
    let (main, main_fd, marks) = await_exec(plan, &report, &life, &inside).map_err(end)?;
    // With it goes our end of what only the child is to write to. Not sooner: its memory may be the child's as well, and each
    // page of it that is written to, as it is freed, would be copied while the program waits.
    drop(child);
    for (name, mark) in ["hand over", "root", "proc", "fork", "ids"].into_iter().zip(&marks[1..]) {
        clock.until(name, *mark);
    }
    clock.phase("exec");
    // It is ready sooner than it may go on, or later.
    clock.timings.fork_to_exec = Duration::from_nanos(marks[MARKS - 1].max(word).saturating_sub(begin));
    service.listen(words);
    let landlocked = confinement.landlocked;
    let jail = Jail { init, init_fd, main_fd, life, landlocked, follows, tree, wait_all, hunt: Hunt::default() };
    Ok(Started { jail, main })
}

/// How many milliseconds the kernel is given to let go of the namespaces of a pid 1 that has just ended.
const RELEASE: u32 = 50;

/// What [`born`] gives, once no limit is in its way that was filled by another one, which has just ended.
fn born_when_free(plan: &Plan, child: &Child, namespaces: &[String], tries: u32) -> Result<Held, RunError> {
    let is_limit = |error: &RunError| {
        let errno = error.cause.as_ref().and_then(Errno::from_io_error);
        matches!(errno, Some(Errno::NOSPC | Errno::AGAIN | Errno::USERS))
    };
    for _ in 0..tries {
        match born(plan, child, namespaces) {
            Err(error) if is_limit(&error) => std::thread::sleep(Duration::from_millis(1)),
            other => return other,
        }
    }
    born(plan, child, namespaces)
}

/// A pid 1 that knows what it is to do.
fn born(plan: &Plan, child: &Child, namespaces: &[String]) -> Result<Held, RunError> {
    let (life, mut childs_life) = channel()?;
    let (report, mut childs_report) = channel()?;
    if let Some(top) = handed::top(plan) {
        childs_life = above(childs_life, top)?;
        childs_report = above(childs_report, top)?;
    }
    // The kernel then tells us the sender's pid as it is on the host, whatever it is inside; unix(7).
    sockopt::set_socket_passcred(&report, true)
        .map_err(|cause| RunError::setup("ask for the credentials of the main process".into(), cause.into()))?;
    let stack = Stack::new();
    let begin = now();
    let only_pid = child.namespaces.only(CloneFlags::NEWPID);
    match process::clone3(only_pid).map_err(|cause| refused(namespaces, cause))? {
        Side::Parent { pid, pidfd } => Ok(Held { init: pid, init_fd: pidfd, life, report, bell: None, begin }),
        Side::Child => {
            drop((life, report));
            child.run(childs_life, childs_report, stack)
        }
    }
}

/// What the child has of its own in place of ours, and our end of where it says that it is ready.
fn outlets(plan: &Plan, service: &Service<'_>) -> Result<(Outlets, Option<Words>), RunError> {
    let failed = |cause: io::Error| RunError::setup("make a pipe for what the program says".into(), cause);
    let output = service.output().transpose().map_err(failed)?;
    let sockets = service.sockets(plan)?;
    let Ready::Writes { descriptor } = plan.service.ready else {
        return Ok((Outlets { output, ready: None, sockets }, None));
    };
    let (hear, talk) = pipe_with(PipeFlags::CLOEXEC).map_err(|cause| failed(cause.into()))?;
    let ready = Some((above(talk, handed::top(plan).unwrap_or(descriptor))?, descriptor));
    Ok((Outlets { output, ready, sockets }, Some(Words::Pipe(hear))))
}

/// The same descriptor by a greater number than the one that the program will know another by.
fn above(fd: OwnedFd, number: i32) -> Result<OwnedFd, RunError> {
    rustix::io::fcntl_dupfd_cloexec(&fd, number.saturating_add(1))
        .map_err(|cause| RunError::setup(format!("keep the descriptor {number} free"), cause.into()))
}

/// What the child's numbers mean.
struct Inside<'a> {
    /// The places of the late mounts.
    late: Vec<RootPath>,
    confinement: Confinement<'a>,
    /// Where commands are run that come before the program.
    place: Place<'a>,
}

/// Hears the child until execve(2) has closed its end, or a failure.
fn await_exec(
    plan: &Plan,
    report: &OwnedFd,
    life: &OwnedFd,
    inside: &Inside<'_>,
) -> Result<(Pid, OwnedFd, [u64; MARKS]), RunError> {
    let mut ready = None;
    let died =
        |cause: &str| RunError::setup(format!("start {}", plan.exec.program), io::Error::other(cause.to_owned()));
    loop {
        if told_to_stop(report).map_err(|cause| RunError::setup("wait for the jail's start".into(), cause))? {
            return Err(died("it was told to stop before it had started"));
        }
        match hear(report).map_err(|cause| RunError::setup("hear of the jail's start".into(), cause))? {
            Heard::Message(Message::Failed { phase, index, errno }, _) => {
                return Err(match phase {
                    Phase::Namespaces => refused(inside.confinement.namespaces, errno.into()),
                    _ => explain::explain(phase, index, errno, &plan.exec, &inside.late),
                });
            }
            Heard::Message(Message::Waiting, _) => {
                let mut enter = |command: &_, said: &mut _| inside.place.run(command, said, &mut is_told_to_stop);
                command::all("before-start", &plan.before_start, &mut enter)?;
                rustix::net::send(life, &Message::Go.to_bytes(), SendFlags::NOSIGNAL)
                    .map_err(|_| died("its init was killed while it started"))?;
            }
            Heard::Message(Message::Ready { marks }, Some(pid)) => {
                let pinned = pidfd_open(pid, PidfdFlags::empty()).map_err(|cause| match cause {
                    // Until we have it, pid 1 leaves even a dead one in its place.
                    Errno::SRCH => died("its init was killed while it started"),
                    _ => RunError::setup("hold the main process".into(), cause.into()),
                })?;
                rustix::net::send(life, &Message::Pinned.to_bytes(), SendFlags::NOSIGNAL)
                    .map_err(|_| died("its init was killed while it started"))?;
                ready = Some((pid, pinned, marks));
            }
            Heard::Message(..) => return Err(died("it said something that it never says")),
            Heard::End => return ready.ok_or_else(|| died("it was killed while it started")),
        }
    }
}

/// What comes from the child while it starts.
enum Heard {
    /// A message and the pid of its sender as the host sees it.
    Message(Message, Option<Pid>),
    /// Nobody holds the other end any more.
    End,
}

/// How long a start may take before a signal to stop ends it. One that comes sooner waits, and is the program's.
const SLOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Waits until there is something to hear. True if that takes its time, and we are told to stop meanwhile: a process of the
/// jail's user on the host may have stopped the main one before it is the program.
fn told_to_stop(report: &OwnedFd) -> io::Result<bool> {
    loop {
        let mut fds = [PollFd::new(report, PollFlags::IN)];
        match poll(&mut fds, Some(&SLOW)) {
            Ok(0) if is_told_to_stop()? => return Ok(true),
            Ok(0) | Err(Errno::INTR) => {}
            other => return other.map(|_| false).map_err(io::Error::from),
        }
    }
}

/// Whether a signal waits that means to stop.
fn is_told_to_stop() -> io::Result<bool> {
    let waiting = signal::pending()?;
    let stops = [machine::signal::TERM, machine::signal::INT, machine::signal::QUIT];
    Ok(stops.iter().any(|stop| waiting.has(*stop)))
}

fn hear(report: &OwnedFd) -> io::Result<Heard> {
    let mut bytes = [0; SIZE];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut parts = [io::IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(report, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    if received.bytes == 0 {
        return Ok(Heard::End);
    }
    let sender = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(credentials) => Some(credentials.pid),
        _ => None,
    });
    match Message::from_bytes(&bytes[..received.bytes]) {
        Some(message) => Ok(Heard::Message(message, sender)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Why the host refuses namespaces, and which setting it is.
fn refused(namespaces: &[String], cause: io::Error) -> RunError {
    let help = match Errno::from_io_error(&cause) {
        Some(Errno::NOSPC | Errno::USERS) => Some(match full(namespaces) {
            Some(setting) => format!("{setting} is 0: raise it with sysctl(8)"),
            None => {
                "a limit of user.max_*_namespaces is reached: raise it with sysctl(8), see namespaces(7)".to_owned()
            }
        }),
        Some(Errno::INVAL) => {
            Some("the kernel is built without one of these namespaces: see CONFIG_NAMESPACES".to_owned())
        }
        other => other.and_then(source::setting),
    };
    RunError::setup(format!("give the jail its own namespaces ({})", namespaces.join(" ")), cause).help(help)
}

/// The setting of namespaces(7) that allows none.
fn full(namespaces: &[String]) -> Option<String> {
    namespaces.iter().find_map(|name| {
        let short = if name == "mount" { "mnt" } else { name };
        let text = std::fs::read_to_string(format!("/proc/sys/user/max_{short}_namespaces")).ok()?;
        (text.trim() == "0").then(|| format!("user.max_{short}_namespaces"))
    })
}
