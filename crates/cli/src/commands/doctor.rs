//! `doctor`: what this host can do, and how it is made to do what it can't.

use thinjail_jail::doctor::{State, doctor};

use crate::args::Doctor;
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Prints every finding. The answer is no where no jail works.
#[inline(never)]
pub(super) fn execute(args: &Doctor) -> Result<Exit, Failure> {
    let found = doctor();
    let works = found.iter().all(|finding| finding.state != State::Fails);
    if args.json {
        report::answer(&report::json(&found)?)?;
    } else {
        let mut text = String::new();
        for finding in &found {
            let state = match finding.state {
                State::Ok => "ok",
                State::Lacks => "lacks",
                State::Fails => "FAILS",
            };
            text += &format!("{state:6} {:18} {}\n", finding.name, report::plain(&finding.found));
            if let Some(fix) = &finding.fix {
                text += &format!("  help: {}\n", report::plain(fix));
            }
        }
        text += if works { "jails work here\n" } else { "no jail works here\n" };
        report::answer(&text)?;
    }
    Ok(if works { Exit::Ok } else { Exit::No })
}
