//! The command line: what was typed, and nothing decided yet but which part of it is whose.

mod adopt;
mod completions;
mod enable;
mod examples;
mod ldd;
mod mount;
mod subject;
mod wanted;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use thinjail_plan::facts::SystemKind;
use thinjail_plan::spec::flag_hint;

use crate::exit_code::{EXEC, KILL, REFRESH, RELOAD, STATUS, TABLE};
use crate::report::Failure;
pub(crate) use adopt::Adopt;
pub(crate) use completions::{Completions, Shell};
pub(crate) use enable::{Disable, Enable, OfService};
pub(crate) use ldd::Ldd;
pub(crate) use subject::{Subject, remember};
pub(crate) use wanted::{Wanted, program};

/// Runs a daemon in a jail that holds only what it needs
#[derive(Debug, Parser)]
#[command(name = "thinjail", version, help_template = TEMPLATE, after_help = TABLE, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const TEMPLATE: &str = "\
{about}.

  thinjail run -- echo Hello from jail   a program, with what it needs to start
  thinjail run nginx                     a profile; `start` in the background
  thinjail check nginx                   all that would fail; nothing is done

Usage: thinjail VERB [FLAGS] ...

  run start                     a program in a jail; in the background
  stop restart reload refresh   a jail that was started
  status kill logs list clean   how it is, what it says; what was left
  exec shell                    a program of the host in a jail that runs
  enable disable                a jail as a service of the init system
  adopt                         an installed service in a jail, and back
  plan explain check            what would be done, and why; what would fail
  ldd                           the files that programs need to start
  facts doctor                  what this host is, and what it can do
  completions schema            what shells and editors ask for

`thinjail VERB --help` shows what a verb does, and its flags.{after-help}";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Builds the jail, runs the program, takes everything down
    Run(Run),
    /// The same in the background: comes back once the program is ready
    Start(Start),
    /// Runs a program of the host in a jail that runs, with what it needs
    Exec(Exec),
    /// The same for sh(1), in a terminal of its own
    Shell(OwnShell),
    /// Stops it, if it runs, and starts it; a profile that has a mistake leaves it running
    Restart(Start),
    #[command(flatten)]
    Life(Life),
    /// Makes a jail a service of the init system
    Enable(Enable),
    /// Takes that back
    Disable(Disable),
    /// Has an installed service run in a jail, or puts it back as it was
    Adopt(Adopt),
    /// Prints what would be done
    Plan(Plan),
    /// Prints why a path is inside
    Explain(Explain),
    /// Prints everything that would fail
    Check(Ask),
    /// Prints the files that programs need to start, and executes none
    Ldd(Ldd),
    /// Prints what of the host the plan depends on, as JSON
    Facts(Ask),
    /// Prints what this host can do, and the fix for what it can't
    Doctor(Doctor),
    /// Prints the JSON Schema of profiles, for editors
    Schema,
    /// Prints the completions of a shell
    #[command(hide = true)]
    Completions(Completions),
}

/// The verbs about jails that there are, or were.
#[derive(Debug, Subcommand)]
pub(crate) enum Life {
    /// Stops a jail that was started, and takes back what it has left
    Stop(OneName),
    /// Has a program that was started take its configuration anew, if that is a good one
    Reload(OneReload),
    /// Puts files into a jail that runs, in place of those that were replaced on the host since
    Refresh(OneRefresh),
    /// Says how a jail is that was started
    Status(Status),
    /// Lists all jails that run, or have left something
    List(List),
    /// Shows what a jail has said that writes it into a file
    Logs(Logs),
    /// Sends a signal to the main process of a jail
    Kill(Kill),
    /// Takes back what jails have left whose supervisor was killed
    Clean(Clean),
}

/// `stop`.
#[derive(Debug, clap::Args)]
pub(crate) struct OneName {
    /// Name of the jail
    pub(crate) name: String,
}

/// `reload`.
#[derive(Debug, clap::Args)]
#[command(after_help = RELOAD)]
pub(crate) struct OneReload {
    /// Name of the jail
    pub(crate) name: String,
}

/// `refresh`.
#[derive(Debug, clap::Args)]
#[command(after_help = REFRESH)]
pub(crate) struct OneRefresh {
    /// Name of the jail
    pub(crate) name: String,
    /// Prints it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// Name of the jail
    pub(crate) name: String,
    /// Shows what is said from now on as well, until it is interrupted
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many lines at most
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 100)]
    pub(crate) lines: usize,
}

/// `kill`.
#[derive(Debug, clap::Args)]
#[command(after_help = KILL)]
pub(crate) struct Kill {
    /// Name of the jail
    pub(crate) name: String,
    /// The signal's name: HUP, USR1
    pub(crate) signal: String,
}

/// `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(crate) struct Status {
    /// Name of the jail
    pub(crate) name: String,
    /// Prints it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Prints it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Prints it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `clean`.
#[derive(Debug, clap::Args)]
pub(crate) struct Clean {
    /// Name of the jail; without one, every jail that does not run
    pub(crate) name: Option<String>,
    /// Every jail, as without a name
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

/// What every verb is about. The words come last, and what follows the first of them is left alone.
#[derive(Debug, clap::Args)]
pub(crate) struct About {
    /// Name of a profile; or a program (with a `/`, or after `--`) and its arguments
    #[arg(value_name = "NAME|PROGRAM", trailing_var_arg = true)]
    words: Vec<String>,
    #[command(flatten)]
    pub(crate) profile: ProfileFlags,
    /// None where no such flag is typed, which saves a start from looking at each of them.
    #[command(flatten)]
    pub(crate) wanted: Option<Wanted>,
}

/// `run`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "\
thinjail run [FLAGS] NAME
       thinjail run [FLAGS] /PATH/TO/PROGRAM [ARGUMENTS]
       thinjail run [FLAGS] -- PROGRAM [ARGUMENTS]", after_help = TABLE)]
pub(crate) struct Run {
    /// Prints the plan and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Prints how long each phase of the start took
    #[arg(long)]
    pub(crate) timings: bool,
    #[command(flatten)]
    pub(crate) about: About,
}

/// `start`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "\
thinjail start [FLAGS] NAME
       thinjail start [FLAGS] --profile FILE")]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) about: About,
}

/// `exec`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "thinjail exec [FLAGS] NAME PROGRAM [ARGUMENTS]", after_help = EXEC)]
pub(crate) struct Exec {
    /// Runs as this user, without any capability; else as the jail's, with its own
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// In a terminal of its own
    #[arg(long, short)]
    pub(crate) tty: bool,
    /// Further programs it runs, with all they need
    #[arg(long, value_name = "PROGRAM,...", value_delimiter = ',')]
    pub(crate) programs: Vec<String>,
    /// Name of the jail; then a program of the host and its arguments
    #[arg(value_name = "NAME PROGRAM", trailing_var_arg = true, required = true, num_args = 2..)]
    pub(crate) words: Vec<String>,
}

/// `shell`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXEC)]
pub(crate) struct OwnShell {
    /// Runs as this user, without any capability; else as the jail's, with its own
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Further programs beside ls(1), ps(1) and their like, with all they need
    #[arg(long, value_name = "PROGRAM,...", value_delimiter = ',')]
    pub(crate) programs: Vec<String>,
    /// Name of the jail
    pub(crate) name: String,
}

/// `plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    /// Prints it as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Prints file and line of every value of the profile, in place of the plan
    #[arg(long)]
    pub(crate) origin: bool,
    #[command(flatten)]
    pub(crate) host: HostFlags,
    #[command(flatten)]
    pub(crate) about: About,
}

/// `explain`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "\
thinjail explain [FLAGS] NAME PATH
       thinjail explain [FLAGS] /PATH/TO/PROGRAM PATH
       thinjail explain [FLAGS] --profile FILE PATH")]
pub(crate) struct Explain {
    /// Name of a profile, or a program; then the path inside to be explained
    #[arg(value_name = "NAME PATH", num_args = 1..=2, required = true)]
    words: Vec<String>,
    #[command(flatten)]
    pub(crate) host: HostFlags,
    #[command(flatten)]
    pub(crate) profile: ProfileFlags,
    #[command(flatten)]
    pub(crate) wanted: Option<Wanted>,
}

/// `check` and `facts`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    pub(crate) host: HostFlags,
    #[command(flatten)]
    pub(crate) about: About,
}

/// Where the profile is.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ProfileFlags {
    /// A profile by its path, in place of a name
    #[arg(long = "profile", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Where profiles are looked for by name, in place of the system's directories
    #[arg(long = "profile-dir", value_name = "DIR")]
    pub(crate) directories: Vec<PathBuf>,
}

/// For which host.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct HostFlags {
    /// The tree of another host, in place of /
    #[arg(long, value_name = "DIR", conflicts_with = "facts")]
    pub(crate) root: Option<PathBuf>,
    /// Which system that tree is of
    #[arg(long, value_name = "SYSTEM", requires = "root", conflicts_with = "facts")]
    pub(crate) system: Option<SystemName>,
    /// Facts from a file, as `thinjail facts` prints them, in place of a host
    #[arg(long, value_name = "FILE")]
    pub(crate) facts: Option<PathBuf>,
}

impl HostFlags {
    /// Whether no other host is named.
    pub(crate) fn is_this(&self) -> bool {
        self.root.is_none() && self.facts.is_none()
    }
}

/// A system by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SystemName {
    // Without texts: with them clap spreads the help of every flag over three lines.
    Linux,
    Freebsd,
}

impl From<SystemName> for SystemKind {
    fn from(name: SystemName) -> Self {
        match name {
            SystemName::Linux => Self::Linux,
            SystemName::Freebsd => Self::FreeBsd,
        }
    }
}

/// Why there is nothing to do.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Help or the version was asked for; this is it.
    Answer(String),
    /// Nothing was asked for; this is the help.
    Help(String),
    /// It can't be understood.
    Failure(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Stop {
    /// A flag of one letter behind a name is none of ours: the name was meant for a program.
    fn behind(self, name: &[OsString], behind: &[OsString]) -> Self {
        let short =
            |word: &OsString| word.as_encoded_bytes().starts_with(b"-") && !word.as_encoded_bytes().starts_with(b"--");
        match self {
            Self::Failure(failure) if behind.first().is_some_and(short) => {
                let words: Vec<_> = name.iter().chain(behind).map(|word| word.to_string_lossy()).collect();
                Self::Failure(failure.help(format!("to run a program, write `thinjail run -- {}`", words.join(" "))))
            }
            other => other,
        }
    }
}

impl Args {
    /// The command line, and what it is about.
    ///
    /// Flags may follow the name of a profile, but what follows a program is the program's own. Which of the two a word
    /// is can be seen only once the flags before it are parsed: a name that has words behind it is then moved behind
    /// them, and all is parsed once more.
    pub(crate) fn parse(argv: &[OsString]) -> Result<(Self, Subject), Stop> {
        if let [thinjail, help, verb @ ..] = argv
            && help == "help"
        {
            parse_once(&[std::slice::from_ref(thinjail), verb, &["--help".into()]].concat())?;
        }
        let args = parse_once(argv)?;
        if let Verb::Ldd(ldd) = &args.verb {
            // Neither a profile nor a command line: flags and programs stand in any order.
            let subject = Subject::Program(ldd.programs.clone());
            return Ok((args, subject));
        }
        let (words, file) = (args.words(), args.profile());
        if let Verb::Exec(_)
        | Verb::Shell(_)
        | Verb::Life(_)
        | Verb::Disable(_)
        | Verb::Adopt(_)
        | Verb::Doctor(_)
        | Verb::Schema
        | Verb::Completions(_) = args.verb
        {
            return Ok((args, Subject::Jail));
        }
        if let Verb::Enable(enable) = &args.verb {
            let subject = Subject::Named(enable.name.clone());
            return Ok((args, subject));
        }
        if let Verb::Explain(_) = args.verb {
            // Its words are counted, not cut off; a `--` may stand anywhere before them.
            let escaped = argv.iter().any(|word| word == "--");
            let subject = Subject::explained(words, escaped, file)?;
            return Ok((args, subject));
        }
        let start = argv.len().saturating_sub(words.len());
        let (before, rest) = argv.split_at(start);
        let escaped = before.last().is_some_and(|word| word == "--");
        if escaped || file.is_some() || words.len() < 2 || words.first().is_some_and(|word| word.contains('/')) {
            let subject = Subject::of(words, escaped, file)?;
            return Ok((args, subject));
        }
        let (name, behind) = rest.split_at(1);
        let args = parse_once(&[before, behind, name].concat()).map_err(|stop| stop.behind(name, behind))?;
        let subject = Subject::of_profile(args.words(), behind)?;
        Ok((args, subject))
    }

    fn words(&self) -> &[String] {
        match &self.verb {
            Verb::Run(run) => &run.about.words,
            Verb::Start(start) | Verb::Restart(start) => &start.about.words,
            Verb::Exec(_)
            | Verb::Shell(_)
            | Verb::Life(_)
            | Verb::Enable(_)
            | Verb::Disable(_)
            | Verb::Adopt(_)
            | Verb::Doctor(_)
            | Verb::Schema
            | Verb::Completions(_) => &[],
            Verb::Plan(plan) => &plan.about.words,
            Verb::Explain(explain) => &explain.words,
            Verb::Check(ask) | Verb::Facts(ask) => &ask.about.words,
            Verb::Ldd(ldd) => &ldd.programs,
        }
    }

    fn profile(&self) -> Option<&Path> {
        let flags = match &self.verb {
            Verb::Run(run) => &run.about.profile,
            Verb::Start(start) | Verb::Restart(start) => &start.about.profile,
            Verb::Plan(plan) => &plan.about.profile,
            Verb::Explain(explain) => &explain.profile,
            Verb::Check(ask) | Verb::Facts(ask) => &ask.about.profile,
            Verb::Exec(_)
            | Verb::Shell(_)
            | Verb::Life(_)
            | Verb::Enable(_)
            | Verb::Disable(_)
            | Verb::Adopt(_)
            | Verb::Doctor(_)
            | Verb::Schema
            | Verb::Completions(_)
            | Verb::Ldd(_) => return None,
        };
        flags.file.as_deref()
    }
}

impl Run {
    /// Where there is but a program or a profile: reading the flags that are not there would take as long as making the namespaces.
    fn without_flags(argv: &[OsString]) -> Option<Self> {
        let words = match argv {
            [_, verb, escape, words @ ..] if verb == "run" && escape == "--" => words,
            [_, verb, words @ ..] if verb == "run" && !words.first()?.as_encoded_bytes().starts_with(b"-") => words,
            _ => return None,
        };
        // What a second one means is clap's to say.
        let plain = |word: &OsString| word.to_str().filter(|word| *word != "--").map(str::to_owned);
        let words = words.iter().map(plain).collect::<Option<Vec<_>>>().filter(|words| !words.is_empty())?;
        let about = About { words, profile: ProfileFlags::default(), wanted: None };
        Some(Self { dry_run: false, timings: false, about })
    }
}

impl Explain {
    /// The path inside that is to be explained.
    pub(crate) fn path(&self) -> &str {
        self.words.last().map_or("", String::as_str)
    }
}

fn parse_once(argv: &[OsString]) -> Result<Args, Stop> {
    if let Some(run) = Run::without_flags(argv).or_else(|| alone("run", argv)) {
        return Ok(Args { verb: Verb::Run(run) });
    }
    if let Some(ldd) = Ldd::without_flags(argv).or_else(|| alone("ldd", argv)) {
        return Ok(Args { verb: Verb::Ldd(ldd) });
    }
    let command = Args::command().mut_subcommands(examples::at_the_head);
    command.try_get_matches_from(argv).and_then(|matches| Args::from_arg_matches(&matches)).map_err(|error| {
        let text = error.render().to_string();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Answer(text),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Stop::Help(text),
            _ => Stop::Failure(in_our_words(&text)),
        }
    })
}

/// A verb without the others: half the time, of which these have none to lose. What does not parse is parsed again as a
/// whole, which words the message.
fn alone<V: clap::Args>(verb: &'static str, argv: &[OsString]) -> Option<V> {
    let (_, words) = argv.split_first().filter(|(_, words)| words.first().is_some_and(|word| word == verb))?;
    let matches = V::augment_args(Command::new(verb)).try_get_matches_from(words).ok()?;
    V::from_arg_matches(&matches).ok()
}

/// clap's message is its first paragraph, then come tips, one or more, and the usage.
fn in_our_words(text: &str) -> Failure {
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let what = joined(text.split("\n\n").next().unwrap_or_default());
    // A similar word helps; how to pass a flag as a value does not.
    let mut tips = text.lines().filter_map(|line| line.trim_start().strip_prefix("tip: "));
    let tip = tips.find(|tip| !tip.starts_with("to pass "));
    let typed = what.split('\'').nth(1).unwrap_or_default();
    let verb = what.starts_with("unrecognized subcommand");
    let help = if let Some(hint) = flag_hint(typed) {
        hint
    } else if let Some(tip) = tip {
        joined(tip)
    } else if verb {
        format!("`thinjail --help` lists the verbs: `thinjail run {typed}`?")
    } else {
        "`thinjail --help` shows the verbs, `thinjail VERB --help` their flags".into()
    };
    Failure::usage(what).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_flags_is_what_clap_makes_of_it() {
        let lines = ["run x", "run x y -z --user=u", "run /bin/x -y", "run -- x", "run -- -x", "run x y", "run x ''"];
        for line in lines {
            let argv: Vec<OsString> = ["thinjail"].into_iter().chain(line.split(' ')).map(Into::into).collect();
            let short = Run::without_flags(&argv).map(|run| format!("{run:?}"));
            assert!(short.is_some(), "{line}");
            assert_eq!(short, alone::<Run>("run", &argv).map(|run| format!("{run:?}")), "{line}");
        }
        for line in ["run", "run --", "run --user u x", "run -x", "run x -- y", "run -- x -- y", "plan x"] {
            let argv: Vec<OsString> = ["thinjail"].into_iter().chain(line.split(' ')).map(Into::into).collect();
            assert!(Run::without_flags(&argv).is_none(), "{line}");
        }
    }
}
