//! Our chores: what CI runs, what a contributor runs, and what is measured.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a chore does")]

mod bench;
mod ci;
mod command;
mod cross;
mod deny;
mod dist;
mod error;
mod freebsd;
mod fuzz;
mod init;
mod ordinary;
mod packages;
mod programs;
mod test;
mod totals;
mod vm;
mod workspace;

use std::process::ExitCode;

use error::{Error, Result};
use workspace::Workspace;

const HELP: &str = "\
Chores of thinjail.

  cargo xtask test [--no-skips]   run all tests; as root, install what they need first
  cargo xtask ci                  all that CI asks: formatting, lints, build, tests, docs, licences, FreeBSD
  cargo xtask dist [test]         build the release, target/dist/thinjail: static, with musl; and put it to the tests
  cargo xtask dist order          have a start traced, and its functions put side by side in the release
  cargo xtask bench [--rounds N]  compare it with peers and write docs/benchmarks.md
  cargo xtask ordinary            the tests that need no root, as an ordinary user
  cargo xtask fuzz [--for 10m] [TARGET...]
                                  fuzz the parsers and the walk, 15 s each, from the corpus in fuzz/
  cargo xtask deny                check the dependencies against deny.toml
  cargo xtask vm test             the system tests in a virtual machine: Linux 6.1, systemd, cgroup v2
  cargo xtask vm cut              the machine is cut off while jails run, and started again
  cargo xtask vm run DIR SCRIPT   run `sh SCRIPT` in a copy of DIR in that machine
  cargo xtask init test           the services under sysvinit, OpenRC and runit, booted in namespaces
  cargo xtask freebsd toolchain   make the cross toolchain, for FreeBSD and the release, below target/
  cargo xtask freebsd check       clippy for FreeBSD, tests included
  cargo xtask freebsd build       build and link everything for FreeBSD, tests included
  cargo xtask freebsd test --runner CMD
                                  run the tests on a FreeBSD system: `CMD DIR SCRIPT` brings DIR there and runs SCRIPT
  cargo xtask freebsd rehearse    the same pack and script, built for this system and run on it
  cargo xtask packages            print the command that installs what the tests need
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well; an error is what kept the chore from being done at all.
fn run(words: &[&str]) -> Result<bool> {
    let workspace = Workspace::find()?;
    match words {
        ["test", flags @ ..] => test::test(&workspace, test::Options::parse(flags)?),
        ["ci"] => ci::ci(&workspace),
        ["vm", "test"] => {
            let totals = vm::test(&workspace, false)?;
            println!("{totals}");
            Ok(totals.failed == 0)
        }
        ["vm", "cut"] => vm::cut(&workspace),
        ["vm", "run", dir, script] => vm::run(&workspace, std::path::Path::new(dir), script, |line| println!("{line}")),
        ["init", "test"] => {
            let totals = init::test(&workspace)?;
            println!("{totals}");
            Ok(totals.failed == 0)
        }
        ["freebsd", words @ ..] => freebsd::freebsd(&workspace, words),
        ["dist", words @ ..] => dist::dist(&workspace, words),
        ["bench", flags @ ..] => bench::bench(&workspace, flags),
        ["fuzz", words @ ..] => fuzz::fuzz(&workspace, words),
        ["ordinary"] => {
            let totals = ordinary::test(&workspace)?;
            println!("{totals}");
            Ok(totals.failed == 0)
        }
        ["deny"] => deny::deny(&workspace),
        ["packages"] => {
            println!("{}", packages::install_line(&packages::all()));
            Ok(true)
        }
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(true)
        }
        _ => Err(Error::new(format!("no such chore: {}\n\n{HELP}", words.join(" ")))),
    }
}
