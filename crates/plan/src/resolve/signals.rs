//! Signals by name. Their numbers are those of the system that the plan is for, not of the one that makes it.

use super::problem::Problem;
use crate::facts::SystemKind;

/// signal(7) on x86, ARM and most others; signal(3).
const SIGNALS: [(&str, i32, i32); 16] = [
    ("HUP", 1, 1),
    ("INT", 2, 2),
    ("QUIT", 3, 3),
    ("ABRT", 6, 6),
    ("KILL", 9, 9),
    ("USR1", 10, 30),
    ("SEGV", 11, 11),
    ("USR2", 12, 31),
    ("PIPE", 13, 13),
    ("ALRM", 14, 14),
    ("TERM", 15, 15),
    ("CONT", 18, 19),
    ("STOP", 19, 17),
    ("TSTP", 20, 18),
    ("WINCH", 28, 28),
    ("IO", 29, 23),
];

/// `key` is where it is written.
pub(crate) fn number(key: &str, written: &str, kind: SystemKind) -> Result<i32, Problem> {
    let upper = written.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    match SIGNALS.iter().find(|(known, ..)| *known == name) {
        Some((_, linux, freebsd)) => Ok(match kind {
            SystemKind::Linux => *linux,
            SystemKind::FreeBsd => *freebsd,
        }),
        None if written.bytes().all(|b| b.is_ascii_digit()) && !written.is_empty() => {
            Err(Problem::setup(format!("{key} = {written:?}: a number is not the same signal on every system"))
                .help("write its name, such as \"QUIT\""))
        }
        None => {
            let problem = Problem::setup(format!("{key}: there is no signal {written:?}"));
            Err(match crate::nearest::nearest(name, SIGNALS.iter().map(|(known, ..)| *known)) {
                Some(near) => problem.help(format!("did you mean {near}?")),
                None => problem.help("write a name such as \"TERM\", \"INT\" or \"QUIT\""),
            })
        }
    }
}

/// The number of a signal that was typed, on this system.
///
/// # Errors
/// There is no such signal; or it is a number, which may be another one elsewhere.
pub fn of_command_line(written: &str, kind: SystemKind) -> Result<i32, Problem> {
    number("signal", written, kind)
}

/// The name of a signal of that system, for people.
#[must_use]
pub fn name(number: i32, kind: SystemKind) -> Option<&'static str> {
    let of = |(name, linux, freebsd): &(&'static str, i32, i32)| {
        let own = if kind == SystemKind::Linux { *linux } else { *freebsd };
        (own == number).then_some(*name)
    };
    SIGNALS.iter().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_plans_system() {
        assert_eq!(number("x", "SIGUSR1", SystemKind::Linux), Ok(10));
        assert_eq!(number("x", "usr1", SystemKind::FreeBsd), Ok(30));
        assert_eq!(name(31, SystemKind::FreeBsd), Some("USR2"));
        assert!(number("x", "15", SystemKind::Linux).is_err());
    }
}
