//! Limits of the whole jail: the groups that hold them, and which of them were hit.

use std::os::fd::OwnedFd;

use thinjail_plan::plan::{Limit, Plan};
use thinjail_plan::step::Step;

use crate::os::cgroup;
use crate::os::linux::HostDir;
use crate::run::{Outcome, RunError};

/// The groups among what was made for the host's steps, in their order.
fn groups<'m>(plan: &Plan, made: &'m [HostDir]) -> impl Iterator<Item = &'m HostDir> {
    let steps = plan.host.iter().map(|planned| matches!(planned.step, Step::MakeCgroup { .. }));
    let groups: Vec<bool> = steps.collect();
    made.iter().zip(groups).filter_map(|(dir, is_group)| is_group.then_some(dir))
}

/// By which the child enters each of them.
pub(super) fn entrances(plan: &Plan, made: &[HostDir]) -> Result<Vec<OwnedFd>, RunError> {
    let open = |group: &HostDir| {
        cgroup::entrance(group).map_err(|cause| RunError::setup(format!("open {}/cgroup.procs", group.path), cause))
    };
    groups(plan, made).map(open).collect()
}

/// The limits that were hit, one sentence for each.
pub(super) fn hit(plan: &Plan, made: &[HostDir], outcome: Outcome) -> Vec<String> {
    let mut told = Vec::new();
    let mut tell = |word: &str, what: String| {
        if let Some(limit) = plan.exec.limits.iter().find(|limit| limit.resource == word) {
            told.push(format!("the limit {} was hit: {what}", shown(limit)));
        }
    };
    for group in groups(plan, made) {
        let count = |files: [&str; 2], word: &str| {
            files.iter().find_map(|file| counted(&cgroup::read(group, file).ok()?, word)).unwrap_or(0)
        };
        // memory.oom_control and pids.events of version 1, memory.events and pids.events of version 2.
        match count(["memory.events", "memory.oom_control"], "oom_kill") {
            0 => {}
            1 => tell("memoryuse", "the kernel killed a process".into()),
            many => tell("memoryuse", format!("the kernel killed {many} processes")),
        }
        match count(["pids.events", "pids.events"], "max") {
            0 => {}
            1 => tell("maxproc", "a fork(2) failed".into()),
            many => tell("maxproc", format!("fork(2) failed {many} times")),
        }
    }
    // Of what each process has for itself only the signals tell.
    match outcome {
        Outcome::Signaled(SIGXCPU) => tell("cputime", "the main process was killed".into()),
        Outcome::Signaled(SIGXFSZ) => tell("filesize", "the main process was killed".into()),
        _ => {}
    }
    told
}

const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// The number behind a word at the beginning of a line.
fn counted(text: &str, word: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == word).and_then(|(_, count)| count.trim().parse().ok())
}

fn shown(limit: &Limit) -> String {
    let value = limit.value.unwrap_or(u64::MAX);
    match limit.resource.as_str() {
        word @ ("memoryuse" | "filesize") if value.is_multiple_of(1 << 20) => format!("{word} = {}M", value >> 20),
        word => format!("{word} = {value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_in_the_files_of_both_versions() {
        let one = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let two = "low 0\nhigh 0\nmax 27\noom 2\noom_kill 2\noom_group_kill 0\n";
        assert_eq!(counted(one, "oom_kill"), Some(3));
        assert_eq!(counted(two, "oom_kill"), Some(2));
        assert_eq!(counted("max 4\n", "max"), Some(4));
        assert_eq!(counted("", "max"), None);
    }
}
