//! Words in, words out: the `thinjail` binary. It parses, asks the other rooms, and prints.

#![cfg_attr(not(test), no_main)]

mod args;
mod bug;
mod clock;
mod commands;
mod exit_code;
mod init;
mod profile;
mod report;

use std::ffi::OsString;

use args::{Args, Stop};
use clock::Clock;
use exit_code::Exit;

#[cfg(not(test))]
thinjail_sys::start!(thinjail);

#[cfg_attr(test, allow(dead_code, reason = "the test harness brings its own main"))]
fn thinjail(argv: Vec<OsString>) -> i32 {
    let clock = Clock::start();
    bug::report_panics();
    args::remember(&argv);
    // A command line that can't be parsed may still be one of `run`, whose exit codes are the program's.
    let running = argv.get(1).is_some_and(|verb| ["run", "exec", "shell"].iter().any(|runs| verb == runs));
    let done = match Args::parse(&argv) {
        Ok((args, subject)) => commands::execute(args, &subject, clock),
        Err(Stop::Answer(text)) => report::answer(&text).map(|()| Exit::Ok),
        Err(Stop::Help(text)) => {
            report::line(&text);
            Ok(if running { Exit::Ours } else { Exit::Usage })
        }
        Err(Stop::Failure(failure)) => Err(failure),
    };
    let exit = done.unwrap_or_else(|failure| {
        report::failure(&failure);
        if running { failure.exit_of_run() } else { failure.exit() }
    });
    exit.number().into()
}
