//! `adopt` and `adopt --undo`: an installed service runs in a jail without a word of its script being changed, or is as it was.

mod health;
mod rc_d;
mod systemd;
mod sysv;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use thinjail_jail::inspect::this_kind;
use thinjail_jail::life;
use thinjail_plan::adopt::{Base, Described, base, candidates, profile};
use thinjail_plan::init::{Command, Init, Service, line};
use thinjail_plan::path::HostPath;
use thinjail_plan::resolve::{privilege, resolve};
use thinjail_plan::spec::Spec;

use super::{Source, of_profile};
use crate::args::Adopt;
use crate::exit_code::Exit;
use crate::init::adopted::{Adopted, Back};
use crate::init::command::{run, said, succeeds};
use crate::init::detect;
use crate::init::diff::diff;
use crate::init::lock::Lock;
use crate::init::place::{Change, State, missing_directories};
use crate::profile as profiles;
use crate::report::{self, Failure};

/// Which file is to be which, for the service that the profile makes.
type Hook = Box<dyn Fn(&Service) -> Option<(PathBuf, State)>>;

/// An installed service, as one init system has it.
struct Found {
    described: Described,
    /// What has the init system start the jail.
    hook: Hook,
    load: Vec<Command>,
    runs: Command,
    stop: Command,
    start: Command,
    /// Prints the last of what it said.
    said: Option<Command>,
    /// Its main process.
    pid: Option<i32>,
}

/// Shows it, puts it in place, and back unless it is healthy.
#[inline(never)]
pub(super) fn execute(args: &Adopt) -> Result<Exit, Failure> {
    profiles::check_name(&args.service)?;
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new(format!("adopt {}", args.service)).cause("only root can").help("run it as root"));
    }
    let init = detect::running().ok_or_else(|| {
        Failure::new("find out which init system runs here").cause("there are no traces of systemd or sysvinit")
    })?;
    let name = match init {
        Init::Systemd => systemd::name(&args.service),
        _ => args.service.clone(),
    };
    let _one = if args.dry_run { None } else { Some(Lock::take(&format!("adopt {name}"))?) };
    let old = Adopted::read(&name).map_err(|error| kept(&name, error))?;
    if args.undo {
        return match old {
            Some(adopted) => undo(adopted),
            None => nothing(&name),
        };
    }
    if let Some(old) = old {
        let how = if old.settled { "is adopted already" } else { "was about to be adopted, by one who was killed" };
        return Err(Failure::new(format!("{name} {how}")).help(format!("`thinjail adopt --undo {name}` first")));
    }
    let found = match init {
        Init::Systemd => systemd::find(&name)?,
        Init::SysV => sysv::find(&name)?,
        Init::RcD => rc_d::find(&name)?,
        Init::OpenRc | Init::Runit => {
            return Err(Failure::new(format!("adopt {name}"))
                .cause(format!("services of systemd, sysvinit and rc.d are adopted, and here runs {init}"))
                .help(format!("write a profile for it; `thinjail enable NAME --as {name}-jailed`")));
        }
    };
    let (adopted, text) = prepare(&found, init)?;
    show(&adopted, &found, if args.dry_run { &text } else { "" })?;
    if args.dry_run { Ok(Exit::Ok) } else { adopt(adopted, &found, args.wait) }
}

fn kept(service: &str, error: impl ToString) -> Failure {
    Failure::new(format!("keep or read what `adopt` does to {service}")).cause(error)
}

/// Nothing was adopted; one who was killed at once may have left an empty record.
fn nothing(name: &str) -> Result<Exit, Failure> {
    Adopted::forget(name).map_err(|error| kept(name, error))?;
    Err(Failure::new(format!("{name} was not adopted by thinjail")).help("`thinjail list` shows the jails that run"))
}

/// All that will be done, and the plan of the jail as text.
fn prepare(found: &Found, init: Init) -> Result<(Adopted, String), Failure> {
    let described = &found.described;
    let name = &described.service;
    let directories = profiles::directories(&[], this_kind())?;
    let first = directories.first().ok_or_else(|| Failure::new("find the directory of profiles"))?;
    let path = first.join(format!("{name}.toml"));
    // A profile of that name that the administrator has written is the one to be used.
    let written = if path.exists() { None } else { Some(derive(described, &directories)?) };
    let read = match &written {
        Some(text) => profiles::of_text(name, text, &directories)?,
        None => profiles::by_name(name, &directories)?,
    };
    let asked = of_profile(read, None, this_kind(), false);
    if let Some(fault) = asked.faults.into_iter().next() {
        return Err(fault);
    }
    let plan = planned(name, &asked.spec)?;
    let own = std::env::current_exe().ok().and_then(|path| HostPath::from_path(&path).ok());
    let own = own.ok_or_else(|| Failure::new("find thinjail itself"))?;
    let service = Service::of(name.clone(), name, &asked.spec, own, this_kind());
    if !service.supervised && init != Init::Systemd {
        return Err(Failure::new(format!("{init} supervises nobody, and the profile has supervisor = false"))
            .help("take it out"));
    }
    let mut adopted =
        Adopted::new(name.clone(), init, name.clone(), [found.runs.clone(), found.stop.clone(), found.start.clone()]);
    let profile = written.map(|text| (path, State::File { text, mode: 0o644, owner: None }));
    for (path, state) in profile.into_iter().chain((found.hook)(&service)) {
        let failed = |error| Failure::new(format!("read {}", path.display())).cause(error);
        for directory in missing_directories(&path) {
            if !adopted.directories.contains(&directory) {
                adopted.directories.push(directory);
            }
        }
        adopted.changes.push(Change::to(&path, state).map_err(failed)?);
    }
    adopted.load.clone_from(&found.load);
    adopted.ran = succeeds(&found.runs);
    Ok((adopted, plan))
}

/// The profile's text, upon a shipped one if there is one of the same program.
fn derive(described: &Described, directories: &[PathBuf]) -> Result<String, Failure> {
    let mut bases = Vec::new();
    for name in profiles::names(directories).into_iter().filter(|name| !name.contains('@')) {
        // One with a mistake in it is nothing to build upon.
        let Ok(read) = profiles::by_name(&name, directories) else { continue };
        let asked = of_profile(read, None, this_kind(), false);
        if asked.faults.is_empty() {
            bases.push(Base { name, spec: asked.spec });
        }
    }
    let there: BTreeSet<String> = candidates(described).into_iter().filter(|path| Path::new(path).exists()).collect();
    Ok(profile(described, base(described, &bases), &there))
}

/// What would not start is not put in the place of what does.
fn planned(name: &str, spec: &Spec) -> Result<String, Failure> {
    let source = Source::this()?;
    let facts = source.facts(spec);
    let first = |problems| report::first(problems, &format!("`thinjail adopt --dry-run {name}`"));
    let plan = resolve(name, spec, &facts).map_err(first)?;
    source.verify(&plan, &facts)?;
    let problems = privilege(spec, &facts);
    if problems.is_empty() { Ok(plan.to_string()) } else { Err(first(problems)) }
}

fn show(adopted: &Adopted, found: &Found, plan: &str) -> Result<(), Failure> {
    let mut shown = if plan.is_empty() { String::new() } else { format!("{}\n\n", plan.trim_end()) };
    for change in &adopted.changes {
        shown += &diff(&change.path.display().to_string(), &change.before, &change.after);
    }
    for note in &found.described.notes {
        shown += &format!("note: {}\n", report::plain(note));
    }
    let stop = Some(&adopted.stop).filter(|_| adopted.ran);
    for command in stop.into_iter().chain(&adopted.load).chain([&adopted.start]) {
        shown += &format!("$ {}\n", line(command));
    }
    report::answer(&shown)
}

fn adopt(mut adopted: Adopted, found: &Found, wait: u32) -> Result<Exit, Failure> {
    let name = adopted.service.clone();
    // From here on whoever is killed can be undone.
    adopted.write().map_err(|error| kept(&name, error))?;
    let before = health::listens(found.pid);
    let failed = begin(&adopted).and_then(|()| health::wait(&adopted, &before, wait)).err();
    let Some(failed) = failed else {
        adopted.settled = true;
        adopted.write().map_err(|error| kept(&name, error))?;
        let where_it_listens =
            if before.is_empty() { String::new() } else { format!(", listens on {}", before.join(" ")) };
        report::say(&format!(
            "{name} runs in a jail{where_it_listens}; `thinjail adopt --undo {name}` puts everything back"
        ));
        return Ok(Exit::Ok);
    };
    let last = found.said.as_ref().map(said).unwrap_or_default();
    report::failure(&failed);
    last.lines().for_each(|line| report::line(&format!("  {}", report::plain(line))));
    report::say(&format!("{name} is put back"));
    undo(adopted)?;
    Ok(Exit::No)
}

fn begin(adopted: &Adopted) -> Result<(), Failure> {
    if adopted.ran {
        run(&adopted.stop)?;
    }
    adopted.put().map_err(|(path, error)| Failure::new(format!("write {}", path.display())).cause(error))?;
    adopted.load.iter().try_for_each(run)?;
    run(&adopted.start)
}

/// Puts everything back. Who is killed while he does it can do it again.
fn undo(mut adopted: Adopted) -> Result<Exit, Failure> {
    let name = adopted.service.clone();
    if adopted.settled {
        adopted.ran = succeeds(&adopted.runs);
        adopted.settled = false;
        adopted.write().map_err(|error| kept(&name, error))?;
    }
    let mut all = true;
    let mut stopped = true;
    let mut told = |command: &Command| {
        if let Err(failure) = report::answer(&format!("$ {}\n", line(command))).and_then(|()| run(command)) {
            report::say(&report::block(&failure));
            all = false;
        }
    };
    if let Err(failure) = report::answer(&format!("$ {}\n", line(&adopted.stop))).and_then(|()| run(&adopted.stop)) {
        // One that did not run is no failure.
        stopped = !succeeds(&adopted.runs);
        if !stopped {
            report::say(&report::block(&failure));
        }
    }
    let back = adopted.take_back(&mut report::say);
    adopted.load.iter().for_each(&mut told);
    // A supervisor that was killed has taken nothing back.
    if let Err(error) = life::clean_up(&adopted.profile, &mut report::say) {
        report::say(&report::block(&error.into()));
    }
    if adopted.ran {
        told(&adopted.start);
    }
    if back == Back::Failed {
        return Err(Failure::new(format!("put all of {name} back"))
            .cause("some of it could not be")
            .help(format!("mend what stands above, then `thinjail adopt --undo {name}` again")));
    }
    Adopted::forget(&name).map_err(|error| kept(&name, error))?;
    if !(all && stopped && back == Back::All) {
        return Ok(Exit::No);
    }
    report::say(&format!("{name} is as it was{}", if adopted.ran { ", and runs" } else { "" }));
    Ok(Exit::Ok)
}
