//! `--json`: an array with an object for each program, printed as they come.

use std::path::Path;

use serde::Serialize;
use thinjail_closure::closure::{Closure, How, Loader, Member, Missing, Role};

use crate::report::{self, Failure};

/// Whether the array has begun.
#[derive(Default)]
pub(super) struct Json {
    begun: bool,
}

/// What is printed for one program.
#[derive(Serialize)]
struct Answer<'a> {
    program: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    loader: Option<Loader>,
    files: Vec<File<'a>>,
    missing: &'a [Missing],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A file that it needs.
#[derive(Serialize)]
struct File<'a> {
    path: &'a Path,
    real: &'a Path,
    role: Role,
    name: &'a str,
    how: How,
    #[serde(skip_serializing_if = "Option::is_none")]
    needed_by: Option<&'a Path>,
}

impl<'a> From<&'a Member> for File<'a> {
    fn from(member: &'a Member) -> Self {
        Self {
            path: &member.path,
            real: &member.resolved.real,
            role: member.role,
            name: &member.name,
            how: member.how,
            needed_by: member.needed_by.as_deref(),
        }
    }
}

impl Json {
    /// The object of a program.
    pub(super) fn closure(&mut self, program: &str, closure: &Closure) -> Result<String, Failure> {
        let files = closure.members.iter().map(File::from).collect();
        self.element(&Answer { program, loader: closure.loader, files, missing: &closure.missing, error: None })
    }

    /// The same of one that can't be looked at.
    pub(super) fn failed(&mut self, program: &str, failure: &Failure) -> Result<String, Failure> {
        let error = Some(report::block(failure));
        self.element(&Answer { program, loader: None, files: Vec::new(), missing: &[], error })
    }

    fn element(&mut self, answer: &Answer<'_>) -> Result<String, Failure> {
        let text = report::json(answer)?;
        let before = if std::mem::replace(&mut self.begun, true) { ",\n" } else { "[\n" };
        Ok(before.to_owned() + text.trim_end())
    }

    /// What ends the array.
    pub(super) fn end(&self) -> &'static str {
        if self.begun { "\n]\n" } else { "[]\n" }
    }
}
