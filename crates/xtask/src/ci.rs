//! `cargo xtask ci`: every stage, with its time, on a clean clone and a machine that has Rust and little else.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::totals::Totals;
use crate::workspace::Workspace;
use crate::{command, deny, dist, freebsd, fuzz, init, ordinary, packages, vm};

/// One stage: whether it passed; tests add to the totals.
type Stage = (&'static str, fn(&Workspace, &mut Totals) -> Result<bool>);

/// In the order in which they run: what fails often and fast comes first.
const STAGES: &[Stage] =
    &[("packages", install), ("fmt", fmt), ("deny", |workspace, _| deny::deny(workspace)), ("clippy", clippy)];

/// Compiling and linking what is released takes one processor for minutes, and the tests leave one alone. It gets what nobody
/// else wants, so that it makes no test wait.
const RELEASE: Stage = ("release", |workspace, _| {
    rustix::process::nice(15).map_err(std::io::Error::from).context(|| "be nice".into())?;
    dist::build(workspace).map(|_| true)
});

/// What runs beside it.
const TESTS: &[Stage] = &[
    ("test", readme_test),
    ("ordinary", |workspace, totals| {
        let counted = ordinary::test(workspace)?;
        *totals += counted;
        Ok(counted.failed == 0 && counted.passed > 0)
    }),
    ("docs", docs),
    ("man", man),
    ("shell", shell),
];

/// It takes as long as all others, waits for one processor most of the time, and shares nothing with them.
const MACHINE: Stage = ("vm", |workspace, totals| {
    let counted = vm::test(workspace, true)?;
    *totals += counted;
    Ok(counted.failed == 0)
});

/// What runs beside it.
const BESIDE: &[Stage] = &[
    ("fuzz", |workspace, _| fuzz::run(workspace, fuzz::SHORT, fuzz::TARGETS)),
    ("hello", hello),
    ("alone", alone),
    ("freebsd", |workspace, _| Ok(freebsd::check(workspace)? & freebsd::build(workspace)? && cross_linked(workspace)?)),
    ("dist", |workspace, totals| {
        let counted = dist::test(workspace)?;
        *totals += counted;
        Ok(counted.failed == 0 && counted.passed > 0)
    }),
    ("rehearse", |workspace, _| freebsd::rehearse(workspace)),
    ("init", |workspace, totals| {
        let counted = init::test(workspace)?;
        *totals += counted;
        Ok(counted.failed == 0 && counted.passed > 0)
    }),
];

/// What all stages leave below target on a clean clone, in bytes.
const ROOM: u64 = 9_400_000_000;

/// What came of a stage.
struct Done {
    name: &'static str,
    passed: bool,
    time: Duration,
    totals: Totals,
}

/// Runs all stages, also after one that failed, and ends with a table of times and the totals.
pub(crate) fn ci(workspace: &Workspace) -> Result<bool> {
    let start = Instant::now();
    let room = workspace.room()?;
    if room < ROOM {
        // It may do, where some of it was built before: so no more than a word.
        println!("CI takes up to {} MB of the disk, and {} MB are free", ROOM / 1_000_000, room / 1_000_000);
    }
    let mut all: Vec<Done> = STAGES.iter().map(|stage| run(workspace, stage)).collect();
    all.extend(both(workspace, &RELEASE, TESTS)?);
    all.extend(both(workspace, &MACHINE, BESIDE)?);
    println!("\nstage         time");
    for Done { name, passed, time, .. } in &all {
        println!("{name:10} {:>7}  {}", seconds(*time), verdict(*passed));
    }
    println!("{:10} {:>7}\n", "all", seconds(start.elapsed()));
    let passed = all.iter().all(|done| done.passed);
    let mut totals = Totals::default();
    all.iter().for_each(|done| totals += done.totals);
    // A stage that counts no tests and failed must not hide behind a line of zeros.
    if !passed && totals.failed == 0 {
        totals.failed = 1;
    }
    println!("{totals}");
    Ok(passed)
}

/// Stages one after the other, and one beside them all the while.
fn both(workspace: &Workspace, beside: &Stage, stages: &[Stage]) -> Result<Vec<Done>> {
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| run(workspace, beside));
        let mut all: Vec<Done> = stages.iter().map(|stage| run(workspace, stage)).collect();
        all.push(beside.join().map_err(|_| Error::new("a stage panicked"))?);
        Ok(all)
    })
}

fn run(workspace: &Workspace, (name, stage): &Stage) -> Done {
    println!("\n=== {name}");
    let (start, mut totals) = (Instant::now(), Totals::default());
    let passed = stage(workspace, &mut totals).unwrap_or_else(|error| {
        println!("{}", error.chain());
        false
    });
    let room = workspace.room().map_or_else(|error| error.chain(), |bytes| format!("{} MB", bytes / 1_000_000));
    println!("=== {name}: {} in {}; free on the disk: {room}", verdict(passed), seconds(start.elapsed()));
    Done { name, passed, time: start.elapsed(), totals }
}

fn verdict(passed: bool) -> &'static str {
    if passed { "ok" } else { "FAILED" }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn install(_: &Workspace, _: &mut Totals) -> Result<bool> {
    let missing = packages::missing();
    if missing.is_empty() {
        println!("all there");
        return Ok(true);
    }
    if !packages::can_install() {
        return Err(Error::new(format!("CI needs packages: {}", packages::install_line(&missing))));
    }
    packages::install(&missing)?;
    Ok(packages::missing().is_empty())
}

fn fmt(workspace: &Workspace, _: &mut Totals) -> Result<bool> {
    command::succeeds(&mut workspace.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace, _: &mut Totals) -> Result<bool> {
    let words = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    command::succeeds(&mut workspace.cargo(&words))
}

/// The command that the README gives its readers, word for word, with skips forbidden.
fn readme_test(workspace: &Workspace, totals: &mut Totals) -> Result<bool> {
    let mut counted = None;
    let passed = command::lines(&mut workspace.cargo(&["xtask", "test", "--no-skips"]), |line| {
        // Its totals go into ours: there is to be one such line.
        match Totals::parse(line) {
            Some(line) => counted = Some(line),
            None => println!("{line}"),
        }
    })?;
    let counted = counted.ok_or_else(|| Error::new("the tests ended before they were counted"))?;
    *totals += counted;
    Ok(passed && counted.passed > 0)
}

fn docs(workspace: &Workspace, _: &mut Totals) -> Result<bool> {
    let words = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
    command::succeeds(workspace.cargo(&words).env("RUSTDOCFLAGS", "-D warnings"))
}

/// The crate of closures is of use without the others: its package builds by itself.
fn alone(workspace: &Workspace, _: &mut Totals) -> Result<bool> {
    command::succeeds(&mut workspace.cargo(&["package", "--package", "thinjail-closure", "--locked", "--allow-dirty"]))
}

/// The closure of what was just linked for FreeBSD, below a tree that stands for it. On a clean clone there was nothing to
/// look at when the other tests ran.
fn cross_linked(workspace: &Workspace) -> Result<bool> {
    let words =
        ["test", "--package", "thinjail-closure", "--locked", "--test", "published", "what_our_cross_linker_made"];
    command::succeeds(workspace.cargo(&words).env("THINJAIL_CROSS_LINKED", "1"))
}

fn man(workspace: &Workspace, _: &mut Totals) -> Result<bool> {
    let pages = files(workspace, "man", |name| name.ends_with(".8") || name.ends_with(".5"))?;
    if pages.is_empty() {
        println!("no man pages");
        return Ok(true);
    }
    command::succeeds(Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(pages))
}

fn shell(workspace: &Workspace, _: &mut Totals) -> Result<bool> {
    let mut scripts = files(workspace, "crates/xtask", |name| name.ends_with(".sh"))?;
    scripts.extend(files(workspace, "share", |name| name.starts_with("rc.subr"))?);
    scripts.extend(files(workspace, "crates/xtask/runners", |_| true)?);
    scripts.extend(files(workspace, ".ci", |_| true)?);
    command::succeeds(Command::new("shellcheck").args(scripts))
}

/// The other command of the README, as a reader of a fresh clone types it.
fn hello(workspace: &Workspace, _: &mut Totals) -> Result<bool> {
    let words = ["run", "--release", "--", "run", "/bin/echo", "Hello", "from", "jail"];
    let said = command::output(&mut workspace.cargo(&words))?;
    print!("{said}");
    Ok(said == "Hello from jail\n")
}

/// The files of a directory of the project whose names are wanted; none if it isn't there.
fn files(workspace: &Workspace, dir: &str, wanted: fn(&str) -> bool) -> Result<Vec<std::path::PathBuf>> {
    let Ok(entries) = std::fs::read_dir(workspace.root().join(dir)) else { return Ok(Vec::new()) };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| wanted(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    Ok(found)
}
