//! What ps(1) says of processes.

use std::path::PathBuf;
use std::process::Command;

/// One process, at the time it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its pid, in every jail the same.
    pub pid: i32,
    /// Of its parent.
    pub parent: i32,
    /// `R`, `S`, `Z` and so on.
    pub state: char,
    /// The jail it is in; 0 is the host.
    pub jid: i32,
    /// When it started, to the second: with the pid it names a process for good.
    pub start: String,
    /// The name that the kernel keeps.
    pub name: String,
}

impl Process {
    /// The process of that pid; none if there is none.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        Self::all().into_iter().find(|process| process.pid == pid)
    }

    /// `PID PPID STATE JID DAY MONTH DATE TIME YEAR NAME`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let pid = words.next()?.parse().ok()?;
        let parent = words.next()?.parse().ok()?;
        let state = words.next()?.chars().next()?;
        let jid = words.next()?.parse().ok()?;
        let start = words.by_ref().take(5).collect::<Vec<_>>().join(" ");
        Some(Self { pid, parent, state, jid, start, name: words.collect::<Vec<_>>().join(" ") })
    }

    /// All there are, but for the ps that tells of them.
    ///
    /// # Panics
    ///
    /// If there is no ps(1).
    #[must_use]
    pub fn all() -> Vec<Self> {
        // In one word all that follows the first `=` would be the title of the first column.
        let fields =
            ["pid=", "ppid=", "state=", "jid=", "lstart=", "ucomm="].into_iter().flat_map(|field| ["-o", field]);
        let listed = Command::new("ps").arg("-axww").args(fields).env("LC_ALL", "C").output();
        let listed = listed.unwrap_or_else(|error| panic!("run ps(1): {error}"));
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let all = String::from_utf8_lossy(&listed.stdout).lines().filter_map(Self::parse).collect::<Vec<_>>();
        all.into_iter().filter(|process| process.parent != own || process.name != "ps").collect()
    }

    /// Those that descend from this pid, zombies left out: nothing of them is left but a number for their parent.
    #[must_use]
    pub fn below(pid: i32) -> Vec<Self> {
        let all = Self::all();
        let mut found: Vec<Self> = Vec::new();
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for child in all.iter().filter(|process| process.parent == parent && process.pid != parent) {
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

    /// Its pid, if it is in a jail.
    #[must_use]
    pub fn inner_pid(&self) -> Option<i32> {
        (self.jid != 0).then_some(self.pid)
    }

    /// The file it executes, by its path in its own tree, as far as the kernel remembers it.
    #[must_use]
    pub fn exe(&self) -> Option<PathBuf> {
        let said = Command::new("procstat").args(["-h", "binary", &self.pid.to_string()]).output().ok()?;
        String::from_utf8_lossy(&said.stdout).split_whitespace().nth(3).map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ps_is_read() {
        let process = Process::parse("  7    1 Is   3 Tue Nov 24 03:11:28 2026 a name");
        let start = "Tue Nov 24 03:11:28 2026".to_owned();
        let expected = Process { pid: 7, parent: 1, state: 'I', jid: 3, start, name: "a name".into() };
        assert_eq!(process, Some(expected));
    }

    #[test]
    fn we_are_a_process() {
        let own = i32::try_from(std::process::id()).ok().and_then(Process::of);
        assert!(own.is_some_and(|own| own.runs()));
    }
}
