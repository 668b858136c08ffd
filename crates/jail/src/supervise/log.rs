//! What the program says, line by line: into a file, which is opened anew when it was renamed, or to syslog(3).
//!
//! The supervisor never waits for it: what can't be written is dropped, and how much that was is said.

mod file;
mod syslog;

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use thinjail_plan::path::HostPath;
use thinjail_plan::plan::{LogTo, Plan};

use crate::journal::line::Verb;
use crate::run::RunError;

use file::LogFile;
use syslog::Syslog;

/// Shared by the loop, which hears the program, and by who says what becomes of it.
pub(crate) type SharedLog = Rc<RefCell<Log>>;

/// Where the words of a jail in the background go that does not say where.
pub(crate) const DIRECTORY: &str = "/var/log/thinjail";

/// Bytes of a line that are held until its end comes. What is longer is written in parts.
const LINE: usize = 4000;
/// Reads at once: a program that never stops to talk does not keep us from its end.
const READS: u32 = 64;

/// Where the lines go.
#[derive(Debug)]
enum Sink {
    File(LogFile),
    Syslog(Syslog),
}

/// The program's standard output and error.
#[derive(Debug)]
pub(crate) struct Log {
    hear: OwnedFd,
    talk: OwnedFd,
    line: Vec<u8>,
    sink: Sink,
    lost: u64,
}

/// The file of that jail's words; none if they go elsewhere.
pub(crate) fn path(plan: &Plan, verb: Verb) -> Option<HostPath> {
    match (&plan.service.log.to, verb) {
        (LogTo::File(path), _) => Some(path.clone()),
        (LogTo::Unsaid, Verb::Start) => usual(&plan.name),
        _ => None,
    }
}

/// Where the words of a jail of that name go that was started and does not say where.
pub(crate) fn usual(name: &str) -> Option<HostPath> {
    HostPath::new(&format!("{DIRECTORY}/{}.log", crate::claim::key(name))).ok()
}

impl Log {
    /// Opens it; none where the program gets the caller's own output.
    pub(crate) fn open(plan: &Plan, verb: Verb) -> Result<Option<SharedLog>, RunError> {
        let sink = match (&plan.service.log.to, path(plan, verb)) {
            (LogTo::Syslog { facility, priority }, _) => Sink::Syslog(Syslog::new(&plan.name, *facility, *priority)),
            (to, Some(path)) => {
                if *to == LogTo::Unsaid {
                    file::make_directory()?;
                }
                Sink::File(LogFile::open(path, plan.service.log.size)?)
            }
            (_, None) => return Ok(None),
        };
        let failed = |cause: Errno| RunError::setup("make a pipe for what the program says".into(), cause.into());
        let (hear, talk) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        rustix::io::ioctl_fionbio(&hear, true).map_err(failed)?;
        Ok(Some(Rc::new(RefCell::new(Self { hear, talk, line: Vec::new(), sink, lost: 0 }))))
    }

    /// The program's standard output and error.
    pub(crate) fn talk(&self) -> BorrowedFd<'_> {
        self.talk.as_fd()
    }

    /// To wait upon.
    pub(crate) fn hear(&self) -> BorrowedFd<'_> {
        self.hear.as_fd()
    }

    /// Writes the lines that have come. At the end of a life what has no end of line is one as well.
    pub(crate) fn drain(&mut self, end: bool) {
        let mut bytes = [0; LINE];
        let mut reads = 0;
        while end || reads < READS {
            reads += 1;
            match rustix::io::read(&self.hear, &mut bytes) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(count) => self.take(&bytes[..count]),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if end && !self.line.is_empty() {
            self.take(b"\n");
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.line.extend_from_slice(bytes);
        let whole = match self.line.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if self.line.len() >= LINE => {
                self.line.push(b'\n');
                self.line.len()
            }
            None => return,
        };
        let rest = self.line.split_off(whole);
        let lines = std::mem::replace(&mut self.line, rest);
        self.write(&lines, false);
    }

    /// A line of our own.
    pub(crate) fn say(&mut self, what: &str) {
        self.drain(false);
        // One line is one line, whatever is in a name.
        let what: String = what.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.write(format!("thinjail: {what}\n").as_bytes(), true);
    }

    fn write(&mut self, lines: &[u8], own: bool) {
        if self.lost > 0 {
            let told = format!("thinjail: {} lines before this one could not be written\n", self.lost);
            if self.sink.write(told.as_bytes(), true).is_ok() {
                self.lost = 0;
            }
        }
        if self.lost > 0 || self.sink.write(lines, own).is_err() {
            self.lost += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }
}

impl Sink {
    fn write(&mut self, lines: &[u8], own: bool) -> io::Result<()> {
        match self {
            Self::File(file) if own => file.write(&[file::stamp().as_bytes(), lines].concat()),
            Self::File(file) => file.write(lines),
            Self::Syslog(syslog) => syslog.write(lines, own),
        }
    }
}
