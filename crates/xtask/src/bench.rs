//! `cargo xtask bench`: thinjail beside its peers, in the same run, in turns. It writes docs/benchmarks.md.

mod listing;
mod machine;
mod memory;
mod peers;
mod ready;
mod report;
mod sample;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command;
use crate::dist;
use crate::error::{Context, Error, Result};
use crate::packages;
use crate::workspace::Workspace;
use listing::Listing;
pub(crate) use listing::elf_programs;
use memory::Process;
use peers::{Absent, Scene};
use sample::Row;

/// Enough for a steady median and 95th percentile.
const ROUNDS: usize = 250;

/// All that was measured.
struct Measured {
    machine: Vec<(&'static str, String)>,
    whole: Vec<Row>,
    absent: Vec<Absent>,
    ready: Vec<Row>,
    inner: Vec<Row>,
    memory: Vec<Process>,
    listing: Listing,
}

/// Measures, prints and writes the page.
pub(crate) fn bench(workspace: &Workspace, flags: &[&str]) -> Result<bool> {
    let rounds = match flags {
        [] => ROUNDS,
        ["--rounds", count] => count.parse().context(|| format!("take {count} for a number of rounds"))?,
        _ => return Err(Error::new("cargo xtask bench has --rounds N")),
    };
    if rounds == 0 {
        return Err(Error::new("measure no rounds"));
    }
    let missing = packages::missing_peers();
    if !missing.is_empty() && packages::can_install() {
        packages::install(&missing)?;
    }
    let thinjail = dist::build(workspace)?;
    let scene = Scene::set(&workspace.dir("bench")?, &thinjail, workspace.root())?;

    let (peers, absent) = peers::whole(&scene);
    println!("whole process, {rounds} rounds of {}", peers.len());
    let whole = sample::in_turns(&peers, rounds, sample::whole)?;
    println!("until main, {rounds} rounds");
    let ready = sample::in_turns(&ready::peers(&scene), rounds, ready::until_main)?;
    println!("building, {rounds} rounds");
    let inner = ready::inner(&scene, rounds, &ready)?;
    let memory = memory::private(&scene)?;
    println!("listing, {rounds} rounds");
    let listing = listing::measure(&scene, rounds)?;
    let measured =
        Measured { machine: machine::about(workspace, &thinjail)?, whole, absent, ready, inner, memory, listing };

    let page = report::page(&measured, rounds);
    let path = workspace.root().join("docs/benchmarks.md");
    fs::write(&path, &page).context(|| format!("write {}", path.display()))?;
    println!("\n{page}");
    Ok(true)
}

/// The program that tells when its main began.
fn compile(source: &Path, program: &Path) -> Result<()> {
    command::run(Command::new("cc").args(["-O2", "-static", "-o"]).arg(program).arg(source))
}
