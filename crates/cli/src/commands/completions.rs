//! `completions`: what a shell needs to complete verbs and flags, from the same table that parses them.

use clap::CommandFactory as _;
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

use crate::args::{Args, Completions, Shell};
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Prints them.
pub(super) fn execute(args: &Completions) -> Result<Exit, Failure> {
    let mut command = Args::command();
    let mut text = Vec::new();
    match args.shell {
        Shell::Bash => generate(Bash, &mut command, "thinjail", &mut text),
        Shell::Zsh => generate(Zsh, &mut command, "thinjail", &mut text),
        Shell::Fish => generate(Fish, &mut command, "thinjail", &mut text),
    }
    report::answer(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}
