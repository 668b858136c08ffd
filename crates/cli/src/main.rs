//! Words in, words out: the `thinjail` binary. It parses, asks the other rooms, and prints.

#![cfg_attr(not(test), no_main)]

#[cfg(target_env = "musl")]
mod allocator;
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
use clock::Begun;
use exit_code::Exit;

#[cfg(not(test))]
thinjail_sys::start!(thinjail);

#[cfg_attr(test, allow(dead_code, reason = "the test harness brings its own main"))]
fn thinjail(argv: Vec<OsString>) -> i32 {
    bug::report_panics();
    args::remember(&argv);
    // A command line that can't be parsed may still be one of `run`, whose exit codes are the program's.
    let verb = argv.get(1).and_then(|verb| verb.to_str()).unwrap_or_default().to_owned();
    // No other verb tells times, and the first question for the time takes one of its own.
    let begun = (verb == "run").then(|| Begun::of(argv.get(2..).unwrap_or_default()));
    let running = ["run", "exec", "shell"].contains(&verb.as_str());
    let done = match Args::parse(&argv) {
        Ok((args, subject)) => commands::execute(args, &subject, begun),
        Err(Stop::Answer(text)) => report::answer(&text).map(|()| Exit::Ok),
        Err(Stop::Help(text)) => {
            report::line(&text);
            Ok(match verb.as_str() {
                _ if running => Exit::Ours,
                // 2 of a status would be a jail that is dead and has left its lock.
                "status" => Exit::Unknown,
                _ => Exit::Usage,
            })
        }
        Err(Stop::Failure(failure)) => Err(failure),
    };
    let exit = done.unwrap_or_else(|failure| {
        report::failure(&failure);
        if running { failure.exit_of_run() } else { failure.exit(&verb) }
    });
    exit.number().into()
}
