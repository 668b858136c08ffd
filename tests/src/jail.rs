//! Running `thinjail` to its end, or in the background.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use thinjail_plan::plan::Plan;

use crate::binary;
use crate::process::Process;
use crate::temp::TempDir;
use crate::wait;

/// What a run left to be read.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Its exit status; none if a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it; none if it exited.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Fails the test unless it ended with this status; shows all it said.
    ///
    /// # Panics
    ///
    /// If it ended otherwise.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code(), Some(code), "{:?}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr);
        self
    }

    /// Fails the test unless its standard error has all of these in it.
    ///
    /// # Panics
    ///
    /// If one is not there.
    #[track_caller]
    pub fn expect_stderr(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in:\n{}", self.stderr);
        }
        self
    }
}

/// `thinjail` with its arguments, not yet run. Its environment is this test's, but for what would change what it does.
#[derive(Debug)]
pub struct Thinjail {
    command: Command,
    patience: Duration,
}

/// `thinjail` with these arguments.
pub fn thinjail<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Thinjail {
    let mut command = Command::new(binary::thinjail());
    command.args(args).env_remove("THINJAIL_PROFILE_PATH").stdin(Stdio::null());
    Thinjail { command, patience: Duration::from_secs(60) }
}

/// `thinjail` with these arguments, started by a command that ends with exec(3) of what follows it: a shell that opens
/// descriptors, strace(1), setpriv(1).
pub fn thinjail_through<W: AsRef<OsStr>, S: AsRef<OsStr>>(
    wrapper: impl IntoIterator<Item = W>,
    args: impl IntoIterator<Item = S>,
) -> Thinjail {
    let mut wrapper = wrapper.into_iter();
    let mut command = Command::new(wrapper.next().expect("a command"));
    command.args(wrapper).arg(binary::thinjail()).args(args);
    command.env_remove("THINJAIL_PROFILE_PATH").stdin(Stdio::null());
    Thinjail { command, patience: Duration::from_secs(60) }
}

impl Thinjail {
    /// More arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Where profiles are looked for first.
    #[must_use]
    pub fn profiles(mut self, dir: &Path) -> Self {
        self.command.env("THINJAIL_PROFILE_PATH", dir);
        self
    }

    /// Runs it from a shell that has done this before: `umask 077`, `ulimit -n 64`. The shell becomes thinjail, so its pid
    /// is thinjail's.
    #[must_use]
    pub fn after(mut self, script: &str) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("{script}; exec \"$0\" \"$@\"")]);
        shell.arg(self.command.get_program()).args(self.command.get_args()).stdin(Stdio::null());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        self.command = shell;
        self
    }

    /// After this long it is killed and the test fails.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The command itself, for what is rarely wanted: environment, directory, descriptors, uid.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Runs it to its end.
    ///
    /// # Panics
    ///
    /// If it can't be started or does not end in time.
    #[track_caller]
    pub fn run(self) -> Finished {
        let patience = self.patience;
        self.spawn().finish_within(patience)
    }

    /// Runs `plan --json` and reads what it says.
    ///
    /// # Panics
    ///
    /// If there is no plan.
    #[track_caller]
    pub fn plan(self) -> Plan {
        let finished = self.run();
        finished.expect_code(0);
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
    }

    /// Starts it. What it says goes into files: a full pipe never stops it, and the test may read it meanwhile.
    ///
    /// # Panics
    ///
    /// If it can't be started.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let said = TempDir::new();
        let file = |name| File::create(said.path().join(name)).expect("make a file for what it says");
        self.command.stdout(file("stdout")).stderr(file("stderr"));
        let shown = format!("{:?}", self.command);
        let child = self.command.spawn().unwrap_or_else(|error| panic!("start {shown}: {error}"));
        Running { child, said, shown, ended: None }
    }
}

/// A `thinjail` that runs; stopped, or else killed, when the test lets go of it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    said: TempDir,
    shown: String,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Pid of the supervisor.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a pid is an i32")]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// What it has said so far on standard output.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// What it has said so far on standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.said.path().join(name)).unwrap_or_default()).into_owned()
    }

    /// Sends a signal to the supervisor.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Every process of the jail, its pid 1 first if that runs.
    #[must_use]
    pub fn inside(&self) -> Vec<Process> {
        // One that ends meanwhile has no pid any more, and would come first.
        let pair = |process: Process| Some((process.inner_pid()?, process));
        let mut inside: Vec<(i32, Process)> = Process::below(self.pid()).into_iter().filter_map(pair).collect();
        inside.sort();
        inside.into_iter().map(|(_, process)| process).collect()
    }

    /// The processes of the jail that execute this file.
    #[must_use]
    pub fn executing(&self, program: impl Into<PathBuf>) -> Vec<Process> {
        let program = Some(program.into());
        self.inside().into_iter().filter(|process| process.exe() == program).collect()
    }

    /// Waits until `ready`.
    ///
    /// # Panics
    ///
    /// If it is not in time, or if `thinjail` ends meanwhile; shows what that said.
    #[track_caller]
    pub fn wait_until<T>(&mut self, what: &str, mut ready: impl FnMut(&Self) -> Option<T>) -> T {
        let answer = wait::poll(wait::PATIENCE, || {
            if let Some(status) = self.ended() {
                return Some(Err(status));
            }
            ready(self).map(Ok)
        });
        match answer {
            Some(Ok(answer)) => answer,
            Some(Err(status)) => panic!("{} ended ({status:?}) before: {what}\n{}", self.shown, self.stderr()),
            None => panic!("waited in vain for {}: {what}\n{}{}", self.shown, self.stdout(), self.stderr()),
        }
    }

    /// Waits until standard output has this.
    ///
    /// # Panics
    ///
    /// If it does not in time.
    #[track_caller]
    pub fn wait_for_stdout(&mut self, text: &str) {
        self.wait_until(&format!("{text:?} on standard output"), |running| {
            running.stdout().contains(text).then_some(())
        });
    }

    /// How it ended; none while it runs.
    ///
    /// # Panics
    ///
    /// If the system can't say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("wait for thinjail");
        }
        self.ended
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.finish_within(wait::PATIENCE)
    }

    /// The same with a time of your own.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub fn finish_within(mut self, patience: Duration) -> Finished {
        let status = wait::poll(patience, || self.ended());
        let (stdout, stderr) = (self.stdout(), self.stderr());
        let Some(status) = status else {
            panic!("{} did not end within {patience:?}\nstdout: {stdout}\nstderr: {stderr}", self.shown)
        };
        Finished { status, stdout, stderr }
    }

    /// Sends TERM and waits for the end.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub fn stop(self) -> Finished {
        self.signal(Signal::TERM);
        self.finish()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // Asked first: a test that fails shall leave no pidfile to the next one.
            if let Some(pid) = Pid::from_raw(self.pid()) {
                let _ = kill_process(pid, Signal::TERM);
            }
            if wait::poll(Duration::from_secs(2), || self.ended()).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

/// kill(2).
///
/// # Panics
///
/// If there is no such process.
#[track_caller]
pub fn send(pid: i32, signal: Signal) {
    let target = Pid::from_raw(pid).expect("a pid");
    kill_process(target, signal).unwrap_or_else(|error| panic!("send {signal:?} to {pid}: {error}"));
}
