//! What a command line is about: a profile or a program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::report::Failure;

/// The command line as it was typed. The standard library knows it only where libc hands it to whatever is loaded, as glibc does
/// and FreeBSD's does not, since `main` is our own.
static TYPED: OnceLock<Vec<OsString>> = OnceLock::new();

/// Keeps the command line for those that tell which other one would say more.
pub(crate) fn remember(argv: &[OsString]) {
    TYPED.get_or_init(|| argv.to_vec());
}

/// What the words behind the flags name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A profile, by name.
    Named(String),
    /// A profile, by path.
    File(PathBuf),
    /// A program and its arguments.
    Program(Vec<String>),
    /// A jail that there is, which the verb itself names.
    Jail,
}

impl Subject {
    /// The command line that lists every problem: the one that was typed, for `check`.
    pub(crate) fn check(&self) -> String {
        self.check_of(TYPED.get().map_or(&[], Vec::as_slice))
    }

    fn check_of(&self, argv: &[OsString]) -> String {
        const OTHERS: [&str; 4] = ["--dry-run", "--timings", "--json", "--origin"];
        let typed: Vec<String> = argv.iter().skip(2).map(|word| word.to_string_lossy().into_owned()).collect();
        let explains = argv.get(1).is_some_and(|verb| verb == "explain");
        let typed = &typed[..typed.len() - usize::from(explains && !typed.is_empty())];
        // What belongs to a program is never ours.
        let own = match self {
            Self::Program(words) => words.len().min(typed.len()),
            Self::Named(_) | Self::File(_) | Self::Jail => 0,
        };
        let (flags, program) = typed.split_at(typed.len() - own);
        let flags = flags.iter().filter(|word| !OTHERS.contains(&word.as_str()));
        let words: Vec<String> = flags.chain(program).map(|word| quoted(word)).collect();
        format!("`thinjail check {}`", words.join(" "))
    }

    /// After `--`, or with a `/`, it is a program and everything behind it is its own; else a profile.
    pub(super) fn of(words: &[String], escaped: bool, file: Option<&Path>) -> Result<Self, Failure> {
        match (words, file) {
            ([], Some(file)) => Ok(Self::File(file.into())),
            ([word, ..], Some(_)) => Err(Failure::usage(format!("both --profile and {word:?} say what is to be run"))
                .help("leave one out; a profile takes no arguments")),
            ([], None) => Err(Failure::usage("neither a profile nor a program is named")
                .help("`thinjail run NAME` for a profile, `thinjail run -- PROGRAM ARGUMENTS` for a program")),
            ([first, ..], None) if escaped || first.contains('/') => Ok(Self::Program(words.into())),
            ([name], None) => Ok(Self::Named(name.clone())),
            ([name, more @ ..], None) => Err(too_many(name, more.first())),
        }
    }

    /// The same for words of which the last is the name of a profile and the others were typed behind it, between flags.
    pub(super) fn of_profile(words: &[String], behind: &[OsString]) -> Result<Self, Failure> {
        match words {
            [name] if !behind.iter().any(|word| word == "--") => Ok(Self::Named(name.clone())),
            [more @ .., name] => Err(too_many(name, more.first())),
            [] => Self::of(words, false, None),
        }
    }

    /// For `explain`, where the last word is a path inside.
    pub(super) fn explained(words: &[String], escaped: bool, file: Option<&Path>) -> Result<Self, Failure> {
        match words {
            [subject @ .., _path] if !subject.is_empty() || file.is_some() => Self::of(subject, escaped, file),
            _ => Err(Failure::usage("no path is named that is to be explained").help("`thinjail explain NAME PATH`")),
        }
    }
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn too_many(name: &str, more: Option<&String>) -> Failure {
    let extra = more.map_or("--", String::as_str);
    Failure::usage(format!("the profile {name:?} takes no arguments, but {extra:?} follows"))
        .help(format!("to run a program, write `thinjail run -- {name} {extra}`, or its path"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Args, Stop};
    use super::*;

    fn subject(line: &str) -> Result<Subject, String> {
        let argv: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        match Args::parse(&argv) {
            Ok((_, subject)) => Ok(subject),
            Err(Stop::Failure(failure)) => Err(failure.what),
            Err(Stop::Answer(text) | Stop::Help(text)) => Err(text),
        }
    }

    fn program(line: &str) -> Subject {
        Subject::Program(line.split_whitespace().map(Into::into).collect())
    }

    #[test]
    fn a_word_with_a_slash_or_after_two_dashes_is_a_program() {
        assert_eq!(subject("thinjail run /bin/echo hi"), Ok(program("/bin/echo hi")));
        assert_eq!(subject("thinjail run ./echo"), Ok(program("./echo")));
        assert_eq!(subject("thinjail run -- echo hi"), Ok(program("echo hi")));
        assert_eq!(subject("thinjail run --read /x -- echo hi"), Ok(program("echo hi")));
        assert_eq!(subject("thinjail run nginx"), Ok(Subject::Named("nginx".into())));
    }

    #[test]
    fn everything_behind_a_program_is_its_own() {
        for own in ["--read /x", "-- --read", "--help", "-x --tty", "--"] {
            assert_eq!(subject(&format!("thinjail run --tty /bin/a {own}")), Ok(program(&format!("/bin/a {own}"))));
            assert_eq!(subject(&format!("thinjail run -- a {own}")), Ok(program(&format!("a {own}"))));
        }
    }

    #[test]
    fn flags_may_stand_on_both_sides_of_a_profile() {
        for line in ["thinjail plan --json nginx --read /x", "thinjail plan nginx --read /x --json"] {
            assert_eq!(subject(line), Ok(Subject::Named("nginx".into())), "{line}");
        }
        assert_eq!(subject("thinjail run --profile ./x.toml --tty"), Ok(Subject::File("./x.toml".into())));
    }

    #[test]
    fn the_line_that_lists_every_problem_is_the_typed_one() {
        let line = |words: &[&str]| {
            let argv: Vec<OsString> = words.iter().map(Into::into).collect();
            let Ok((_, subject)) = Args::parse(&argv) else { return String::new() };
            subject.check_of(&argv)
        };
        for (typed, check) in [
            (&["thinjail", "run", "--read", "/a b", "--dry-run", "nginx"][..], "`thinjail check --read '/a b' nginx`"),
            (&["thinjail", "plan", "x", "--json", "--user=root"], "`thinjail check x --user=root`"),
            (
                &["thinjail", "run", "--tmp", "--", "sh", "-c", "it's", "--json"],
                "`thinjail check --tmp -- sh -c 'it'\\''s' --json`",
            ),
            (&["thinjail", "explain", "nginx", "--read", "/y", "/etc/x"], "`thinjail check nginx --read /y`"),
            (&["thinjail", "run", "--profile", "./x.toml"], "`thinjail check --profile ./x.toml`"),
        ] {
            assert_eq!(line(typed), check);
        }
    }

    #[test]
    fn a_profile_takes_no_arguments() {
        for line in ["thinjail run echo hi", "thinjail run nginx -- x", "thinjail run nginx --", "thinjail run a b c"] {
            assert!(subject(line).unwrap_err().contains("takes no arguments"), "{line}");
        }
        assert!(subject("thinjail run --profile x.toml nginx").unwrap_err().starts_with("both"));
        assert!(subject("thinjail run").unwrap_err().starts_with("neither"));
    }

    #[test]
    fn explain_ends_with_the_path() {
        assert_eq!(subject("thinjail explain nginx /etc/x"), Ok(Subject::Named("nginx".into())));
        assert_eq!(subject("thinjail explain nginx --read /y /etc/x"), Ok(Subject::Named("nginx".into())));
        assert_eq!(subject("thinjail explain nginx /etc/x --read /y"), Ok(Subject::Named("nginx".into())));
        assert_eq!(subject("thinjail explain /bin/echo /etc/x"), Ok(program("/bin/echo")));
        assert_eq!(subject("thinjail explain -- echo /etc/x"), Ok(program("echo")));
        assert_eq!(subject("thinjail explain --profile f /etc/x"), Ok(Subject::File("f".into())));
        assert!(subject("thinjail explain nginx").is_err());
    }
}
