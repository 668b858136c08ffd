//! What /proc says of processes.

use std::fs;
use std::path::PathBuf;

/// One process, at the time it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its pid on the host.
    pub pid: i32,
    /// Of its parent.
    pub parent: i32,
    /// `R`, `S`, `Z` and so on.
    pub state: char,
    /// Ticks from boot to its start: with the pid it names a process for good.
    pub start: u64,
    /// The name that the kernel keeps, 15 bytes at most.
    pub name: String,
}

impl Process {
    /// The process of that pid; none if there is none.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// proc_pid_stat(5). The name is in parentheses and may hold anything, even more of them.
    fn parse(pid: i32, stat: &str) -> Option<Self> {
        let (before, after) = stat.rsplit_once(')')?;
        let name = before.split_once('(')?.1.to_owned();
        let mut fields = after.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // The 22nd field; the state is the third.
        let start = fields.nth(17)?.parse().ok()?;
        Some(Self { pid, parent, state, start, name })
    }

    /// All there are.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter_map(Self::of).collect()
    }

    /// Those that descend from this pid, zombies left out: nothing of them is left but a number for their parent.
    #[must_use]
    pub fn below(pid: i32) -> Vec<Self> {
        let all = Self::all();
        let mut found: Vec<Self> = Vec::new();
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for child in all.iter().filter(|process| process.parent == parent) {
                parents.push(child.pid);
                found.push(child.clone());
            }
        }
        found.retain(|process| process.state != 'Z');
        found.sort();
        found
    }

    /// Whether this very process, not another with its pid, still runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.start == self.start && now.state != 'Z')
    }

    /// A line of its /proc/PID/status: `field("Uid")`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().to_owned())
    }

    /// Its effective uid.
    #[must_use]
    pub fn uid(&self) -> Option<u32> {
        self.field("Uid")?.split_whitespace().nth(1)?.parse().ok()
    }

    /// Its pid in its own pid namespace.
    #[must_use]
    pub fn inner_pid(&self) -> Option<i32> {
        self.field("NSpid")?.split_whitespace().last()?.parse().ok()
    }

    /// The file it executes, by its path in its own tree.
    #[must_use]
    pub fn exe(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/exe", self.pid)).ok()
    }

    /// Which namespace of that kind it is in: `namespace("pid")`.
    #[must_use]
    pub fn namespace(&self, kind: &str) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/ns/{kind}", self.pid)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_read() {
        let stat = "7 (a) R (b) S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        let process = Process::parse(7, stat);
        let expected = Process { pid: 7, parent: 1, state: 'S', start: 4242, name: "a) R (b".into() };
        assert_eq!(process, Some(expected));
    }

    #[test]
    fn we_are_a_process() {
        let own = i32::try_from(std::process::id()).ok().and_then(Process::of);
        assert!(own.is_some_and(|own| own.runs() && own.uid().is_some() && own.exe().is_some()));
    }
}
