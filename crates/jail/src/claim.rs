//! Who may have a jail of a name: takes its journal. And takes back what a supervisor has left that was killed.

use std::io;
use std::time::Duration;

use rustix::process::Pid;
use thinjail_plan::plan::{Address, LogTo, Plan};

use crate::journal::Journal;
use crate::journal::line::{Begin, Process, Running, VERSION, Verb};
use crate::journal::read::{Read, read};
use crate::journal::undo::Undo;
use crate::look::Moment;
use crate::os::End;
use crate::run::RunError;
use crate::state::{Claim, ONE_OF_A_NAME, Sheet, State, host, started};
use crate::supervise::log;
use crate::teardown::teardown;

/// Whether a jail has to be known to others: it is to be stopped by them, or leaves something if its supervisor is killed.
fn is_needed(plan: &Plan, verb: Verb) -> bool {
    let root = rustix::process::geteuid().is_root();
    let file = plan.exec.listen.iter().any(|one| matches!(one.at, Address::Unix { .. }));
    verb == Verb::Start || (root && (!plan.host.is_empty() || plan.pidfile.is_some() || file))
}

/// Takes the name, and begins a journal for it. One that nobody needs is not written. What an earlier supervisor has left was
/// taken back before the plan was made, as far as that can be; the rest is ours from now on.
pub(crate) fn open(plan: &Plan, verb: Verb) -> Result<Journal, RunError> {
    if !is_needed(plan, verb) {
        return Ok(Journal::unwritten());
    }
    let state = State::make()?;
    let key = own_key(plan, verb);
    let sheet = take(&state, &key, &plan.name)?;
    let found = sheet.read()?;
    let mut journal = Journal::on(Box::new(sheet), found);
    if let Some((_, entry)) = journal.open().iter().find(|(_, entry)| is_in_the_way(&entry.undo)) {
        let cause = io::Error::other(format!("an earlier one has left what can't be taken back: {}", entry.undo));
        return Err(RunError::setup(format!("start a jail called {}", plan.name), cause)
            .help(format!("see who uses it, then `thinjail clean {}`", plan.name)));
    }
    let begun = journal.begin(begin(plan, verb)).map_err(RunError::unwritten);
    match begun.and_then(|()| state.put_plan(&key, plan)) {
        Ok(()) => Ok(journal),
        Err(error) => {
            // The first error is the one to tell.
            let _ = journal.close();
            Err(error)
        }
    }
}

/// The name of our journal.
fn own_key(plan: &Plan, verb: Verb) -> String {
    match verb {
        Verb::Start => key(&plan.name),
        Verb::Run if ONE_OF_A_NAME => key(&plan.name),
        Verb::Run => format!("{}+{}", key(&plan.name), rustix::process::getpid().as_raw_nonzero()),
    }
}

/// The jail of this name that a supervisor has, if it has a journal: where that is, and its name there.
pub(crate) fn of_supervisor(name: &str, supervisor: i32) -> Result<Option<(State, String)>, RunError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let Some(state) = State::find()? else { return Ok(None) };
    let plain = key(name);
    for key in [format!("{plain}+{supervisor}"), plain] {
        let begin = state.peek(&key)?.and_then(|(text, _)| read(&text).ok()).and_then(|read| read.begin);
        if begin.is_some_and(|begin| begin.supervisor.pid == supervisor && lives(begin.supervisor)) {
            return Ok(Some((state, key)));
        }
    }
    Ok(None)
}

fn begin(plan: &Plan, verb: Verb) -> Begin {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    Begin {
        version: VERSION,
        name: plan.name.clone(),
        verb,
        supervisor: Process { pid, start: started(pid) },
        program: plan.exec.program.to_string(),
        uid: plan.exec.ids.uid,
        stop_timeout: u64::try_from(plan.stop.timeout.as_millis()).unwrap_or(u64::MAX),
        pidfile: plan.pidfile.clone(),
        log: match &plan.service.log.to {
            LogTo::Syslog { .. } => Some("syslog".into()),
            _ => log::path(plan, verb).map(|path| path.to_string()),
        },
    }
}

/// The jail of a name that is ours is made anew, by another plan: its journal begins anew.
pub(crate) fn again(plan: &Plan, verb: Verb, journal: &mut Journal) -> Result<(), RunError> {
    if !journal.is_written() {
        return Ok(());
    }
    journal.renew(begin(plan, verb)).map_err(RunError::unwritten)?;
    State::make()?.put_plan(&own_key(plan, verb), plan)
}

/// Writes down that the program runs.
pub(crate) fn tell(journal: &mut Journal, main: Pid, jid: Option<i32>) -> Result<(), RunError> {
    if !journal.is_written() {
        return Ok(());
    }
    let pid = main.as_raw_nonzero().get();
    let main = Process { pid, start: started(pid) };
    journal.running(Running { main, jid, since: Moment::now() }).map_err(RunError::unwritten)
}

/// How often a journal that somebody holds only to look at it, or to clean up, is tried for: a second and a half in all.
const TRIES: u64 = 300;

/// The journal of a name, unless its supervisor lives.
fn take(state: &State, key: &str, name: &str) -> Result<Sheet, RunError> {
    let mut holder = Read::default();
    for _ in 0..TRIES {
        match state.claim(key, true)? {
            Claim::Ours(sheet) => return Ok(sheet),
            Claim::Held(text) => holder = read(&text).unwrap_or_default(),
            Claim::Missing => {}
        }
        if holder.begin.as_ref().is_some_and(|begin| lives(begin.supervisor)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(taken(name, &holder))
}

/// Whether this very process runs, and not another one with its pid.
pub(crate) fn lives(process: Process) -> bool {
    process.start != 0 && started(process.pid) == process.start
}

/// A name as part of a file's name. That of a program may have anything in it, that of a profile nothing that changes here.
pub(crate) fn key(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@') { c } else { '_' };
    name.chars().take(100).map(plain).collect()
}

/// Whether a journal is of a jail of this name: `NAME`, or `NAME+PID`.
pub(crate) fn is_of(found: &str, name: &str) -> bool {
    let key = key(name);
    match found.rsplit_once('+') {
        Some((name, pid)) => name == key && pid.bytes().all(|byte| byte.is_ascii_digit()),
        None => found == key,
    }
}

/// What a second jail of the name can't stand beside.
fn is_in_the_way(undo: &Undo) -> bool {
    match undo {
        Undo::Unmount { .. } | Undo::RemoveJail { .. } => true,
        Undo::RemoveDir { .. }
        | Undo::RemoveCgroup { .. }
        | Undo::RemoveFile { .. }
        | Undo::RemoveSocket { .. }
        | Undo::RemoveLimits { .. }
        | Undo::ClearRuleset { .. } => false,
    }
}

fn taken(name: &str, read: &Read) -> RunError {
    let what = format!("start a jail called {name}");
    let cause = match (&read.begin, &read.running) {
        (Some(begin), Some(_)) => format!("it is already running, with pid {}", begin.supervisor.pid),
        (Some(begin), None) => format!("process {} starts or stops it at this moment", begin.supervisor.pid),
        (None, _) => "another process starts or stops it at this moment".into(),
    };
    RunError::setup(what, io::Error::other(cause)).help(format!("`thinjail stop {name}` stops that one"))
}

/// What came of looking at a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cleaned {
    /// There is none, or nothing was left to take back.
    Nothing,
    /// What was left is taken back.
    Done,
    /// Its jail runs, or is being started or stopped.
    InUse,
    /// Not all of it.
    Left,
}

/// Takes back what a jail has left, unless its supervisor lives.
pub(crate) fn clean(state: &State, key: &str, left: &mut dyn FnMut(&str)) -> Result<Cleaned, RunError> {
    for _ in 0..TRIES {
        match state.claim(key, false)? {
            Claim::Missing => return Ok(Cleaned::Nothing),
            Claim::Ours(sheet) => return clean_sheet(sheet, key, left),
            Claim::Held(text) => {
                let begin = read(&text).unwrap_or_default().begin;
                if begin.is_none_or(|begin| lives(begin.supervisor)) {
                    break;
                }
            }
        }
        // The last process of its jail is being killed.
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Cleaned::InUse)
}

/// The same; a journal in which something could not be taken back is not let go.
pub(crate) fn clean_journal(state: &State, key: &str, left: &mut dyn FnMut(&str)) -> Result<Option<Journal>, RunError> {
    let Claim::Ours(sheet) = state.claim(key, false)? else { return Ok(None) };
    let name = key.rsplit_once('+').map_or(key, |(name, _)| name);
    let (mut journal, cleaned) = recover(sheet, name, left)?;
    if cleaned == Cleaned::Left {
        return Ok(Some(journal));
    }
    journal.close().map_err(|cause| RunError::setup(format!("remove the journal of {key}"), cause))?;
    Ok(None)
}

/// The same as [`clean`] for a journal that is ours already.
pub(crate) fn clean_sheet(sheet: Sheet, key: &str, left: &mut dyn FnMut(&str)) -> Result<Cleaned, RunError> {
    let name = key.rsplit_once('+').map_or(key, |(name, _)| name);
    let (mut journal, cleaned) = recover(sheet, name, left)?;
    journal.close().map_err(|cause| RunError::setup(format!("remove the journal of {key}"), cause))?;
    Ok(cleaned)
}

/// Takes back what a journal says. It stays ours, with what could not be taken back.
fn recover(sheet: Sheet, name: &str, left: &mut dyn FnMut(&str)) -> Result<(Journal, Cleaned), RunError> {
    let found = sheet.read()?;
    let end = if found.running.is_some() { End::Stopped } else { End::Failed };
    let name = found.begin.as_ref().map_or(name, |begin| begin.name.as_str()).to_owned();
    let was_open = found.is_open();
    let mut journal = Journal::on(Box::new(sheet), found);
    if was_open {
        teardown(&mut host(&name)?, &mut journal, end, &mut |error| left(&error.describe()));
    }
    let cleaned = match (was_open, journal.open().is_empty()) {
        (_, false) => Cleaned::Left,
        (true, true) => Cleaned::Done,
        (false, true) => Cleaned::Nothing,
    };
    Ok((journal, cleaned))
}
