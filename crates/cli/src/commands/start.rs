//! `start`: from a profile to a program that runs in the background.

use thinjail_jail::life;
use thinjail_jail::start::{Started, start};
use thinjail_plan::path::HostPath;

use super::planned::Planned;
use crate::args::{Start, Subject};
use crate::clock::Clock;
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Builds the jail, and comes back once the program runs.
pub(super) fn execute(args: Start, subject: &Subject) -> Result<Exit, Failure> {
    if let Subject::Program(words) = subject {
        let program = words.first().map_or("", String::as_str);
        return Err(Failure::usage(format!("{program} is a program, and a jail in the background needs a name"))
            .help("write a profile for it, or `thinjail run` it in the foreground"));
    }
    let planned = Planned::new(subject, args.about);
    let written = planned.read()?;
    life::clean_up(&written.name, &mut report::say)?;
    let (plan, facts) = planned.decide(&written, &mut Clock::start())?;
    written.verify(&plan, &facts)?;
    planned.check_privilege(&written, &facts)?;
    let output = args.output.map(|path| {
        let absolute = std::path::absolute(&path).map_err(|error| error.to_string());
        absolute
            .and_then(|path| HostPath::from_path(&path).map_err(|error| error.to_string()))
            .map_err(|cause| Failure::new(format!("write to {}", path.display())).cause(cause))
    });
    match start(&plan, &mut || planned.again(), output.transpose()?.as_ref(), &mut report::say)? {
        Started::Now => {}
        Started::Before(pid) => report::say(&format!("{} runs already, supervised by process {pid}", plan.name)),
    }
    Ok(Exit::Ok)
}
