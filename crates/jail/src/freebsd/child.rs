//! The child: makes itself the first process of its jail, becomes the user, and executes the program.
//!
//! All that needs the host's files, user and login class among them, is read before fork(2).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, RawMode};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};
use thinjail_plan::plan::{By, Exec, Limit, Plan};
use thinjail_plan::resolve::Class;
use thinjail_sys::freebsd::exec::{StringList, execve};
use thinjail_sys::freebsd::jail::{self, Set};
use thinjail_sys::freebsd::login::LoginClass;
use thinjail_sys::freebsd::sysctl::sysctlbyname_int;
use thinjail_sys::freebsd::{process, signal};

use super::message::{Message, Phase};
use super::params::Params;
use crate::handed::{self, Outlets};
use crate::run::RunError;

/// Everything the child needs, in the form that the system calls take.
#[derive(Debug)]
pub(super) struct Child {
    program: CString,
    argv: StringList,
    env: StringList,
    chdir: CString,
    name: CString,
    params: jail::Params,
    class: LoginClass,
    fib: Option<i32>,
    cpus: Vec<usize>,
    limits: Vec<(Resource, Rlimit)>,
    /// The primary one first.
    groups: Vec<u32>,
    uid: u32,
    gid: u32,
    umask: Mode,
    descriptors: Vec<i32>,
    tty: bool,
    /// For hooks and commands that come between the jail and the program.
    waits: bool,
    /// One that is there already.
    there: Option<jail::Jid>,
    /// Its standard output and error, in place of ours.
    output: Option<OwnedFd>,
    /// Where it says that it is ready, and by which number it knows that.
    ready: Option<(OwnedFd, i32)>,
    /// What it knows by the descriptors from 3 on.
    sockets: Vec<OwnedFd>,
}

/// A place in the set-up that failed.
struct Failure {
    phase: Phase,
    index: u32,
    errno: Errno,
}

/// For `map_err`.
fn at(phase: Phase) -> impl Fn(Errno) -> Failure {
    move |errno| Failure { phase, index: 0, errno }
}

/// The same for what comes as an io::Error.
fn io_at(phase: Phase) -> impl Fn(io::Error) -> Failure {
    move |error| Failure { phase, index: 0, errno: Errno::from_io_error(&error).unwrap_or(Errno::IO) }
}

/// How often, and how long in between, a name is tried that a jail still has which is about to be gone: five seconds.
const TRIES: u32 = 250;
const PAUSE: Duration = Duration::from_millis(20);

impl Child {
    /// From a plan.
    pub(super) fn prepare(
        plan: &Plan,
        params: Params,
        waits: bool,
        Outlets { output, ready, sockets }: Outlets,
    ) -> Result<Self, RunError> {
        let exec = &plan.exec;
        let bad = |what: &str, why: &str| {
            RunError::setup(format!("prepare {} for {}", what, exec.program), io::Error::other(why.to_owned()))
        };
        let text = |text: &str| CString::new(text).map_err(|_| bad(&format!("{text:?}"), "it has a NUL byte"));
        let argv = exec.argv.iter().map(|word| text(word)).collect::<Result<_, _>>()?;
        let env = handed::environment(exec, sockets.len());
        let env = env.iter().map(|(name, value)| text(&format!("{name}={value}"))).collect::<Result<_, _>>()?;
        let env = StringList::new(env);
        let limits = own_rlimits(exec)?;
        let class = LoginClass::of_user(exec.ids.uid).map_err(|cause| {
            RunError::setup(format!("read the login class of uid {}", exec.ids.uid), cause)
                .help("see login.conf(5), and run cap_mkdb(1) after a change".to_owned())
        })?;
        let name = text(params.name())?;
        let (fib, cpus) = (params.fib(), params.cpus().to_vec());
        Ok(Self {
            program: text(exec.program.as_str())?,
            argv: StringList::new(argv),
            env: if sockets.is_empty() { env } else { env.with_number(handed::PID) },
            chdir: text(exec.chdir.as_str())?,
            name,
            params: jail::Params::new(params.into_values()),
            class,
            fib,
            cpus,
            limits,
            groups: std::iter::once(exec.ids.gid).chain(exec.ids.groups.iter().copied()).collect(),
            uid: exec.ids.uid,
            gid: exec.ids.gid,
            umask: Mode::from_raw_mode(RawMode::try_from(exec.umask).unwrap_or(0o77)),
            descriptors: exec.descriptors.clone(),
            tty: exec.tty,
            waits,
            there: None,
            output,
            ready,
            sockets,
        })
    }

    /// The processors of its jail; none named is all.
    pub(super) fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// For a jail that is there: none is made.
    pub(super) fn in_jail(self, jid: jail::Jid) -> Self {
        Self { there: Some(jid), ..self }
    }

    /// What the child does, to its end.
    pub(super) fn run(mut self, report: BorrowedFd<'_>, go: BorrowedFd<'_>) -> ! {
        let Failure { phase, index, errno } = self.become_program(report, go);
        let words = if phase == Phase::Jail { self.params.message().to_vec() } else { Vec::new() };
        tell(report, &Message::Failed { phase, index, errno, words });
        process::exit(1)
    }

    /// Comes back only with a failure.
    fn become_program(&mut self, report: BorrowedFd<'_>, go: BorrowedFd<'_>) -> Failure {
        match self.set_up(report, go) {
            Ok(()) => {}
            Err(failure) => return failure,
        }
        tell(report, &Message::Ready);
        io_at(Phase::Exec)(execve(&self.program, &self.argv, &self.env))
    }

    fn set_up(&mut self, report: BorrowedFd<'_>, go: BorrowedFd<'_>) -> Result<(), Failure> {
        // A directory that is open is a way out of a jail, and jail_set(2) refuses to make one around it.
        if let Some(output) = &self.output {
            rustix::stdio::dup2_stdout(output).map_err(at(Phase::Descriptors))?;
            rustix::stdio::dup2_stderr(output).map_err(at(Phase::Descriptors))?;
        }
        let mut kept = self.descriptors.clone();
        if let Some((pipe, number)) = &self.ready {
            process::dup_onto(pipe, *number).map_err(io_at(Phase::Descriptors))?;
            kept.push(*number);
        }
        for (number, socket) in (3..).zip(&self.sockets) {
            process::dup_onto(socket, number).map_err(io_at(Phase::Descriptors))?;
            kept.push(number);
        }
        self.env.set_number(rustix::process::getpid().as_raw_nonzero().get());
        kept.extend([report.as_raw_fd(), go.as_raw_fd()]);
        kept.sort_unstable();
        process::close_all_but(&kept).map_err(io_at(Phase::Descriptors))?;
        signal::all_default().map_err(io_at(Phase::Session))?;
        if !self.tty {
            rustix::process::setsid().map_err(at(Phase::Session))?;
        }
        self.class.apply(self.uid).map_err(io_at(Phase::LoginClass))?;
        for (index, (resource, limit)) in self.limits.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            rustix::process::setrlimit(*resource, *limit).map_err(|errno| Failure {
                phase: Phase::Limit,
                index,
                errno,
            })?;
        }
        if let Some(fib) = self.fib {
            process::setfib(fib).map_err(io_at(Phase::Session))?;
        }
        let jid = self.attach().map_err(io_at(Phase::Jail))?;
        tell(report, &Message::Attached { jid: jid.0 });
        // The supervisor's end closes the pipe, and then nothing is to be run.
        if self.waits && rustix::io::read(go, &mut [0u8; 1]) != Ok(1) {
            process::exit(1);
        }
        process::set_ids(&self.groups, self.gid, self.uid).map_err(io_at(Phase::Ids))?;
        // Kernels before 14 do not know it; no mount of the jail honours set-id bits either way.
        let _ = rustix::process::set_no_new_privs(None);
        rustix::process::umask(self.umask);
        rustix::process::chdir(self.chdir.as_c_str()).map_err(at(Phase::Chdir))?;
        for descriptor in &self.descriptors {
            process::keep_on_exec(*descriptor).map_err(io_at(Phase::Descriptors))?;
        }
        Ok(())
    }

    /// Makes the jail around us. A jail of that name that was removed and waits for its last sockets is waited for.
    fn attach(&mut self) -> io::Result<jail::Jid> {
        if let Some(jid) = self.there {
            return jail::jail_attach(jid).map(|()| jid);
        }
        for _ in 0..TRIES {
            match self.params.set(Set::CreateAttach) {
                Err(error) if error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {
                    let found = jail::jail_get(jail::By::Name(&self.name)).map_err(io::Error::from)?;
                    if found.is_some_and(|found| !found.dying) {
                        return Err(error);
                    }
                }
                other => return other,
            }
            std::thread::sleep(PAUSE);
        }
        self.params.set(Set::CreateAttach)
    }
}

/// Sends a message. That it fails means that nobody listens any more, and then nothing is left to tell.
fn tell(to: BorrowedFd<'_>, message: &Message) {
    let _ = rustix::io::write(to.as_fd(), &message.to_bytes());
}

/// Limits of each process. Where the kernel does not count over a jail, the number of processes is at least the user's.
fn own_limits(exec: &Exec) -> impl Iterator<Item = &Limit> {
    let counted = sysctlbyname_int(c"kern.racct.enable").is_ok_and(|on| on != 0);
    let own = move |limit: &&Limit| limit.by == By::Process || (!counted && limit.resource == "maxproc");
    exec.limits.iter().filter(own)
}

/// The same as setrlimit(2) takes them.
pub(super) fn own_rlimits(exec: &Exec) -> Result<Vec<(Resource, Rlimit)>, RunError> {
    let of = |limit: &Limit| match resource(&limit.resource) {
        Some(resource) => Ok((resource, Rlimit { current: limit.value, maximum: limit.value })),
        None => {
            let cause = io::Error::other("setrlimit(2) has no such limit");
            Err(RunError::setup(format!("prepare {} for {}", limit.resource, exec.program), cause))
        }
    };
    own_limits(exec).map(of).collect()
}

/// rctl(8)'s word as setrlimit(2) names it.
fn resource(word: &str) -> Option<Resource> {
    Some(match word {
        "coredumpsize" => Resource::Core,
        "cputime" => Resource::Cpu,
        "datasize" => Resource::Data,
        "filesize" => Resource::Fsize,
        "maxproc" => Resource::Nproc,
        "memorylocked" => Resource::Memlock,
        "openfiles" => Resource::Nofile,
        "stacksize" => Resource::Stack,
        "vmemoryuse" => Resource::As,
        _ => return None,
    })
}

/// Turns what the child told into what the user reads.
pub(super) fn explain(phase: Phase, index: u32, errno: Errno, words: &[u8], name: &str, exec: &Exec) -> RunError {
    let program = &exec.program;
    let ids = &exec.ids;
    let (what, help): (String, Option<&str>) = match phase {
        Phase::Descriptors => ("close the descriptors that are not named".into(), None),
        Phase::Session => (format!("begin a session for {program}"), None),
        Phase::LoginClass => (format!("take the login class of uid {}", ids.uid), Some("see login.conf(5)")),
        Phase::Limit => match own_limits(exec).nth(usize::try_from(index).unwrap_or(usize::MAX)) {
            Some(limit) => (format!("set the limit {}", limit.resource), None),
            None => ("set a limit".into(), None),
        },
        Phase::Jail => (
            format!("make the jail {name}"),
            match errno {
                Errno::EXIST => Some("a jail of that name is there already: see jls(8), and stop that one first"),
                Errno::PERM => Some("it has to be root, and inside a jail children.max has to allow it"),
                Errno::AGAIN => Some("no jail number is free, or children.max of this jail is reached"),
                _ => None,
            },
        ),
        Phase::Ids => (format!("become user {} and group {}", ids.uid, ids.gid), None),
        Phase::Chdir => (
            format!("change to the directory {} inside as user {}", exec.chdir, ids.uid),
            Some("chdir has to name a directory that is inside and that this user may enter"),
        ),
        Phase::Exec => (format!("execute {program} inside as user {}", ids.uid), None),
    };
    let class = match (phase, errno) {
        (Phase::Exec, Errno::NOENT) => Class::NotFound,
        (Phase::Exec, _) => Class::NotExecutable,
        _ => Class::Setup,
    };
    let cause = io::Error::from(errno);
    let cause = match std::str::from_utf8(words) {
        Ok(words) if !words.is_empty() => io::Error::new(cause.kind(), format!("{words} ({cause})")),
        _ => cause,
    };
    RunError { class, what, help: help.map(str::to_owned), cause: Some(cause) }
}
