//! The verbs, one file each, and what they share: from words to a spec, from a spec to facts.

mod adopt;
mod check;
mod completions;
mod doctor;
mod enable;
mod exec;
mod explain;
mod facts;
mod ldd;
mod life;
mod logs;
mod plan;
mod planned;
mod run;
mod schema;
mod start;

use std::path::{Path, PathBuf};

use thinjail_jail::inspect::{Host, inspect, this_kind, verify};
use thinjail_plan::facts::{Facts, SystemKind};
use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::Problem;
use thinjail_plan::spec::toml::Value;
use thinjail_plan::spec::{Spec, Words, layers, toml};
use thinjail_plan::wants::{wants, wants_links};

use crate::args::{Args, HostFlags, ProfileFlags, Subject, Verb, Wanted, program};
use crate::clock::Begun;
use crate::exit_code::Exit;
use crate::profile::{self, Layer, Profile};
use crate::report::Failure;

/// Does what was asked for. None of the verbs is put in line: each start would touch the stack that any of them needs.
pub(crate) fn execute(args: Args, subject: &Subject, begun: Option<Begun>) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Run(run) => run::execute(run, subject, begun.unwrap_or_else(|| Begun::of(&[]))),
        Verb::Start(start) => start::execute(start, subject),
        Verb::Exec(args) => exec::execute(args),
        Verb::Shell(args) => exec::shell(args),
        Verb::Restart(start) => start::again(start, subject),
        Verb::Life(life) => life::execute(life),
        Verb::Enable(args) => enable::enable(args, subject),
        Verb::Disable(args) => enable::disable(&args),
        Verb::Adopt(args) => adopt::execute(&args),
        Verb::Plan(plan) => plan::execute(plan, subject),
        Verb::Explain(explain) => explain::execute(explain, subject),
        Verb::Check(ask) => check::execute(ask, subject),
        Verb::Ldd(ldd) => ldd::execute(&ldd),
        Verb::Facts(ask) => facts::execute(ask, subject),
        Verb::Schema => schema::execute(),
        Verb::Doctor(args) => doctor::execute(&args),
        Verb::Completions(args) => completions::execute(&args),
    }
}

/// What is looked at, in place of a host: it, or facts that someone took of it.
enum Source {
    Host(Box<Host>),
    Facts(Box<Facts>),
}

impl Source {
    /// This host.
    fn this() -> Result<Self, Failure> {
        let host = Host::this().map_err(|error| Failure::new("look at this host").cause(error))?;
        Ok(Self::Host(Box::new(host)))
    }

    /// The one that the flags name.
    fn of(flags: &HostFlags) -> Result<Self, Failure> {
        if let Some(path) = &flags.facts {
            return facts_from(path).map(|facts| Self::Facts(Box::new(facts)));
        }
        let Some(root) = &flags.root else { return Self::this() };
        let host = Host::at(root, flags.system.map(SystemKind::from))
            .map_err(|error| Failure::new(format!("look at the host below {}", root.display())).cause(error))?;
        Ok(Self::Host(Box::new(host)))
    }

    fn kind(&self) -> SystemKind {
        match self {
            Self::Host(host) => host.system().kind(),
            Self::Facts(facts) => facts.system.kind(),
        }
    }

    fn facts(&self, spec: &Spec) -> Facts {
        match self {
            Self::Host(host) => inspect(host, &wants(spec, host.system().kind())),
            Self::Facts(facts) => Facts::clone(facts),
        }
    }

    /// With the links that lead out of what is inside, which only [`check`] wants to know of.
    fn all_facts(&self, spec: &Spec) -> Facts {
        match self {
            Self::Host(host) => inspect(host, &wants_links(spec, host.system().kind())),
            Self::Facts(facts) => Facts::clone(facts),
        }
    }

    /// The self-check. Facts alone hold no program that could be looked into.
    fn verify(&self, plan: &Plan, facts: &Facts) -> Result<(), Problem> {
        match self {
            Self::Host(host) => verify(host, plan, facts),
            Self::Facts(_) => Ok(()),
        }
    }
}

fn facts_from(path: &Path) -> Result<Facts, Failure> {
    let failed = |cause: String| Failure::new(format!("read facts from {}", path.display())).cause(cause);
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text)
        .map_err(|error| failed(error.to_string()).help("`thinjail facts NAME` writes such a file"))
}

/// What a command line is about.
struct Asked {
    /// The jail's name.
    name: String,
    /// All that is wanted on one system: the profile or the program, and the flags over it.
    spec: Spec,
    /// Everything of the profile that does not fit.
    faults: Vec<Failure>,
    /// Keys of which less is known than is written.
    doubtful: Vec<String>,
    /// Every value that holds, and where it is written.
    origins: Vec<Value>,
}

/// The jail's name and all that is wanted on one system.
fn wanted(
    subject: &Subject,
    flags: ProfileFlags,
    over: Option<Wanted>,
    kind: SystemKind,
) -> Result<(String, Spec), Failure> {
    let here = std::env::current_dir().ok();
    wanted_at(here.as_deref(), subject, &flags, over, kind)
}

/// The same from another directory.
fn wanted_at(
    here: Option<&Path>,
    subject: &Subject,
    flags: &ProfileFlags,
    over: Option<Wanted>,
    kind: SystemKind,
) -> Result<(String, Spec), Failure> {
    let asked = asked_at(here, subject, flags, over, kind, false)?;
    let more = asked.faults.len().saturating_sub(1);
    match asked.faults.into_iter().next() {
        None => Ok((asked.name, asked.spec)),
        Some(first) => Err(Failure { more: (more > 0).then(|| (more, subject.check())), ..first }),
    }
}

/// The same with all faults, and with what only some verbs need.
fn asked(
    subject: &Subject,
    flags: ProfileFlags,
    over: Option<Wanted>,
    kind: SystemKind,
    origins: bool,
) -> Result<Asked, Failure> {
    let here = std::env::current_dir().ok();
    asked_at(here.as_deref(), subject, &flags, over, kind, origins)
}

fn asked_at(
    here: Option<&Path>,
    subject: &Subject,
    flags: &ProfileFlags,
    over: Option<Wanted>,
    kind: SystemKind,
    origins: bool,
) -> Result<Asked, Failure> {
    // A supervisor that asks again has another working directory by then.
    let from = |path: &PathBuf| here.map_or_else(|| path.clone(), |here| here.join(path));
    let directories = || profile::directories(&flags.directories.iter().map(from).collect::<Vec<_>>(), this_kind());
    let profile = match subject {
        Subject::Program(words) => {
            let (name, mut spec) = of_program(words, here);
            if let Some(over) = over {
                spec.overlay(over.spec(here));
            }
            return Ok(Asked { name, spec, faults: Vec::new(), doubtful: Vec::new(), origins: Vec::new() });
        }
        Subject::Named(name) => profile::by_name(name, &directories()?)?,
        Subject::File(path) => profile::by_path(&from(path), directories)?,
        Subject::Jail => return Err(Failure::usage("no profile is named")),
    };
    Ok(of_profile(profile, over.map(|over| over.spec(here)), kind, origins))
}

fn of_program(words: &[String], here: Option<&Path>) -> (String, Spec) {
    let mut command = words.to_vec();
    if let Some(first) = command.first_mut() {
        *first = program(std::mem::take(first), here);
    }
    let path = command.first().map(PathBuf::from).unwrap_or_default();
    let name = path.file_name().map_or_else(|| "program".into(), |name| name.to_string_lossy().into_owned());
    // A profile must name its user; a program typed in passing gets the one that can do least. Without root there is no choice.
    let user = rustix::process::geteuid().is_root().then(|| "nobody".into());
    (name, Spec { command: Words::List(command), user, ..Spec::default() })
}

/// Flags are typed for the system at hand, so they also go over its table.
fn of_profile(profile: Profile, flags: Option<Spec>, kind: SystemKind, origins: bool) -> Asked {
    let Profile { name, instance, layers } = profile;
    let fill =
        |text: &str| instance.as_deref().map_or_else(|| text.to_owned(), |instance| layers::filled(text, instance));
    let values = |layer: &Layer| {
        let values = toml::values(&layer.text, &layer.file).into_iter();
        values.map(|value| Value { value: fill(&value.value), ..value }).collect()
    };
    let origins = match origins {
        true => layers::origins(layers.iter().map(values).chain(flags.iter().map(Value::of_flags)), kind),
        false => Vec::new(),
    };
    let mut asked = Asked { name, spec: Spec::default(), faults: Vec::new(), doubtful: Vec::new(), origins };
    let mut specs = Vec::with_capacity(layers.len());
    for layer in layers {
        let faults = layer.parsed.faults.into_iter();
        asked
            .faults
            .extend(faults.map(|fault| Failure { help: fault.help.clone(), ..Failure::new(fault.to_string()) }));
        asked.doubtful.extend(layer.parsed.doubtful);
        specs.push(match &instance {
            Some(instance) => layers::instance(&layer.parsed.spec, instance),
            None => layer.parsed.spec,
        });
    }
    asked.spec = layers::stack(specs.into_iter().chain(flags), kind);
    asked
}
