//! Files of the host that a jail has by themselves, put there anew: those that the host has others of by now.
//!
//! What may come in is decided as at the start, by the same law. Nothing is remembered of what was done before: what the jail has is
//! compared with what the host has, and that again after it was done, until they are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;
use thinjail_plan::path::RootPath;
use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::{Newer, decide_fresh};
use thinjail_plan::step::{Content, Step};
use thinjail_plan::wants::wants_fresh;

use crate::claim::{key, lives, of_supervisor};
use crate::inspect::{Host, inspect};
use crate::journal::read::read;
use crate::run::RunError;
use crate::state::State;
use crate::system::refresh::{Jail, swap};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refreshed {
    /// Those that are others now.
    pub swapped: BTreeSet<RootPath>,
    /// Those that could not be, and why: one line each.
    pub kept: Vec<String>,
}

/// How often it is looked again whether the host has still others.
const TRIES: u32 = 10;

/// How often that is so where something could not be done: it may be that the host was just replacing a file.
const FAILURES: u32 = 5;

/// Of the jail of this name; none if it does not run.
///
/// # Errors
/// If nothing can be put there, or the host can't be looked at.
pub fn by_name(name: &str) -> Result<Option<Refreshed>, RunError> {
    let Some(state) = State::find()? else { return Ok(None) };
    let Some((text, true)) = state.peek(&key(name))? else { return Ok(None) };
    let Some(running) = read(&text).unwrap_or_default().running.filter(|running| lives(running.main)) else {
        return Ok(None);
    };
    let before = state.plan(&key(name))?;
    let mut plan = before.clone();
    let refreshed = refresh(&mut plan, &Jail::of(&before, running)?)?;
    keep(&state, &key(name), &before, &plan)?;
    Ok(Some(refreshed))
}

/// Of a jail that the supervisor with this pid has. What is in its journal counts more than the plan that it began with.
#[allow(dead_code, reason = "on FreeBSD nobody watches")]
pub(crate) fn of_ours(plan: &Plan, supervisor: i32, jail: &Jail<'_>) -> Result<Refreshed, RunError> {
    let Some((state, key)) = of_supervisor(&plan.name, supervisor)? else { return refresh(&mut plan.clone(), jail) };
    let before = state.plan(&key)?;
    let mut plan = before.clone();
    let refreshed = refresh(&mut plan, jail)?;
    keep(&state, &key, &before, &plan)?;
    Ok(refreshed)
}

/// For `status` and `exec`. If it is another jail's by now there is nothing to keep.
fn keep(state: &State, key: &str, before: &Plan, plan: &Plan) -> Result<(), RunError> {
    if before != plan {
        state.replace_plan(key, before, plan)?;
    }
    Ok(())
}

fn refresh(plan: &mut Plan, jail: &Jail<'_>) -> Result<Refreshed, RunError> {
    let failed = |cause: io::Error| RunError::setup("look at the host".into(), cause);
    let mut swapped = BTreeSet::new();
    for turn in 1..=TRIES {
        let facts = inspect(&Host::this().map_err(failed)?, &wants_fresh(plan));
        let mut kept = Vec::new();
        let mut wanted = BTreeMap::new();
        for fresh in &plan.fresh {
            match decide_fresh(fresh, plan, &facts) {
                Ok(newer) => drop(wanted.insert(fresh.at.clone(), newer)),
                Err(problem) => kept.push(problem.what),
            }
        }
        wanted.iter().for_each(|(at, newer)| adopt(plan, at, newer));
        let steps: Vec<&Step> = plan.host.iter().chain(&plan.inside).map(|planned| &planned.step).collect();
        let steps: Vec<&Step> =
            steps.into_iter().filter(|step| step.at().is_some_and(|at| wanted.contains_key(at))).collect();
        let done = swap(jail, &steps)?;
        let (mut again, mut failed) = (false, false);
        for (step, done) in steps.iter().zip(done) {
            let Some(at) = step.at() else { continue };
            match done {
                Ok(false) => {}
                Ok(true) => {
                    swapped.insert(at.clone());
                    again = true;
                }
                Err(error) => {
                    kept.push(format!("refresh {at}: {}", error.on_one_line()));
                    failed = true;
                }
            }
        }
        // Another one may have taken its place meanwhile, on the host or by another refresh.
        if !again && (!failed || turn >= FAILURES) {
            return Ok(Refreshed { swapped, kept });
        }
    }
    Err(RunError::setup(format!("refresh {}", plan.name), io::Error::other("its files are replaced all the time")))
}

/// The plan says what is inside from now on.
fn adopt(plan: &mut Plan, at: &RootPath, newer: &Newer) {
    for planned in plan.host.iter_mut().chain(&mut plan.inside) {
        match &mut planned.step {
            Step::Bind { source, at: place, .. } if place == at => *source = newer.source.clone(),
            Step::PutFile { content: Content::Copy(source), at: place, mode, uid, gid } if place == at => {
                *source = newer.source.clone();
                // A copy keeps its owner; a secret is for the user that runs.
                if *mode & 0o077 != 0 || (*uid, *gid) != (plan.exec.ids.uid, plan.exec.ids.gid) {
                    let allowed = if *mode & 0o111 == 0 { 0o444 } else { 0o555 };
                    (*mode, *uid, *gid) = (newer.owned.0 & allowed, newer.owned.1, newer.owned.2);
                }
            }
            _ => {}
        }
    }
    for fresh in plan.fresh.iter_mut().filter(|fresh| fresh.at == *at) {
        fresh.names.clone_from(&newer.names);
    }
}
