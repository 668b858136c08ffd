//! `enable` and `disable`: a jail as a service of the init system, put in place after it was shown, and taken back.

use std::path::{Path, PathBuf};

use thinjail_jail::inspect::this_kind;
use thinjail_plan::init::{self, Init, Placed, Service, Text, line, text};
use thinjail_plan::path::HostPath;
use thinjail_plan::resolve::resolve;
use thinjail_plan::spec::Spec;

use super::{Source, wanted};
use crate::args::{Disable, Enable, OfService, Subject};
use crate::exit_code::Exit;
use crate::init::command::{run, succeeds};
use crate::init::detect;
use crate::init::diff::diff;
use crate::init::lock::Lock;
use crate::init::place::{Change, State, TakenBack, make_directory, missing_directories};
use crate::init::record::{FORMAT, Record};
use crate::profile::check_name;
use crate::report::{self, Failure};

/// Shows the service, and puts it in place.
#[inline(never)]
pub(super) fn enable(args: Enable, subject: &Subject) -> Result<Exit, Failure> {
    let init = args.of.init.map_or_else(running, |init| Ok(init.into()))?;
    let (_, spec) = wanted(subject, args.of.profile.clone(), None, init.system())?;
    let service = service(&args.name, &spec, init, &args.of)?;
    let text = text(init, &service);
    if args.print {
        report::answer(&text.to_string())?;
        return Ok(Exit::Ok);
    }
    check(&args, init, &spec)?;
    if !service.supervised && matches!(init, Init::SysV | Init::RcD) {
        return Err(Failure::new(format!("{init} supervises nobody, and the profile has supervisor = false"))
            .help("take it out: on such a host the supervisor has to be thinjail's"));
    }
    let _one = if args.dry_run { None } else { Some(Lock::take(&format!("enable {}", service.name))?) };
    let old = Record::read(&service.name).map_err(unreadable(&service.name))?;
    let record = record(&service, init, &text, old.as_ref())?;
    show(&record, &text, args.now)?;
    if let Some(over) = text.over.iter().find(|path| old.is_none() && Path::new(path.as_str()).exists()) {
        report::say(&format!("it goes over {over} until it is disabled"));
    }
    if args.dry_run {
        return Ok(Exit::Ok);
    }
    let failed = put(&record, &text, args.now).err();
    let Some(failed) = failed else { return Ok(Exit::Ok) };
    // Nothing is left of what does not work; the first error is the one to tell.
    if old.is_none() {
        let _ = take_back(&record, &mut report::say);
    }
    Err(failed)
}

fn running() -> Result<Init, Failure> {
    detect::running().ok_or_else(|| {
        Failure::new("find out which init system runs here")
            .cause("there are no traces of systemd, OpenRC, runit or sysvinit")
            .help("name it: `--init systemd`, `openrc`, `sysv`, `runit` or `rc.d`")
    })
}

fn service(profile: &str, spec: &Spec, init: Init, of: &OfService) -> Result<Service, Failure> {
    let spec = spec.for_system(init.system());
    let name = match &of.service {
        Some(name) => {
            check_name(name)?;
            init.service_name(name)
        }
        None => init.service_name(profile),
    };
    let failed = |cause: String| Failure::new("find thinjail itself").cause(cause);
    let own = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let own = HostPath::from_path(&own).map_err(|error| failed(error.to_string()))?;
    let mut service = Service::of(name, profile, &spec, own, init.system());
    if let Some(directory) = detect::run_services() {
        service.run_services = directory;
    }
    Ok(service)
}

/// What would not start is no service.
fn check(args: &Enable, init: Init, spec: &Spec) -> Result<(), Failure> {
    if init.system() != this_kind() {
        return Err(Failure::usage(format!("{init} is not an init system of this host"))
            .help("`--print` shows its text on any host"));
    }
    let flags = &args.of.profile;
    if flags.file.is_some() || !flags.directories.is_empty() || std::env::var_os("THINJAIL_PROFILE_PATH").is_some() {
        return Err(Failure::usage("a service finds its profile by name, in the system's directories")
            .help("put it there; --profile, --profile-dir and THINJAIL_PROFILE_PATH go with --print only"));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new("make a service of the host's")
            .cause("only root can")
            .help("`--print` shows it to everybody"));
    }
    let source = Source::this()?;
    let facts = source.facts(spec);
    let plan = resolve(&args.name, spec, &facts)
        .map_err(|problems| report::first(problems, &format!("`thinjail check {}`", args.name)))?;
    Ok(source.verify(&plan, &facts)?)
}

fn unreadable(service: &str) -> impl Fn(std::io::Error) -> Failure {
    let what = format!("read what `enable` has kept of {service}");
    move |error| Failure::new(what.clone()).cause(error)
}

/// What will have been done, after it was made sure that it is nobody else's.
fn record(service: &Service, init: Init, text: &Text, old: Option<&Record>) -> Result<Record, Failure> {
    let rotation = text.rotation.iter().filter(|placed| rotates(placed, service));
    let change = |placed: &Placed| {
        let new = Change::new(placed);
        let known = old.and_then(|old| old.changes.iter().chain(&old.switch).find(|change| change.path == new.path));
        free(&new, known, service)?;
        Ok(new)
    };
    let changes: Vec<Change> = text.placed.iter().chain(rotation).map(change).collect::<Result<_, Failure>>()?;
    let switch = text.switch.iter().map(change).collect::<Result<Vec<_>, _>>()?.pop();
    for taken in &text.taken {
        if Path::new(taken.as_str()).exists() {
            return Err(foreign(taken.as_str(), service));
        }
    }
    let mut directories: Vec<PathBuf> = old.map(|old| old.directories.clone()).unwrap_or_default();
    for directory in changes.iter().chain(&switch).flat_map(|change| missing_directories(&change.path)) {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    // It may start with the system already, by a service of a package that this one goes over. Then that stays as it is.
    let started = old.is_none() && text.enabled.as_ref().is_some_and(succeeds);
    Ok(Record {
        format: FORMAT,
        profile: service.profile.clone(),
        service: service.name.clone(),
        init,
        directories,
        changes,
        switch,
        runs: text.runs.clone(),
        stop: text.stop.clone(),
        disable: if started { Vec::new() } else { old.map_or_else(|| text.disable.clone(), |old| old.disable.clone()) },
        forget: text.forget.clone(),
        run_time: text.run_time.iter().map(|path| path.as_str().into()).collect(),
    })
}

/// Whether this may be written: nothing is there, or what we wrote.
fn free(new: &Change, known: Option<&Change>, service: &Service) -> Result<(), Failure> {
    let path = new.path.display();
    let now = State::at(&new.path).map_err(|error| Failure::new(format!("read {path}")).cause(error))?;
    match known {
        _ if now == State::Absent => Ok(()),
        Some(known) if now == known.after => Ok(()),
        Some(_) => Err(Failure::new(format!("{path} has been changed since thinjail wrote it"))
            .help("keep what you need of it, remove it, and enable it again")),
        None => Err(foreign(&path.to_string(), service)),
    }
}

fn foreign(path: &str, service: &Service) -> Failure {
    Failure::new(format!("{path} is there already, and not thinjail's")).help(format!(
        "give the service another name: `thinjail enable {} --as {}-jailed`",
        service.profile, service.profile
    ))
}

/// Whether a snippet is of any use: there is a logrotate(8), and nobody else has it rotate the same files.
fn rotates(placed: &Placed, service: &Service) -> bool {
    let path = Path::new(placed.path.as_str());
    let Some(directory) = path.parent().filter(|directory| directory.is_dir()) else { return false };
    let others = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut texts = others.filter(|other| other != path).filter_map(|other| std::fs::read_to_string(other).ok());
    let names: Vec<String> = service.logs.iter().map(|log| format!("{log}/")).collect();
    !texts.any(|text| names.iter().any(|name| text.contains(name)))
}

/// The changes as diff(1) has them, and the commands.
fn show(record: &Record, text: &Text, now: bool) -> Result<(), Failure> {
    let mut shown = String::new();
    for change in record.changes.iter().chain(&record.switch) {
        let before = State::at(&change.path).unwrap_or(State::Absent);
        shown += &diff(&change.path.display().to_string(), &before, &change.after);
    }
    for command in commands(record, text, now) {
        shown += &format!("$ {}\n", line(command));
    }
    report::answer(&shown)
}

/// What is run once everything is in place.
fn commands<'a>(record: &'a Record, text: &'a Text, now: bool) -> impl Iterator<Item = &'a init::Command> {
    let enable: &[_] = if record.disable.is_empty() && text.enabled.is_some() { &[] } else { &text.enable };
    let start = text.start.as_ref().filter(|_| now);
    text.load.iter().chain(enable).chain(start)
}

fn put(record: &Record, text: &Text, now: bool) -> Result<(), Failure> {
    record.write().map_err(|error| Failure::new(format!("write {}", record.path().display())).cause(error))?;
    for directory in &record.directories {
        make_directory(directory)
            .map_err(|error| Failure::new(format!("make {}", directory.display())).cause(error))?;
    }
    let make = |change: &Change| {
        let at = State::at(&change.path).and_then(|before| Change { before, ..change.clone() }.make());
        at.map_err(|error| Failure::new(format!("write {}", change.path.display())).cause(error))
    };
    record.changes.iter().try_for_each(make)?;
    commands(record, text, now).try_for_each(run)?;
    record.switch.iter().try_for_each(make)
}

/// Takes a service back.
#[inline(never)]
pub(super) fn disable(args: &Disable) -> Result<Exit, Failure> {
    check_name(&args.name)?;
    let name = args.service.as_ref().unwrap_or(&args.name);
    check_name(name)?;
    let root = rustix::process::geteuid().is_root();
    let _one = if root { Some(Lock::take(&format!("disable {name}"))?) } else { None };
    let found = [name.clone(), Init::RcD.service_name(name)]
        .iter()
        .find_map(|name| Record::read(name).map_err(unreadable(name)).transpose());
    let Some(record) = found.transpose()? else {
        return Err(Failure::new(format!("{name} was not enabled by thinjail"))
            .help("a service that has another name than its profile is named by `--as NAME`"));
    };
    if record.runs.as_ref().is_some_and(succeeds) {
        let stop = record.stop.as_ref().map(line).unwrap_or_default();
        if !args.now {
            return Err(Failure::new(format!("{} runs", record.service)).help(format!("`{stop}`, or `--now`")));
        }
        record.stop.as_ref().map_or(Ok(()), |stop| {
            report::answer(&format!("$ {}\n", line(stop)))?;
            run(stop)
        })?;
    }
    let all = take_back(&record, &mut report::say)?;
    Ok(if all { Exit::Ok } else { Exit::No })
}

/// Everything in the opposite order. What can't be taken back is said, and the rest goes on. Whether all was.
fn take_back(record: &Record, say: &mut dyn FnMut(&str)) -> Result<bool, Failure> {
    let mut all = true;
    let mut back = |change: &Change, say: &mut dyn FnMut(&str)| {
        let path = change.path.display();
        match change.take_back() {
            Ok(TakenBack::Done) => {}
            Ok(TakenBack::Modified) => {
                say(&format!("{path} has been changed since thinjail wrote it, and stays"));
                all = false;
            }
            Err(error) => {
                say(&format!("remove {path}: {error}"));
                all = false;
            }
        }
    };
    record.switch.iter().for_each(|change| back(change, say));
    let told = |command: &init::Command, say: &mut dyn FnMut(&str)| {
        let shown = report::answer(&format!("$ {}\n", line(command)));
        if let Err(failure) = shown.and_then(|()| run(command)) {
            say(&report::block(&failure));
        }
    };
    record.disable.iter().for_each(|command| told(command, say));
    record.changes.iter().rev().for_each(|change| back(change, say));
    record.forget.iter().for_each(|command| told(command, say));
    for path in &record.run_time {
        let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path));
    }
    for directory in record.directories.iter().rev() {
        // What somebody else has put into it stays.
        let _ = std::fs::remove_dir(directory);
    }
    record.remove().map_err(|error| Failure::new(format!("remove {}", record.path().display())).cause(error))?;
    Ok(all)
}
