//! The child: pid 1 of the jail, which makes the built tree its root and starts the main process.
//!
//! Everything is prepared by the supervisor: before clone3(2), or while a child that was born early makes its namespaces, which is
//! told then. From there to execve(2) nothing is allocated and no path of the host is used.

pub(super) mod alone;
pub(super) mod early;
mod enter;
mod packed;
mod root;

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{DumpableBehavior, Gid, Resource, Rlimit, Signal, Uid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};
use thinjail_closure::tree::Kind;
use thinjail_plan::plan::{By, Network, Plan, Ready};
use thinjail_plan::step::{Access, ProcView};
use thinjail_sys::linux::exec::{StringList, execve};
use thinjail_sys::linux::keyring::join_session_keyring;
use thinjail_sys::linux::landlock::Ruleset;
use thinjail_sys::linux::net::loopback_up;
use thinjail_sys::linux::process::{self, CloneFlags, CloseRange, Stack};
use thinjail_sys::linux::seccomp::{set_filter, sock_filter};
use thinjail_sys::linux::signal;

use super::Confinement;
use super::filter::Filter;
use super::handover::{Bell, Buffer, Part};
use super::message::{MARKS, Message, Phase, SIZE};
use super::unprivileged::USER;
use super::{capability, exec, handover, init, landlock};
use crate::handed::{self, Outlets};
use crate::run::RunError;
use root::{attach_late, empty, leave_host, proc, take_root};

/// Everything the child needs, in the form that the system calls take.
#[derive(Debug)]
pub(super) struct Child {
    program: CString,
    argv: StringList,
    env: StringList,
    chdir: CString,
    /// What it gets of its own.
    pub(super) namespaces: CloneFlags,
    hostname: Option<CString>,
    proc: Option<ProcView>,
    capabilities: CapabilitySet,
    limits: Vec<(Resource, Rlimit)>,
    /// None where they can't be set: setgroups(2) is denied in a user namespace, and the caller's stay.
    groups: Option<Vec<Gid>>,
    uid: Uid,
    gid: Gid,
    umask: Mode,
    descriptors: Vec<i32>,
    tty: bool,
    own_network: bool,
    filter: Filter,
    landlock: Option<Ruleset>,
    /// Where to enter the groups that hold the limits of the whole jail.
    cgroups: Vec<OwnedFd>,
    /// landlock(7) alone: no namespaces, and the host's own tree.
    landlocked: bool,
    /// Without a supervisor: it is this very process that becomes the program.
    alone: bool,
    pub(super) wait_all: bool,
    /// For commands that come before the program.
    waits: bool,
    follows: bool,
    tree: bool,
    pidfile: Option<CString>,
    /// Its standard output and error, in place of ours.
    output: Option<OwnedFd>,
    /// Where it says that it is ready, and by which number it knows that.
    ready: Option<(OwnedFd, i32)>,
    /// What it knows by the descriptors from 3 on.
    sockets: Vec<OwnedFd>,
}

/// What a child makes that is born before there is a plan, beside the pid namespace that it is born in.
pub(super) const EARLY: CloneFlags = CloneFlags::NEWNS.and(CloneFlags::NEWIPC).and(CloneFlags::NEWUTS);

/// Where the supervisor's word comes from, and what is rung for it if there is that.
type Go<'a> = (BorrowedFd<'a>, Option<&'a Bell>);

/// A place in the set-up that failed.
pub(super) struct Failure {
    phase: Phase,
    index: u32,
    errno: Errno,
}

/// For `map_err`.
fn at(phase: Phase) -> impl Fn(Errno) -> Failure {
    move |errno| Failure { phase, index: 0, errno }
}

/// The same for what comes as an io::Error.
fn io_at(phase: Phase) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure { phase, index: 0, errno: Errno::from_io_error(&error).unwrap_or(Errno::IO) }
}

impl Child {
    /// From a plan and what it says of the child's confinement.
    pub(super) fn prepare(
        plan: &Plan,
        confine: &Confinement<'_>,
        groups_of_processes: Vec<OwnedFd>,
        files: Option<&[(OwnedFd, Kind, Access)]>,
        Outlets { output, ready, sockets }: Outlets,
    ) -> Result<Self, RunError> {
        let exec = &plan.exec;
        let Confinement { namespaces, hostname, proc, landlocked } = *confine;
        let unprivileged = namespaces.iter().any(|name| name == USER) || !rustix::process::geteuid().is_root();
        let bad = |what: &str, why: &str| {
            RunError::setup(format!("prepare {} for {}", what, exec.program), std::io::Error::other(why.to_owned()))
        };
        let text = |text: &str| CString::new(text).map_err(|_| bad(&format!("{text:?}"), "it has a NUL byte"));
        let argv = exec.argv.iter().map(|word| text(word)).collect::<Result<_, _>>()?;
        let env = handed::environment(exec, sockets.len());
        let env = env.iter().map(|(name, value)| text(&format!("{name}={value}"))).collect::<Result<_, _>>()?;
        let env = StringList::new(env);
        let capabilities =
            capability::set(&exec.capabilities).map_err(|name| bad(name, "the kernel has no such capability"))?;
        let limits = exec
            .limits
            .iter()
            .filter(|limit| limit.by == By::Process)
            .map(|limit| match resource(&limit.resource) {
                Some(resource) => Ok((resource, Rlimit { current: limit.value, maximum: limit.value })),
                None => Err(bad(&limit.resource, "setrlimit(2) has no such limit")),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            program: text(exec.program.as_str())?,
            argv: StringList::new(argv),
            env: if sockets.is_empty() { env } else { env.with_number(handed::PID) },
            chdir: text(exec.chdir.as_str())?,
            namespaces: Self::clone_flags(namespaces)?,
            hostname: hostname.map(text).transpose()?,
            proc,
            capabilities,
            limits,
            groups: (!unprivileged).then(|| exec.ids.groups.iter().map(|gid| Gid::from_raw(*gid)).collect()),
            uid: Uid::from_raw(exec.ids.uid),
            gid: Gid::from_raw(exec.ids.gid),
            umask: Mode::from_bits_truncate(exec.umask),
            descriptors: exec.descriptors.clone(),
            tty: exec.tty,
            own_network: exec.network == Network::None,
            filter: Filter::of(&exec.syscalls)
                .ok_or_else(|| bad("the filter of system calls", "there is no such system call"))?,
            cgroups: groups_of_processes,
            landlocked,
            alone: plan.unsupervised,
            landlock: landlock::ruleset(&exec.landlock, files).map_err(|cause| {
                RunError::setup(format!("make the rules of landlock(7) for {}", exec.program), cause)
            })?,
            wait_all: plan.stop.wait == thinjail_plan::plan::Wait::All,
            waits: !plan.before_start.is_empty(),
            follows: follows(plan),
            tree: is_tree(plan),
            pidfile: plan.service.daemon_pidfile.as_ref().map(|path| text(path.as_str())).transpose()?,
            output,
            ready,
            sockets,
        })
    }

    /// The namespaces' names, as clone3(2) takes them.
    fn clone_flags(namespaces: &[String]) -> Result<CloneFlags, RunError> {
        namespaces.iter().try_fold(CloneFlags::NONE, |flags, name| {
            let flag = match name.as_str() {
                "mount" => CloneFlags::NEWNS,
                "pid" => CloneFlags::NEWPID,
                "ipc" => CloneFlags::NEWIPC,
                "uts" => CloneFlags::NEWUTS,
                "net" => CloneFlags::NEWNET,
                // The supervisor is in it already, and the child with it.
                USER => CloneFlags::NONE,
                other => {
                    let cause = std::io::Error::other("there is no such namespace");
                    return Err(RunError::setup(format!("give the jail its own {other} namespace"), cause));
                }
            };
            Ok(flags.and(flag))
        })
    }

    /// What pid 1 does, to its end.
    pub(super) fn run(&self, life: OwnedFd, report: OwnedFd, mut stack: Stack) -> ! {
        let mut marks = [0; MARKS];
        let main = match self.set_up(&life, report.as_fd(), &mut stack, &mut marks) {
            Ok(main) => main,
            Err(Failure { phase, index, errno }) => {
                tell(report.as_fd(), Message::Failed { phase, index, errno });
                process::exit(1)
            }
        };
        self.attend(main, life, report)
    }

    /// Pid 1's part once there is a main process.
    fn attend(&self, main: rustix::process::Pid, life: OwnedFd, report: OwnedFd) -> ! {
        drop(report);
        let duties = init::Duties {
            wait_all: self.wait_all,
            landlocked: self.landlocked,
            follows: self.follows,
            tree: self.tree,
            pidfile: self.pidfile.as_deref(),
        };
        init::run(main, life, duties)
    }

    /// What a command beside a running jail does, which was born in the jail's namespaces. Comes back only with a failure, which
    /// is told.
    pub(super) fn run_beside(&self, life: &OwnedFd, report: BorrowedFd<'_>, terminal: Option<&OwnedFd>) -> ! {
        let Failure { phase, index, errno } = self.become_command(life, report, terminal);
        tell(report, Message::Failed { phase, index, errno });
        process::exit(1)
    }

    fn become_command(&self, life: &OwnedFd, report: BorrowedFd<'_>, terminal: Option<&OwnedFd>) -> Failure {
        let mut marks = [0; MARKS];
        let enter = |marks: &mut [u64; MARKS]| -> Result<(), Failure> {
            rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(at(Phase::Guard))?;
            signal::all_default().map_err(io_at(Phase::Guard))?;
            init::die_with_supervisor(life.as_fd()).map_err(at(Phase::Guard))?;
            for group in &self.cgroups {
                rustix::io::write(group, b"0").map_err(at(Phase::Group))?;
            }
            let proc = self.enter_namespaces()?;
            take_tree(life.as_fd(), proc.as_ref(), marks)?;
            drop(proc);
            if let Some(terminal) = terminal {
                exec::take_terminal(terminal).map_err(|(phase, errno)| Failure { phase, index: 0, errno })?;
            }
            self.bound()?;
            self.session()?;
            self.drop_privileges()?;
            // The change of ids has cleared it.
            init::die_with_supervisor(life.as_fd()).map_err(at(Phase::Guard))
        };
        match enter(&mut marks) {
            Ok(()) => {}
            Err(failure) => return failure,
        }
        tell(report, Message::Ready { marks });
        if let Err(error) = set_filter(self.filter.instructions()) {
            return io_at(Phase::Filter)(error);
        }
        io_at(Phase::Exec)(execve(&self.program, &self.argv, &self.env))
    }

    /// Takes the root and starts the main process; gives its pid.
    fn set_up(
        &self,
        life: &OwnedFd,
        report: BorrowedFd<'_>,
        stack: &mut Stack,
        marks: &mut [u64; MARKS],
    ) -> Result<rustix::process::Pid, Failure> {
        if self.landlocked {
            guard()?;
            // Those whose parents end come to us, and we end them.
            rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(at(Phase::Guard))?;
        } else {
            begin(life.as_fd())?;
        }
        // In a pid namespace of its own a process has another number: 0 is whoever writes.
        for group in &self.cgroups {
            rustix::io::write(group, b"0").map_err(at(Phase::Group))?;
        }
        let proc = self.enter_namespaces()?;
        // One system call for each capability there is, while the supervisor still builds the tree.
        self.bound()?;
        if !self.landlocked {
            marks[0] = now();
            take_tree(life.as_fd(), proc.as_ref(), marks)?;
            drop(proc);
        }
        if self.waits {
            tell(report, Message::Waiting);
            wait_for_go((life.as_fd(), None))?;
        }
        marks[3] = now();
        process::vfork(stack, CloneFlags::NONE, &mut || {
            marks[4] = now();
            // Whoever has had commands of its own done before it has its word already.
            let go = (!self.landlocked && !self.waits).then(|| (life.as_fd(), None));
            let Failure { phase, index, errno } = self.become_program(go, report, marks);
            tell(report, Message::Failed { phase, index, errno });
            1
        })
        .map_err(io_at(Phase::Fork))
    }

    /// The namespaces, with nothing of the host in them; gives their proc(5), if there is to be one.
    fn enter_namespaces(&self) -> Result<Option<OwnedFd>, Failure> {
        if self.landlocked {
            return Ok(None);
        }
        let proc = namespaces(self.namespaces.without(CloneFlags::NEWPID), self.proc)?;
        self.name_and_network()?;
        Ok(proc)
    }

    /// What belongs to the namespaces and is not the kernel's to know.
    fn name_and_network(&self) -> Result<(), Failure> {
        if let Some(name) = &self.hostname {
            rustix::system::sethostname(name.to_bytes()).map_err(at(Phase::Hostname))?;
        }
        if self.own_network {
            use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
            let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
                .map_err(at(Phase::Loopback))?;
            loopback_up(&socket).map_err(io_at(Phase::Loopback))?;
        }
        Ok(())
    }

    /// What the main process does until it is the program, which it becomes when `go` says so. Comes back only with a failure.
    fn become_program(&self, go: Option<Go<'_>>, report: BorrowedFd<'_>, marks: &mut [u64; MARKS]) -> Failure {
        match self.session().and_then(|()| self.drop_privileges()) {
            Ok(()) => self.await_word(go, report, marks, self.filter.instructions()),
            Err(failure) => failure,
        }
    }

    /// The last part of it.
    fn await_word(
        &self,
        go: Option<Go<'_>>,
        report: BorrowedFd<'_>,
        marks: &mut [u64; MARKS],
        filter: &[sock_filter],
    ) -> Failure {
        if let Some((pipe, number)) = &self.ready
            && let Err(error) = process::dup_onto(pipe, *number)
        {
            return io_at(Phase::Descriptors)(error);
        }
        marks[5] = now();
        tell(report, Message::Ready { marks: *marks });
        // What the default filter refuses waiting does not need, and a filter takes its time to be set; a profile's own may refuse
        // that, too.
        let (before, after) = if self.filter.changed().is_some() { (go, None) } else { (None, go) };
        if let Some(Err(failure)) = before.map(wait_for_go) {
            return failure;
        }
        // What is refused now is refused to the program and to nobody else.
        if let Err(error) = set_filter(filter) {
            return io_at(Phase::Filter)(error);
        }
        if let Some(Err(failure)) = after.map(wait_for_go) {
            return failure;
        }
        io_at(Phase::Exec)(execve(&self.program, &self.argv, &self.env))
    }

    fn begin_session(&self) -> Result<(), Failure> {
        if self.tty {
            return Ok(());
        }
        match rustix::process::setsid() {
            // Whoever has started us has begun one for us.
            Err(Errno::PERM) if self.alone && process::leads_session() => Ok(()),
            other => other.map(drop).map_err(at(Phase::Session)),
        }
    }

    /// No capability but the named ones comes with an execve(2) of this process or those that it starts.
    fn bound(&self) -> Result<(), Failure> {
        capability::bound(self.capabilities, self.landlocked && self.groups.is_none()).map_err(at(Phase::Capabilities))
    }

    /// A session and a keyring of its own.
    fn session(&self) -> Result<(), Failure> {
        self.begin_session()?;
        match join_session_keyring() {
            // No keyrings here, or a container that lets nobody reach any.
            Err(error) if !matches!(Errno::from_io_error(&error), Some(Errno::NOSYS | Errno::PERM | Errno::ACCESS)) => {
                Err(io_at(Phase::Session)(error))
            }
            _ => Ok(()),
        }
    }

    /// What comes behind [`Self::bound`] and [`Self::session`], which have to be done before.
    fn drop_privileges(&self) -> Result<(), Failure> {
        for (index, (resource, limit)) in self.limits.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            rustix::process::setrlimit(*resource, *limit).map_err(|errno| Failure {
                phase: Phase::Limit,
                index,
                errno,
            })?;
        }
        self.take_ids()?;
        if self.landlocked && !self.alone {
            // No pid namespace ends us with our parent. A change of ids clears it.
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(at(Phase::Guard))?;
        }
        // We still run in pid 1's memory, and with fs.suid_dumpable = 1 the new ids have made it dumpable: whoever is this user
        // on the host could trace us, and write to it.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(at(Phase::Guard))?;
        thread::set_no_new_privs(true).map_err(at(Phase::NoNewPrivs))?;
        if let Some(ruleset) = &self.landlock {
            ruleset.restrict_self().map_err(io_at(Phase::Landlock))?;
        }
        if let Some(output) = &self.output {
            rustix::stdio::dup2_stdout(output).map_err(at(Phase::Descriptors))?;
            rustix::stdio::dup2_stderr(output).map_err(at(Phase::Descriptors))?;
        }
        process::close_range(3, CloseRange::OnExec).map_err(io_at(Phase::Descriptors))?;
        for descriptor in &self.descriptors {
            process::keep_on_exec(*descriptor).map_err(io_at(Phase::Descriptors))?;
        }
        for (number, socket) in (3..).zip(&self.sockets) {
            process::dup_onto(socket, number).map_err(io_at(Phase::Descriptors))?;
        }
        // As it is called inside.
        self.env.set_number(rustix::process::getpid().as_raw_nonzero().get());
        rustix::process::umask(self.umask);
        rustix::process::chdir(self.chdir.as_c_str()).map_err(at(Phase::Chdir))
    }

    /// Groups, group, user, then exactly the named capabilities.
    fn take_ids(&self) -> Result<(), Failure> {
        let keep = !self.uid.is_root() && !self.capabilities.is_empty();
        if keep {
            thread::set_keep_capabilities(true).map_err(at(Phase::Capabilities))?;
        }
        if let Some(groups) = &self.groups {
            thread::set_thread_groups(groups).map_err(at(Phase::Ids))?;
        }
        thread::set_thread_res_gid(self.gid, self.gid, self.gid).map_err(at(Phase::Ids))?;
        thread::set_thread_res_uid(self.uid, self.uid, self.uid).map_err(at(Phase::Ids))?;
        let set = self.capabilities;
        let sets = CapabilitySets { effective: set, permitted: set, inheritable: set };
        thread::set_capabilities(None, sets).map_err(at(Phase::Capabilities))?;
        if keep {
            thread::set_keep_capabilities(false).map_err(at(Phase::Capabilities))?;
        }
        thread::clear_ambient_capability_set().map_err(at(Phase::Capabilities))?;
        for number in 0..=capability::LAST {
            let one = capability::one(number);
            if set.contains(one) {
                thread::configure_capability_in_ambient_set(one, true).map_err(at(Phase::Capabilities))?;
            }
        }
        Ok(())
    }
}

/// Before anything of the jail runs beside us: nobody traces us.
fn guard() -> Result<(), Failure> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(at(Phase::Guard))?;
    // For the main process, which begins with what we have; and for ourselves, since a pid 1 gets no signal from inside that
    // it has no handler for, and Rust's runtime has some, which could be run one upon the other until their stack is full.
    signal::all_default().map_err(io_at(Phase::Guard))
}

/// The same for a pid 1, which dies with the supervisor.
fn begin(life: BorrowedFd<'_>) -> Result<(), Failure> {
    guard()?;
    init::die_with_supervisor(life).map_err(at(Phase::Guard))
}

/// These namespaces, with nothing of the host in them; gives their proc(5), if there is to be one.
fn namespaces(flags: CloneFlags, view: Option<ProcView>) -> Result<Option<OwnedFd>, Failure> {
    process::unshare(flags).map_err(io_at(Phase::Namespaces))?;
    // In a user namespace the kernel makes one only as long as another is to be seen.
    let proc = view.map(proc).transpose().map_err(at(Phase::Proc))?;
    match (proc, view) {
        // In this one is nothing that the jail will not see anyway, and so it need not be an empty one of its own.
        (Some(proc), Some(ProcView::Pid)) => {
            leave_host(&proc)?;
            let again =
                OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
            Ok(Some(open_tree(&proc, c"", again).map_err(at(Phase::Proc))?))
        }
        (proc, _) => {
            leave_host(&empty().map_err(at(Phase::Private))?)?;
            Ok(proc)
        }
    }
}

/// Whether another process may become the main one once the one that was started has ended.
pub(super) fn follows(plan: &Plan) -> bool {
    plan.service.daemon_pidfile.is_some() || matches!(plan.service.ready, Ready::Notifies { .. })
}

/// Whether all processes are the main one, since nobody says which of them is.
pub(super) fn is_tree(plan: &Plan) -> bool {
    plan.service.ready == Ready::Forked && !follows(plan)
}

/// CLOCK_MONOTONIC in nanoseconds.
pub(super) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Sends a message. That it fails means that nobody listens any more, and then nothing is left to tell.
fn tell(to: BorrowedFd<'_>, message: Message) {
    let _ = rustix::net::send(to, &message.to_bytes(), rustix::net::SendFlags::NOSIGNAL);
}

/// Waits until the supervisor has had everything done that comes before the program; its end is ours.
fn wait_for_go((life, bell): Go<'_>) -> Result<(), Failure> {
    if let Some(bell) = bell {
        bell.hear().map_err(at(Phase::Fork))?;
    }
    let mut bytes = [0; SIZE];
    loop {
        match rustix::net::recv(life, &mut bytes, rustix::net::RecvFlags::empty()) {
            Ok((0, _)) => process::exit(1),
            Ok((count, _)) if Message::from_bytes(&bytes[..count]) == Some(Message::Go) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(at(Phase::Fork)(errno)),
        }
    }
}

/// Takes what the supervisor has built meanwhile: the root first, then what is attached to it.
fn take_tree(life: BorrowedFd<'_>, proc: Option<&OwnedFd>, marks: &mut [u64; MARKS]) -> Result<(), Failure> {
    let mut buffer = Buffer::new();
    let mut taken: Option<OwnedFd> = None;
    let mut index = 0;
    loop {
        let part = handover::receive(life, &mut buffer).map_err(at(Phase::Attach))?;
        let late = |errno| Failure { phase: Phase::Mount, index, errno };
        match (part, &taken) {
            (Some(Part::Root(root)), None) => {
                marks[1] = now();
                take_root(&root)?;
                taken = Some(root);
                marks[2] = now();
                continue;
            }
            (Some(Part::Mount(mount, place)), Some(root)) => attach_late(root, &mount, place).map_err(late)?,
            (Some(Part::Proc(place)), Some(root)) => {
                attach_late(root, proc.ok_or_else(|| late(Errno::PROTO))?, place).map_err(late)?;
            }
            (Some(Part::Done), Some(_)) => return Ok(()),
            // The supervisor tells why, if it still lives.
            (None, _) => process::exit(1),
            (Some(_), _) => return Err(at(Phase::Attach)(Errno::PROTO)),
        }
        index += 1;
    }
}

/// rctl(8)'s words as setrlimit(2) names them.
const RESOURCES: [(&str, Resource); 9] = [
    ("coredumpsize", Resource::Core),
    ("cputime", Resource::Cpu),
    ("datasize", Resource::Data),
    ("filesize", Resource::Fsize),
    ("maxproc", Resource::Nproc),
    ("memorylocked", Resource::Memlock),
    ("openfiles", Resource::Nofile),
    ("stacksize", Resource::Stack),
    ("vmemoryuse", Resource::As),
];

/// One of them.
fn resource(word: &str) -> Option<Resource> {
    RESOURCES.iter().find_map(|(known, resource)| (*known == word).then_some(*resource))
}
