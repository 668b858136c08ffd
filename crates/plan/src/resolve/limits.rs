//! Limits by rctl(8)'s words: of each process by setrlimit(2), of the whole jail by cgroups(7) or by rctl(8) itself.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Problem, Report};
use super::quantity;
use super::unsupervised::no_group;
use crate::facts::{Cgroup, Facts, SystemKind};
use crate::path::HostPath;
use crate::plan::{By, Limit};
use crate::spec::{LimitValue, Spec};
use crate::step::{Planned, Step};

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Seconds,
    Pieces,
    Percent,
}

/// By rctl(8)'s word.
const LIMITS: [(&str, Unit); 11] = [
    ("coredumpsize", Unit::Bytes),
    ("cputime", Unit::Seconds),
    ("datasize", Unit::Bytes),
    ("filesize", Unit::Bytes),
    ("maxproc", Unit::Pieces),
    ("memorylocked", Unit::Bytes),
    ("memoryuse", Unit::Bytes),
    ("openfiles", Unit::Pieces),
    ("pcpu", Unit::Percent),
    ("stacksize", Unit::Bytes),
    ("vmemoryuse", Unit::Bytes),
];

/// What the whole jail may use, and the controller that counts it.
const GROUPED: [(&str, &str); 3] = [("maxproc", "pids"), ("memoryuse", "memory"), ("pcpu", "cpu")];

/// rctl(8)'s words that only rctl(8) itself can limit: they count over the whole jail.
const JAIL_WIDE: [(&str, Unit); 15] = [
    ("msgqqueued", Unit::Pieces),
    ("msgqsize", Unit::Bytes),
    ("nmsgq", Unit::Pieces),
    ("nsem", Unit::Pieces),
    ("nsemop", Unit::Pieces),
    ("nshm", Unit::Pieces),
    ("nthr", Unit::Pieces),
    ("pseudoterminals", Unit::Pieces),
    ("readbps", Unit::Bytes),
    ("readiops", Unit::Pieces),
    ("shmsize", Unit::Bytes),
    ("swapuse", Unit::Bytes),
    ("wallclock", Unit::Seconds),
    ("writebps", Unit::Bytes),
    ("writeiops", Unit::Pieces),
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

/// The controllers that the limits of a profile want.
pub(crate) fn controllers(spec: &Spec) -> BTreeSet<String> {
    let grouped = GROUPED.iter().filter(|(word, _)| spec.limits.contains_key(*word));
    grouped.map(|(_, controller)| (*controller).to_owned()).collect()
}

pub(super) fn resolve(spec: &Spec, facts: &Facts, report: &mut Report) -> Vec<Limit> {
    let kind = facts.system.kind();
    let unsupervised = spec.supervisor == Some(false);
    let each = spec.limits.iter().filter_map(|(word, value)| report.keep(one(word, value, kind)));
    let mut limits: Vec<Limit> = each.collect();
    for limit in &mut limits {
        if limit.value.is_some()
            && let Some(by) = report.keep(by(&limit.resource, unsupervised, facts))
        {
            limit.by = by;
        }
        let alone = facts.system.kind() == SystemKind::Linux && limit.resource == "maxproc" && limit.value.is_some();
        if alone && limit.by == By::Process {
            let why = if unsupervised { "nobody would remove a cgroup" } else { "no cgroup can count processes here" };
            report.note(format!("limits: maxproc is setrlimit(2)'s, since {why}: it holds for all of the user's on the host, and not for uid 0"));
        }
    }
    if limits.iter().any(|limit| limit.by == By::Rctl) {
        report.note("limits of the whole jail are held where kern.racct.enable is 1, which /boot/loader.conf sets; memoryuse by SIGKILL, about a second later");
    }
    limits
}

/// The group of the host in which this can be limited.
fn group<'f>(word: &str, facts: &'f Facts) -> Option<&'f Cgroup> {
    let (_, controller) = GROUPED.iter().find(|(known, _)| *known == word)?;
    // Without root none can be made.
    facts.cgroups.iter().find(|group| group.controller == *controller && facts.caller == 0)
}

fn by(word: &str, unsupervised: bool, facts: &Facts) -> Result<By, Problem> {
    // On FreeBSD the lack of a supervisor is refused as such.
    if unsupervised && facts.system.kind() == SystemKind::Linux && is_wide(word) {
        return if word == "maxproc" { Ok(By::Process) } else { Err(no_group(word)) };
    }
    match group(word, facts) {
        Some(Cgroup { version: 1, .. }) => Ok(By::CgroupV1),
        Some(_) => Ok(By::CgroupV2),
        None if facts.system.kind() == SystemKind::FreeBsd && is_wide(word) => Ok(By::Rctl),
        None if word == "maxproc" || GROUPED.iter().all(|(known, _)| *known != word) => Ok(By::Process),
        None if facts.caller != 0 => Err(Problem::setup(format!(
            "limits: {word} counts over the whole jail, and only root can make a cgroup for that"
        ))
        .help("take it out, or run it as root; vmemoryuse and cputime are limits of each process")),
        None => {
            let (_, controller) = GROUPED.iter().find(|(known, _)| *known == word).copied().unwrap_or_default();
            Err(Problem::setup(format!("limits: {word} needs the cgroup controller {controller}, which is not there"))
                .help("mount it (cgroups(7)), or take it out; vmemoryuse and cputime are limits of each process"))
        }
    }
}

/// Whether it counts over the whole jail.
fn is_wide(word: &str) -> bool {
    GROUPED.iter().any(|(known, _)| *known == word) || JAIL_WIDE.iter().any(|(known, _)| *known == word)
}

/// Controllers to enable, and settings to write.
type Group = (Vec<String>, Vec<(String, String)>);

/// The groups that hold the limits of the whole jail: one for each place where the host counts.
pub(super) fn groups(name: &str, limits: &[Limit], facts: &Facts) -> Vec<Planned> {
    let mut groups: BTreeMap<&HostPath, Group> = BTreeMap::new();
    for limit in limits.iter().filter(|limit| limit.by != By::Process) {
        let (Some(group), Some(value)) = (group(&limit.resource, facts), limit.value) else { continue };
        let (enable, settings) = groups.entry(&group.parent).or_default();
        if group.version == 2 {
            enable.push(group.controller.clone());
        }
        let mut set = |file: &str, value: String| settings.push((file.to_owned(), value));
        match (limit.resource.as_str(), group.version) {
            ("memoryuse", 1) => set("memory.limit_in_bytes", value.to_string()),
            ("memoryuse", _) => set("memory.max", value.to_string()),
            // The jail's init is one more.
            ("maxproc", _) => set("pids.max", value.saturating_add(1).to_string()),
            (_, 1) => {
                set("cpu.cfs_period_us", PERIOD.to_string());
                set("cpu.cfs_quota_us", value.saturating_mul(PERIOD / 100).to_string());
            }
            _ => set("cpu.max", format!("{} {PERIOD}", value.saturating_mul(PERIOD / 100))),
        }
    }
    let step = |(parent, (enable, settings)): (&HostPath, _)| Planned {
        step: Step::MakeCgroup { parent: parent.clone(), name: format!("thinjail.{name}"), enable, settings },
        why: "limits: what the whole jail may use".into(),
    };
    groups.into_iter().map(step).collect()
}

/// Microseconds; the kernel's own default.
const PERIOD: u64 = 100_000;

fn one(word: &str, value: &LimitValue, kind: SystemKind) -> Result<Limit, Problem> {
    let wide: &[_] = if kind == SystemKind::FreeBsd { &JAIL_WIDE } else { &[] };
    let Some((_, unit)) = LIMITS.iter().chain(wide).find(|(known, _)| *known == word) else {
        return Err(unknown(word));
    };
    let value = match value {
        LimitValue::Number(number) => Some(*number),
        LimitValue::Text(text) if text == "unlimited" => None,
        LimitValue::Text(text) => Some(parse(text, *unit).ok_or_else(|| {
            let example = match unit {
                Unit::Bytes => "a size such as \"64M\"",
                Unit::Seconds => "a time such as \"90s\" or \"1h\"",
                Unit::Pieces => "a number such as 1024 or \"4K\"",
                Unit::Percent => "a number such as 50, or 200 for two processors",
            };
            Problem::setup(format!("limits: {word} = {text:?} can't be understood"))
                .help(format!("write {example}, or \"unlimited\""))
        })?),
    };
    if value == Some(0) && GROUPED.iter().any(|(known, _)| *known == word) {
        let problem = Problem::setup(format!("limits: {word} = 0 leaves no room for any program"));
        return Err(problem.help("write a larger one, or \"unlimited\""));
    }
    Ok(Limit { resource: word.into(), value, by: By::Process })
}

fn parse(text: &str, unit: Unit) -> Option<u64> {
    match unit {
        Unit::Bytes | Unit::Pieces | Unit::Percent => quantity::size(text),
        Unit::Seconds => quantity::duration(text).map(|time| time.as_secs()),
    }
}

fn unknown(word: &str) -> Problem {
    if JAIL_WIDE.iter().any(|(known, _)| *known == word) {
        return Problem::setup(format!("limits: {word} is FreeBSD's, and Linux can't count it over a whole jail"))
            .help("write it under [freebsd.limits]; memoryuse, maxproc and pcpu are limits of the whole jail on both");
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
    LIMITS.iter().chain(&JAIL_WIDE).find(|(known, _)| *known == word).map(|(_, unit)| *unit)
}
