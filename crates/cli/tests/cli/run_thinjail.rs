//! Runs the real binary and holds on to what it said.

use std::path::PathBuf;
use std::process::Command;

/// The binary that cargo built for these tests, or the copy of it that an ordinary user may execute.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("THINJAIL_BIN").map_or_else(|| env!("CARGO_BIN_EXE_thinjail").into(), PathBuf::from)
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs thinjail with these words.
pub(crate) fn thinjail<S: AsRef<std::ffi::OsStr>>(words: &[S]) -> Said {
    thinjail_with(words, |_| {})
}

/// The same in a changed environment.
pub(crate) fn thinjail_with<S: AsRef<std::ffi::OsStr>>(words: &[S], change: impl FnOnce(&mut Command)) -> Said {
    let mut command = Command::new(binary());
    command.args(words).env_remove("THINJAIL_PROFILE_PATH");
    change(&mut command);
    said(&mut command)
}

/// What a command said that is thinjail by another path.
pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

impl Said {
    /// It failed with this code and exactly one error block, which says this and advises that. Where there is nothing to
    /// advise, `help` is empty.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, what: &str, help: &str) {
        let blocks = self.err.lines().filter(|line| line.starts_with("thinjail: ")).count();
        let helps: Vec<_> = self.err.lines().filter_map(|line| line.strip_prefix("  help: ")).collect();
        let others = self.err.lines().filter(|line| !line.starts_with("thinjail: ") && !line.starts_with("  "));
        assert_eq!(self.code, code, "{self:#?}");
        assert_eq!(self.out, "", "{self:#?}");
        assert_eq!((blocks, others.count()), (1, 0), "{self:#?}");
        assert!(self.err.starts_with("thinjail: ") && self.err.contains(what), "expected {what:?}: {self:#?}");
        assert_eq!(helps.len(), usize::from(!help.is_empty()), "{self:#?}");
        assert!(helps.concat().contains(help), "expected {help:?}: {self:#?}");
    }

    /// It worked, and said nothing on the standard error.
    #[track_caller]
    pub(crate) fn works(&self) -> &str {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:#?}");
        &self.out
    }
}
