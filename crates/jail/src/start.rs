//! A jail in the background: the supervisor in a session of its own, and what the one who started it is told.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use serde::{Deserialize, Serialize};
use thinjail_plan::plan::Plan;
use thinjail_sys::both::process::{close_inherited, exit, fork};

use crate::journal::line::Verb;
use crate::life::{self, Condition};
use crate::run::{Again, Observer, RunError, Timings, Told};
use crate::supervise::log::{Log, SharedLog};
use crate::supervise::service;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// The program runs.
    Now,
    /// It ran before, supervised by this pid.
    Before(i32),
}

/// What the supervisor tells until the program runs, one a line.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// Something of an earlier jail could not be taken back.
    Left(String),
    /// Nothing runs.
    Failed(Told),
    /// The program runs.
    Started,
}

/// Builds the jail in the background, and comes back once the program is ready. What the program says, and the supervisor from then
/// on, goes where the plan says.
///
/// # Errors
/// Whatever keeps the program from running; nothing is left of the attempt, or `left` was told what.
pub fn start(plan: &Plan, again: Again<'_>, left: &mut dyn FnMut(&str)) -> Result<Started, RunError> {
    let there = |jail: &life::Jail| matches!(jail.condition, Condition::Running | Condition::Waiting);
    if let Some(jail) = life::find(&plan.name)?.filter(there) {
        return Ok(Started::Before(jail.supervisor));
    }
    let log = Log::open(plan, Verb::Start)?;
    let failed = |cause: io::Error| RunError::setup("start a supervisor in the background".into(), cause);
    let (hear, tell) = pipe_with(PipeFlags::CLOEXEC).map_err(|cause| failed(cause.into()))?;
    match fork().map_err(failed)? {
        Some(supervisor) => {
            drop((tell, log));
            let heard = listen(hear, left);
            if heard.is_err() {
                // It has taken everything back before it said so; now it ends.
                let _ = rustix::process::waitpid(Some(supervisor), rustix::process::WaitOptions::empty());
            }
            heard
        }
        None => {
            drop(hear);
            supervise(plan, again, log, tell)
        }
    }
}

/// What the supervisor says, until it says that the program runs.
fn listen(from: OwnedFd, left: &mut dyn FnMut(&str)) -> Result<Started, RunError> {
    let died = |cause: &str| {
        RunError::setup("start the jail".into(), io::Error::other(cause.to_owned()))
            .help("`thinjail clean` takes back what it may have left".to_owned())
    };
    for line in BufReader::new(File::from(from)).lines() {
        let line = line.map_err(|error| died(&error.to_string()))?;
        match serde_json::from_str(&line).map_err(|error| died(&error.to_string()))? {
            Word::Left(what) => left(&what),
            Word::Failed(told) => return Err(told.into()),
            Word::Started => return Ok(Started::Now),
        }
    }
    Err(died("its supervisor was killed while it started"))
}

/// The supervisor, to its end.
fn supervise(plan: &Plan, again: Again<'_>, log: Option<SharedLog>, tell: OwnedFd) -> ! {
    let mut teller = Teller { to: Some(File::from(tell)), log: log.clone() };
    let ran = detach(plan, log.is_some())
        .and_then(|()| service::run(plan, Some(again), (Verb::Start, None), log, &mut teller).map(drop));
    let failed = ran.is_err();
    if let Err(error) = ran {
        teller.failed(error);
    }
    exit(i32::from(failed))
}

/// Away from the terminal, the directory and the descriptors of the caller.
fn detach(plan: &Plan, logged: bool) -> Result<(), RunError> {
    let failed = |cause: rustix::io::Errno| RunError::setup("leave the terminal".into(), cause.into());
    rustix::process::setsid().map_err(failed)?;
    rustix::process::chdir("/").map_err(failed)?;
    close_inherited(&plan.exec.descriptors);
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let null = rustix::fs::open("/dev/null", flags, Mode::empty()).map_err(failed)?;
    rustix::stdio::dup2_stdin(&null).map_err(failed)?;
    if logged {
        rustix::stdio::dup2_stdout(&null).map_err(failed)?;
        rustix::stdio::dup2_stderr(&null).map_err(failed)?;
    }
    Ok(())
}

/// Tells the caller as long as that one listens, and the log from then on.
struct Teller {
    to: Option<File>,
    log: Option<SharedLog>,
}

impl Teller {
    fn word(&mut self, word: &Word) -> bool {
        let Some(to) = &mut self.to else { return false };
        let text = serde_json::to_string(word).unwrap_or_default();
        // A caller that is gone can't be told.
        to.write_all(format!("{text}\n").as_bytes()).is_ok()
    }

    fn say(&self, what: &str) {
        if let Some(log) = &self.log {
            return log.borrow_mut().say(what);
        }
        let _ = io::stderr().write_all(format!("thinjail: {what}\n").as_bytes());
    }

    fn failed(&mut self, error: RunError) {
        match self.to {
            Some(_) => drop(self.word(&Word::Failed(error.into()))),
            None => self.say(&error.on_one_line()),
        }
    }
}

impl Observer for Teller {
    fn started(&mut self, _timings: &Timings) {}

    fn ready(&mut self) {
        self.word(&Word::Started);
        self.to = None;
    }

    fn told(&mut self, what: &str) {
        self.say(what);
    }

    fn background(&mut self) {
        self.say("the program has ended, and the processes that it left were killed");
    }

    fn limit(&mut self, what: &str) {
        self.say(what);
    }

    fn left(&mut self, what: &str) {
        if !self.word(&Word::Left(what.to_owned())) {
            self.say(what);
        }
    }
}
