//! rctl(8)'s words that setrlimit(2) can do on both systems.

use super::problem::{Problem, Report};
use super::quantity;
use crate::plan::Limit;
use crate::spec::{LimitValue, Spec};

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Seconds,
    Pieces,
}

/// By rctl(8)'s word.
const LIMITS: [(&str, Unit); 9] = [
    ("coredumpsize", Unit::Bytes),
    ("cputime", Unit::Seconds),
    ("datasize", Unit::Bytes),
    ("filesize", Unit::Bytes),
    ("maxproc", Unit::Pieces),
    ("memorylocked", Unit::Bytes),
    ("openfiles", Unit::Pieces),
    ("stacksize", Unit::Bytes),
    ("vmemoryuse", Unit::Bytes),
];

/// rctl(8)'s words for which a process's own limits are not enough: they count over the whole jail.
const JAIL_WIDE: [&str; 18] = [
    "memoryuse",
    "msgqqueued",
    "msgqsize",
    "nmsgq",
    "nsem",
    "nsemop",
    "nshm",
    "nthr",
    "pcpu",
    "pseudoterminals",
    "readbps",
    "readiops",
    "shmsize",
    "swapuse",
    "wallclock",
    "writebps",
    "writeiops",
    "sbsize",
];

/// setrlimit(2)'s words, which docker and pam have too.
const FOREIGN: [(&str, &str); 9] = [
    ("as", "vmemoryuse"),
    ("core", "coredumpsize"),
    ("cpu", "cputime"),
    ("data", "datasize"),
    ("fsize", "filesize"),
    ("memlock", "memorylocked"),
    ("nofile", "openfiles"),
    ("nproc", "maxproc"),
    ("stack", "stacksize"),
];

pub(super) fn resolve(spec: &Spec, report: &mut Report) -> Vec<Limit> {
    spec.limits.iter().filter_map(|(word, value)| report.keep(one(word, value))).collect()
}

fn one(word: &str, value: &LimitValue) -> Result<Limit, Problem> {
    let Some((_, unit)) = LIMITS.iter().find(|(known, _)| *known == word) else { return Err(unknown(word)) };
    let value = match value {
        LimitValue::Number(number) => Some(*number),
        LimitValue::Text(text) if text == "unlimited" => None,
        LimitValue::Text(text) => Some(parse(text, *unit).ok_or_else(|| {
            let example = match unit {
                Unit::Bytes => "a size such as \"64M\"",
                Unit::Seconds => "a time such as \"90s\" or \"1h\"",
                Unit::Pieces => "a number such as 1024 or \"4K\"",
            };
            Problem::setup(format!("limits: {word} = {text:?} can't be understood"))
                .help(format!("write {example}, or \"unlimited\""))
        })?),
    };
    Ok(Limit { resource: word.into(), value })
}

fn parse(text: &str, unit: Unit) -> Option<u64> {
    match unit {
        Unit::Bytes | Unit::Pieces => quantity::size(text),
        Unit::Seconds => quantity::duration(text).map(|time| time.as_secs()),
    }
}

fn unknown(word: &str) -> Problem {
    if JAIL_WIDE.contains(&word) {
        return Problem::setup(format!("limits: {word} counts over the whole jail, which this version can't do yet"))
            .help("take it out; vmemoryuse, maxproc and openfiles are limits of each process or user");
    }
    let problem = Problem::setup(format!("limits: there is no limit {word:?}"));
    let known = LIMITS.iter().map(|(known, _)| *known);
    let foreign = FOREIGN.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours);
    match foreign.or_else(|| crate::nearest::nearest(word, known.clone())) {
        Some(near) => problem.help(format!("did you mean {near}?")),
        None => problem.help(format!("write some of {}", known.collect::<Vec<_>>().join(" "))),
    }
}

/// What the limit of this word counts, for people.
pub(crate) fn unit(word: &str) -> Option<Unit> {
    LIMITS.iter().find(|(known, _)| *known == word).map(|(_, unit)| *unit)
}
