//! Commands beside the main one: what is run inside before the start, and at a reload.

use super::problem::{Problem, Report};
use super::programs::Programs;
use super::signals;
use crate::facts::SystemKind;
use crate::plan::{Command, Reload};
use crate::spec::{Spec, Words, words};

impl Spec {
    /// Each of them: its key, and its words or why it has none.
    fn commands(&self) -> impl Iterator<Item = (&'static str, Result<Vec<String>, words::WordsError>)> {
        let lines = |key, lines: &[String]| {
            let split: Vec<_> = lines.iter().map(|line| (key, words::split(line))).collect();
            split.into_iter()
        };
        let reload = (!self.reload_command.is_empty()).then(|| ("reload-command", self.reload_command.list()));
        lines("before-start", &self.before_start).chain(lines("before-reload", &self.before_reload)).chain(reload)
    }

    /// The programs that they run, as they are looked for.
    pub(crate) fn commanded(&self) -> Vec<String> {
        let first = |words: Vec<String>| words.into_iter().next().map(looked_for);
        self.commands().filter_map(|(_, words)| first(words.ok()?)).filter(|program| !program.is_empty()).collect()
    }
}

/// What system(3) and every `#!/bin/sh` run is this path, wherever PATH would find a shell.
fn looked_for(program: String) -> String {
    if program == "sh" { "/bin/sh".into() } else { program }
}

/// What is run before the start.
pub(super) fn before_start(spec: &Spec, programs: &Programs, report: &mut Report) -> Vec<Command> {
    of(spec, "before-start", programs, report)
}

/// How it is told to reload.
pub(super) fn reload(spec: &Spec, programs: &Programs, kind: SystemKind, report: &mut Report) -> Reload {
    let written = spec.reload_signal.as_deref().unwrap_or("HUP");
    let signal = report.keep(signals::number("reload-signal", written, kind)).unwrap_or(1);
    if spec.reload_signal.is_some() && !spec.reload_command.is_empty() {
        report.problem(
            Problem::setup("reload-signal and reload-command both say how it reloads").help("take one of them out"),
        );
    }
    Reload {
        before: of(spec, "before-reload", programs, report),
        signal,
        command: of(spec, "reload-command", programs, report).into_iter().next(),
        on_change: spec.reload_on_change.unwrap_or(false),
    }
}

fn of(spec: &Spec, key: &str, programs: &Programs, report: &mut Report) -> Vec<Command> {
    let commands = spec.commands().filter(|(of, _)| *of == key);
    commands.filter_map(|(_, words)| report.keep(command(key, words, programs)).flatten()).collect()
}

/// None where the program is one that can't be run, which is told with the others.
fn command(
    key: &str,
    words: Result<Vec<String>, words::WordsError>,
    programs: &Programs,
) -> Result<Option<Command>, Problem> {
    let argv = words.map_err(|error| Problem::setup(format!("{key}: {error}")))?;
    let Some(program) = argv.first().filter(|program| !program.is_empty()).cloned() else {
        return Err(Problem::setup(format!("{key} has an empty command"))
            .help(format!("write {key} = {}, or take it out", example(key))));
    };
    let program = looked_for(program);
    Ok(programs.paths.get(&program).map(|program| Command { program: program.clone(), argv }))
}

fn example(key: &str) -> &'static str {
    match key {
        "reload-command" => "\"/usr/bin/program reload\"",
        _ => "[\"/usr/bin/program --check\"]",
    }
}

impl Words {
    /// As flags have it.
    #[must_use]
    pub fn of_line(line: Option<String>) -> Self {
        line.map_or_else(Self::default, Self::Line)
    }
}
