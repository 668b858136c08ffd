//! `exec` and `shell`: a program of the host in a jail that runs.

use std::io::IsTerminal as _;

use thinjail_jail::life::{self, Condition};
use thinjail_jail::run::Outcome;
use thinjail_plan::facts::{ProgramFact, SystemKind};
use thinjail_plan::join::join;
use thinjail_plan::resolve::resolve;
use thinjail_plan::spec::{Spec, Words};

use super::Source;
use crate::args::{Exec, OwnShell, program};
use crate::exit_code::Exit;
use crate::profile::check_name;
use crate::report::{self, Failure};

/// What is run, and how.
struct Command {
    name: String,
    argv: Vec<String>,
    user: Option<String>,
    programs: Vec<String>,
    terminal: bool,
}

/// What is brought along for a shell, as far as it is installed.
const TOOLS: [&str; 24] = [
    "cat", "cp", "date", "df", "du", "env", "find", "grep", "head", "id", "kill", "less", "ls", "mkdir", "mv", "od",
    "ps", "rm", "sed", "sort", "stat", "tail", "touch", "wc",
];

/// Runs the program to its end.
#[inline(never)]
pub(super) fn execute(args: Exec) -> Result<Exit, Failure> {
    let Exec { user, tty, programs, words } = args;
    let mut words = words.into_iter();
    let name = words.next().unwrap_or_default();
    run(Command { name, argv: words.collect(), user, programs, terminal: tty })
}

/// The same for a shell. What is piped into it is no terminal, and needs none.
#[inline(never)]
pub(super) fn shell(args: OwnShell) -> Result<Exit, Failure> {
    let OwnShell { user, programs, name } = args;
    let terminal = std::io::stdin().is_terminal();
    let tools = TOOLS.into_iter().map(String::from);
    run(Command { name, argv: vec!["sh".into()], user, programs: tools.chain(programs).collect(), terminal })
}

fn run(command: Command) -> Result<Exit, Failure> {
    let Command { name, mut argv, user, programs, terminal } = command;
    check_name(&name)?;
    if life::find(&name)?.is_none_or(|jail| jail.condition != Condition::Running) {
        return Ok(not_running(&name));
    }
    let jail = life::plan(&name)?;
    let here = std::env::current_dir().ok();
    let source = Source::this()?;
    let linux = source.kind() == SystemKind::Linux;
    if let Some(first) = argv.first_mut().filter(|first| !linux && !first.contains('/')) {
        // There a command is one file, and these are.
        first.insert_str(0, "/rescue/");
    }
    if let Some(first) = argv.first_mut() {
        *first = program(std::mem::take(first), here.as_deref());
    }
    let shown = argv.join(" ");
    let mut spec = Spec {
        command: Words::List(argv),
        user: Some(user.clone().unwrap_or_else(|| name_of(jail.exec.ids.uid))),
        programs: if linux { programs } else { Vec::new() },
        devices: if terminal && linux { vec!["tty".into()] } else { Vec::new() },
        ..Spec::default()
    };
    let facts = source.facts(&spec);
    // What is asked for has to be there.
    let missing = |program: &String| matches!(facts.programs.get(program), Some(ProgramFact::NotFound { .. }));
    spec.programs.retain(|program| !(TOOLS.contains(&program.as_str()) && missing(program)));
    let check = format!("`thinjail check -- {shown}`");
    let tool = resolve(&name, &spec, &facts).map_err(|problems| report::first(problems, &check))?;
    let joined = join(&jail, &tool, user.is_some(), &environment(terminal))
        .map_err(|problems| report::first(problems, &check))?;
    if linux {
        source.verify(&joined.plan, &facts)?;
    }
    match thinjail_jail::exec::exec(&joined, terminal)? {
        None => Ok(not_running(&name)),
        Some(Outcome::Exited(status)) => Ok(Exit::Program(u8::try_from(status & 0xff).unwrap_or(u8::MAX))),
        Some(Outcome::Signaled(signal)) => {
            report::say(&format!("{}: exited on signal {signal}", joined.plan.exec.program));
            Ok(Exit::Signal(signal))
        }
    }
}

/// As a spec has it. That the jail is root's was written in its profile.
fn name_of(uid: u32) -> String {
    if uid == 0 { "root".into() } else { uid.to_string() }
}

fn not_running(name: &str) -> Exit {
    report::say(&format!("{name} does not run"));
    Exit::NoJail
}

/// What a program has to know of the caller's terminal.
fn environment(terminal: bool) -> Vec<(String, String)> {
    let known = ["TERM", "COLORTERM"].into_iter().filter(|_| terminal);
    known.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect()
}
