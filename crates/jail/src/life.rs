//! The life of jails that have a journal: which there are, how they are, stopping them, and taking back what they have left.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;
use thinjail_plan::path::HostPath;
use thinjail_plan::plan::Plan;
use thinjail_plan::step::Step;

pub use crate::claim::Cleaned;
use crate::claim::{clean, clean_journal, clean_sheet, is_of, key, lives};
use crate::journal::Journal;
use crate::journal::line::{Begin, Process, Verb};
use crate::journal::read::{Read, read};
use crate::journal::undo::Undo;
use crate::look::Moment;
use crate::os::End;
use crate::reloaded;
use crate::run::RunError;
use crate::stale::Stale;
use crate::state::{Claim, GUARDED, ONE_OF_A_NAME, State, host, signal};
use crate::supervise::log;
use crate::supervise::machine::signal::{HUP, KILL, TERM};
use crate::system;
use crate::teardown::teardown;
use crate::usage::Usage;

/// How a jail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Its program runs.
    Running,
    /// It is being started, stopped or cleaned up.
    Changing,
    /// It has ended, and will be started again.
    Waiting,
    /// Its supervisor was killed, or something could not be taken back.
    Left,
}

/// A jail as its journal shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Jail {
    /// Its name.
    pub name: String,
    /// How it is.
    pub condition: Condition,
    /// Whether `start` made it: it is in the background.
    pub background: bool,
    /// Pid of the supervisor; 0 if that is not known.
    pub supervisor: i32,
    /// Pid of the main process on the host.
    pub pid: Option<i32>,
    /// FreeBSD's number of it.
    pub jid: Option<i32>,
    /// The program.
    pub program: String,
    /// As whom it runs.
    pub uid: Option<u32>,
    /// Since when, in seconds since 1970.
    pub since: Option<i64>,
    /// What its supervisor does: `starting`, `running`, `stopping`, `waiting`.
    pub stage: Option<String>,
    /// How often it was started again.
    pub restarts: u64,
    /// What it uses, where that was asked for.
    pub usage: Option<Usage>,
    /// What the daemon says of itself.
    pub status: Option<String>,
    /// The file of what it says, or `syslog`; none where that is the caller's.
    pub log: Option<String>,
    /// Where its pid is on the host.
    pub pidfile: Option<HostPath>,
    /// What is still on the host.
    pub on_host: Vec<String>,
    /// Files of the host that were replaced since, where that was asked for: see [`crate::stale`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<Stale>,
}

impl Jail {
    /// How long it has been running.
    #[must_use]
    pub fn uptime(&self) -> Option<Duration> {
        let since = self.since.filter(|_| self.condition == Condition::Running)?;
        u64::try_from(Moment::now().0.saturating_sub(since)).ok().map(Duration::from_secs)
    }

    /// What it uses at this moment.
    #[must_use]
    pub fn uses(&self) -> Usage {
        crate::usage::of(self.supervisor, self.uid)
    }

    fn of(key: &str, read: Read, held: bool) -> Self {
        let on_host = read.entries.iter().filter(|entry| entry.open).map(|entry| entry.undo.to_string()).collect();
        let main = read.running.as_ref().map(|running| running.main);
        let stage = read.phase.as_ref().map(|phase| phase.stage.as_str());
        // A process of the jail that is just being killed may still hold what its supervisor held.
        let dead = |begin: &Begin| !GUARDED && begin.supervisor.start != 0 && !lives(begin.supervisor);
        let held = held && !read.begin.as_ref().is_some_and(dead);
        let condition = match (held, main) {
            (true, _) if stage == Some("waiting") => Condition::Waiting,
            (true, _) if matches!(stage, Some("running" | "reloading")) => Condition::Running,
            (true, _) if stage.is_some() => Condition::Changing,
            (true, Some(main)) if lives(main) => Condition::Running,
            (true, _) => Condition::Changing,
            (false, _) => Condition::Left,
        };
        let begin = read.begin.as_ref();
        Self {
            name: begin.map_or_else(|| key.to_owned(), |begin| begin.name.clone()),
            condition,
            background: begin.is_some_and(|begin| begin.verb == Verb::Start),
            supervisor: begin.map_or(0, |begin| begin.supervisor.pid),
            pid: main.filter(|main| lives(*main)).map(|main| main.pid),
            jid: read.running.as_ref().and_then(|running| running.jid),
            program: begin.map_or_else(String::new, |begin| begin.program.clone()),
            uid: begin.map(|begin| begin.uid),
            since: read.running.as_ref().map(|running| running.since.0),
            stage: stage.map(String::from).filter(|_| held),
            restarts: read.phase.as_ref().map_or(0, |phase| phase.restarts),
            usage: None,
            status: read.phase.as_ref().and_then(|phase| phase.status.clone()).filter(|_| held),
            log: begin.and_then(|begin| begin.log.clone()),
            pidfile: begin.and_then(|begin| begin.pidfile.clone()),
            on_host,
            stale: Vec::new(),
        }
    }
}

/// Every jail that has a journal, by name.
///
/// # Errors
/// Where the state directory can't be read. A journal that can't be read is one that was left.
pub fn list() -> Result<Vec<Jail>, RunError> {
    let Some(state) = State::find()? else { return Ok(Vec::new()) };
    let mut jails = Vec::new();
    for key in state.keys()? {
        // It may have gone meanwhile.
        let Some((text, held)) = state.peek(&key)? else { continue };
        jails.push(Jail::of(&key, read(&text).unwrap_or_default(), held));
    }
    Ok(jails)
}

/// The jail of this name that `start` made (FreeBSD: or `run`).
///
/// # Errors
/// Where it can't be found out.
pub fn find(name: &str) -> Result<Option<Jail>, RunError> {
    let Some(state) = State::find()? else { return Ok(None) };
    let key = key(name);
    Ok(state.peek(&key)?.map(|(text, held)| Jail::of(&key, read(&text).unwrap_or_default(), held)))
}

/// Whether another jail that there is, or that is being made, has this directory: it has asked for it, or found it there. In doubt it
/// has.
pub(crate) fn uses(path: &HostPath) -> bool {
    let has = |step: &Step| match step {
        Step::MakeHostDir { path: made, .. } => made == path,
        Step::Bind { source, .. } | Step::Allow { source, .. } => source.path == *path,
        _ => false,
    };
    let asks = |plan: &Plan| plan.host.iter().chain(&plan.inside).any(|planned| has(&planned.step));
    // Who has made it is about to take it back.
    let makes = |read: &Read| {
        let is_it = |undo: &Undo| matches!(undo, Undo::RemoveDir { path: made, .. } if made == path);
        read.entries.iter().any(|entry| entry.open && is_it(&entry.undo))
    };
    let used = || -> Result<bool, RunError> {
        let Some(state) = State::find()? else { return Ok(false) };
        for key in state.keys()? {
            let Some((text, true)) = state.peek(&key)? else { continue };
            // One that has not begun is about to, and asks for it again.
            let Some(read) = read(&text).ok().filter(|read| !makes(read)) else { continue };
            let runs = read.begin.as_ref().is_some_and(|begin| lives(begin.supervisor));
            if runs && asks(&state.plan(&key)?) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    used().unwrap_or(true)
}

/// The plan that a jail was made of. Of one that runs, and whose journal says so.
///
/// # Errors
/// Where it can't be read.
pub fn plan(name: &str) -> Result<Plan, RunError> {
    let missing = || RunError::setup(format!("read the plan of {name}"), io::ErrorKind::NotFound.into());
    State::find()?.ok_or_else(missing)?.plan(&key(name))
}

/// Sends a signal to the main process of the jail of this name; false if there is none.
///
/// # Errors
/// Where it can't be sent.
pub fn kill(name: &str, number: i32) -> Result<bool, RunError> {
    let Some(state) = State::find()? else { return Ok(false) };
    let Some((text, true)) = state.peek(&key(name))? else { return Ok(false) };
    let Some(running) = read(&text).ok().and_then(|read| read.running) else { return Ok(false) };
    signal(running.main, number).map_err(|cause| {
        RunError::setup(format!("send signal {number} to the main process of {name}, pid {}", running.main.pid), cause)
    })
}

/// Where a jail of this name writes what it says, if its profile does not say where.
#[must_use]
pub fn usual_log(name: &str) -> Option<String> {
    log::usual(name).map(|path| path.to_string())
}

/// What came of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Whether it ran.
    pub ran: bool,
    /// What became of what it had left.
    pub cleaned: Cleaned,
}

/// How long a supervisor may take beyond the stop timeout of its jail.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stops the jail of this name, and takes back what it has left.
///
/// # Errors
/// If its supervisor can't be told, or does not end even when it is killed.
pub fn stop(name: &str, left: &mut dyn FnMut(&str)) -> Result<Stopped, RunError> {
    let before = |cleaned| Stopped { ran: false, cleaned };
    let now = |cleaned| Stopped { ran: true, cleaned };
    let Some(state) = State::find()? else { return Ok(before(Cleaned::Nothing)) };
    let key = key(name);
    let Some((text, true)) = state.peek(&key)? else { return clean_name(&state, name, left).map(before) };
    let begin = read(&text).ok().and_then(|read| read.begin);
    let mut supervisor = begin.as_ref().map(|begin| begin.supervisor);
    let timeout = Duration::from_millis(begin.map_or(0, |begin| begin.stop_timeout));
    tell(name, supervisor, TERM)?;
    let mut deadline = Instant::now() + timeout.saturating_add(PATIENCE).min(Duration::from_secs(86_400));
    let mut killed = false;
    let mut pause = Duration::from_millis(1);
    loop {
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
        match state.claim(&key, false)? {
            Claim::Missing => return Ok(now(Cleaned::Nothing)),
            Claim::Ours(sheet) => return clean_sheet(sheet, &key, left).map(now),
            Claim::Held(text) => {
                let holder = read(&text).ok().and_then(|read| read.begin).map(|begin| begin.supervisor);
                match (supervisor, holder) {
                    // It had just taken the name, and could not be told before.
                    (None, Some(_)) => {
                        supervisor = holder;
                        tell(name, holder, TERM)?;
                    }
                    // The next one has the name already.
                    (Some(told), Some(holder)) if told != holder => return Ok(now(Cleaned::Nothing)),
                    _ => {}
                }
            }
        }
        if Instant::now() < deadline {
            continue;
        }
        if killed {
            let cause = io::Error::other("its supervisor does not end, not even by SIGKILL");
            return Err(RunError::setup(format!("stop {name}"), cause));
        }
        left(&format!("the supervisor of {name} does not end: it is killed"));
        killed = true;
        deadline = Instant::now() + PATIENCE;
        tell(name, supervisor, KILL)?;
    }
}

/// Has the program of this jail take its configuration anew, after what comes before that. False if it does not run.
///
/// # Errors
/// If what comes before fails: the program was told nothing then. If it can't be told. Or if it ended by being told.
pub fn reload(name: &str) -> Result<bool, RunError> {
    let Some(state) = State::find()? else { return Ok(false) };
    let Some((text, true)) = state.peek(&key(name))? else { return Ok(false) };
    let found = read(&text).unwrap_or_default();
    let (Some(begin), Some(running)) = (&found.begin, found.running.clone()) else { return Ok(false) };
    let main = running.main;
    if !lives(main) {
        return Ok(false);
    }
    let plan = state.plan(&key(name))?;
    if plan.reload.is_plain() {
        let told =
            signal(main, HUP).map_err(|cause| RunError::setup(format!("signal the main process of {name}"), cause))?;
        if !told {
            return Ok(false);
        }
    } else {
        system::reload::by_name(&plan, running, begin.supervisor)?;
    }
    reloaded::look(&state, &key(name), &plan, &found, main).map(|()| true)
}

/// Sends a signal to a supervisor. One that has just ended needs none.
fn tell(name: &str, supervisor: Option<Process>, number: i32) -> Result<(), RunError> {
    let Some(supervisor) = supervisor else { return Ok(()) };
    signal(supervisor, number).map(drop).map_err(|cause| {
        RunError::setup(format!("tell the supervisor of {name}, pid {}, to stop", supervisor.pid), cause)
    })
}

/// What earlier jails of a name have left, and what could not be taken back. It is held, so that nobody takes it away under the
/// jail that uses it now: a directory that was full when that one began.
#[derive(Debug, Default)]
#[must_use]
pub struct Leftovers {
    held: Vec<(String, Journal)>,
}

/// Before a plan is made for a jail that is to run: takes back what earlier ones of its name have left, so that the plan does
/// not count on it. A journal that can't be used is told, and no reason not to run. Who is not root leaves nothing.
pub fn recover(name: &str, left: &mut dyn FnMut(&str)) -> Leftovers {
    let mut leftovers = Leftovers::default();
    if rustix::process::geteuid().is_root()
        && let Err(error) = leftovers.find(name, left)
    {
        left(&error.on_one_line());
    }
    leftovers
}

impl Leftovers {
    fn find(&mut self, name: &str, left: &mut dyn FnMut(&str)) -> Result<(), RunError> {
        let Some(state) = State::find()? else { return Ok(()) };
        for key in state.keys()?.into_iter().filter(|found| is_of(found, name)) {
            match clean_journal(&state, &key, left) {
                // Where a name has one journal only, the jail takes it over with what is in it.
                Ok(Some(journal)) if !ONE_OF_A_NAME => self.held.push((name.to_owned(), journal)),
                Ok(_) => {}
                Err(error) => left(&error.on_one_line()),
            }
        }
        Ok(())
    }

    /// The jail that used it is gone: takes it back now, if that can be.
    pub fn take_back(self, left: &mut dyn FnMut(&str)) {
        for (name, mut journal) in self.held {
            match host(&name) {
                Ok(mut os) => teardown(&mut os, &mut journal, End::Stopped, &mut |error| left(&error.describe())),
                Err(error) => left(&error.on_one_line()),
            }
            if let Err(error) = journal.close() {
                left(&format!("remove the journal of {name}: {error}"));
            }
        }
    }
}

/// Takes back what jails of this name have left; one that runs is left alone.
///
/// # Errors
/// Where a journal can't be used; nothing was touched then.
pub fn clean_up(name: &str, left: &mut dyn FnMut(&str)) -> Result<Cleaned, RunError> {
    match State::find()? {
        Some(state) => clean_name(&state, name, left),
        None => Ok(Cleaned::Nothing),
    }
}

/// The same for every jail: its name and what came of it.
///
/// # Errors
/// Where the state directory can't be read. A journal that can't be used is told, and is one that was left.
pub fn clean_all(left: &mut dyn FnMut(&str)) -> Result<Vec<(String, Cleaned)>, RunError> {
    let Some(state) = State::find()? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for key in state.keys()? {
        let cleaned = clean(&state, &key, left).unwrap_or_else(|error| {
            left(&error.on_one_line());
            Cleaned::Left
        });
        all.push((key, cleaned));
    }
    Ok(all)
}

/// All journals of a name. What is worst is what is told.
fn clean_name(state: &State, name: &str, left: &mut dyn FnMut(&str)) -> Result<Cleaned, RunError> {
    let mut worst = Cleaned::Nothing;
    for key in state.keys()?.iter().filter(|found| is_of(found, name)) {
        worst = worst.max(clean(state, key, left)?);
    }
    Ok(worst)
}
