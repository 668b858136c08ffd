//! The exit codes, all of them.

/// What this process says to the one that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or the answer is yes.
    Ok,
    /// The answer is no, or it could not be found out. Not used by `run`.
    No,
    /// The command line can't be understood. Not used by `run`.
    Usage,
    /// `status`: there is no such jail.
    NotRunning,
    /// `status`: it could not be found out.
    Unknown,
    /// `start`, `restart`: there is no such program, or it can't be executed.
    NotInstalled,
    /// `start`, `restart`: there is no such profile.
    NotConfigured,
    /// `exec`, `shell`, `reload`, `refresh`, `kill`: the jail does not run.
    NoJail,
    /// `run`: thinjail itself failed, and nothing was started.
    Ours,
    /// `run`: the program is there but can't be executed.
    NotExecutable,
    /// `run`: there is no such program.
    NotFound,
    /// `run`: the program's own status.
    Program(u8),
    /// `run`: the program died of this signal.
    Signal(i32),
}

/// For the end of `--help`; the manual page has the same table.
pub(crate) const TABLE: &str = "\
Exit codes of run:    the program's own, or 128+n if it died of signal n;
                      125 thinjail failed, 126 not executable, 127 not found
Exit codes elsewhere: 0 ok, 1 the answer is no, 2 the words make no sense";

/// For the end of `status --help`; as the Linux Standard Base has them.
pub(crate) const STATUS: &str = "Exit codes: 0 runs, 1 was killed and has left something, 3 does not run, 4 not known";

/// For the end of `exec --help`; 7 is the Linux Standard Base's.
pub(crate) const EXEC: &str = "\
Exit codes: the program's own, or 128+n if it died of signal n; 7 the jail does not run,
            125 thinjail failed, 126 not executable, 127 not found";

/// For the end of `reload --help`; the same.
pub(crate) const RELOAD: &str =
    "Exit codes: 0 it was told, 1 it was not, for the reason that is printed, 7 does not run";

/// For the end of `refresh --help`.
pub(crate) const REFRESH: &str =
    "Exit codes: 0 all are those of the host, 1 one is not, for the reason that is printed, 7 it does not run";

/// For the end of `kill --help`.
pub(crate) const KILL: &str = "Exit codes: 0 sent, 1 it can't be sent, 2 there is no such signal, 7 it does not run";

impl Exit {
    /// The number.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::Unknown => 4,
            Self::NotInstalled => 5,
            Self::NotConfigured => 6,
            Self::NoJail => 7,
            Self::Ours => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Program(status) => status,
            // Signals end at 64 on Linux and 128 on FreeBSD; what does not fit is still no success.
            Self::Signal(number) => u8::try_from(128_i32.saturating_add(number)).unwrap_or(u8::MAX),
        }
    }
}
