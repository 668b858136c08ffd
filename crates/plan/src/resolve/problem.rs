//! What would fail, all of it at once.

/// Which exit code a problem asks for; the numbers are the command line's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// There is no such program.
    NotFound,
    /// The program is there but can't be executed.
    NotExecutable,
    /// The profile, or the host as the profile needs it.
    Setup,
}

/// One thing that would fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The exit code's class.
    pub class: Class,
    /// Lowercase: what was tried, on which object, why it would fail.
    pub what: String,
    /// What to do about it, in the imperative.
    pub help: Option<String>,
}

impl Problem {
    pub(crate) fn new(class: Class, what: impl Into<String>) -> Self {
        Self { class, what: what.into(), help: None }
    }

    pub(crate) fn setup(what: impl Into<String>) -> Self {
        Self::new(Class::Setup, what)
    }

    /// Whether it is about a key that is not written, and would have to be.
    #[must_use]
    pub fn is_of_missing(&self, key: &str) -> bool {
        match key {
            "command" => self.what == "command is empty",
            "user" => self.what.starts_with("no user is written"),
            _ => false,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What was found so far: everything that would fail, and what the reader should know though it will not.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
}

impl Report {
    pub(super) fn problem(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The value, or none and the problem kept.
    pub(super) fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problem(problem)).ok()
    }

    /// The most telling first: without a program nothing else matters.
    pub(super) fn sorted(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.class);
        self.problems
    }
}
