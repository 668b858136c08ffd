//! What of the system calls is refused: the default list, and what the profile takes from it or adds.

use std::collections::BTreeSet;

use super::problem::{Problem, Report};
use crate::facts::SystemKind;
use crate::nearest::nearest;
use crate::plan::Syscalls;
use crate::spec::Spec;
use crate::syscalls::{MORE_FAMILIES, PARTLY, REFUSED, SET_ID, TABLE, call};

pub(super) fn resolve(spec: &Spec, kind: SystemKind, report: &mut Report) -> Syscalls {
    if kind == SystemKind::FreeBsd {
        if !spec.allow_syscalls.is_empty() || !spec.deny_syscalls.is_empty() {
            report.note("allow-syscalls and deny-syscalls are Linux's; on FreeBSD nothing filters system calls");
        }
        return Syscalls::default();
    }
    let mut kept = |words: &[String], one: fn(&str) -> Result<(), Problem>| {
        let words: BTreeSet<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
        words.into_iter().filter(|word| report.keep(one(word)).is_some()).collect::<Vec<_>>()
    };
    let allowed = kept(&spec.allow_syscalls, allow);
    let refused = kept(&spec.deny_syscalls, deny);
    for word in allowed.iter().filter(|word| refused.contains(word)) {
        let problem = Problem::setup(format!("allow-syscalls and deny-syscalls both name {word}"));
        report.problem(problem.help("take it out of one of them"));
    }
    Syscalls { allowed, refused, own_processes: false }
}

fn allow(word: &str) -> Result<(), Problem> {
    if word == SET_ID || MORE_FAMILIES.iter().any(|(family, _)| *family == word) {
        return Ok(());
    }
    if let Some(refusal) = REFUSED.iter().chain(&PARTLY).find(|refusal| refusal.name == word) {
        return match refusal.may_be_given_back {
            true => Ok(()),
            false => Err(Problem::setup(format!("allow-syscalls: {word} is never allowed: {}", refusal.why)).help(
                match word {
                    "socket" | "socketpair" => "name the family, such as af_vsock",
                    _ => "take it out; a program that needs it can't be jailed",
                },
            )),
        };
    }
    if call(word).is_some() {
        let problem = Problem::setup(format!("allow-syscalls: {word} is allowed as it is"));
        return Err(problem.help("take it out"));
    }
    let families = MORE_FAMILIES.iter().map(|(family, _)| *family);
    let given_back = REFUSED.iter().chain(&PARTLY).filter(|refusal| refusal.may_be_given_back);
    Err(unknown("allow-syscalls", word, given_back.map(|refusal| refusal.name).chain(families).chain([SET_ID])))
}

fn deny(word: &str) -> Result<(), Problem> {
    if word == "execve" {
        let problem = Problem::setup("deny-syscalls: without execve no program is started");
        return Err(problem.help("take it out"));
    }
    if call(word).is_some() {
        return Ok(());
    }
    Err(unknown("deny-syscalls", word, TABLE.iter().map(|call| call.name)))
}

fn unknown<'a>(key: &str, word: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    let problem = Problem::setup(format!("{key}: there is no system call {word:?}"));
    let family =
        MORE_FAMILIES.iter().map(|(family, _)| *family).find(|family| family.strip_prefix("af_") == Some(word));
    match family.or_else(|| nearest(word, known)) {
        Some(near) => problem.help(format!("did you mean {near}?")),
        None => problem.help("thinjail.toml(5) has the list, syscalls(2) has all names"),
    }
}
