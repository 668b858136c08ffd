//! `start`: from a profile to a program that runs in the background.

use thinjail_jail::life;
use thinjail_jail::start::{Started, start};
use thinjail_plan::path::HostPath;
use thinjail_plan::resolve::{privilege, resolve};

use super::{Source, wanted};
use crate::args::{Start, Subject};
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Builds the jail, and comes back once the program runs.
pub(super) fn execute(args: Start, subject: &Subject) -> Result<Exit, Failure> {
    if let Subject::Program(words) = subject {
        let program = words.first().map_or("", String::as_str);
        return Err(Failure::usage(format!("{program} is a program, and a jail in the background needs a name"))
            .help("write a profile for it, or `thinjail run` it in the foreground"));
    }
    let source = Source::this()?;
    let (name, spec) = wanted(subject, args.about.profile, args.about.wanted, source.kind())?;
    life::clean_up(&name, &mut report::say)?;
    let facts = source.facts(&spec);
    let plan = resolve(&name, &spec, &facts).map_err(|problems| report::first(problems, &subject.check()))?;
    source.verify(&plan, &facts)?;
    let problems = privilege(&spec, &facts);
    if !problems.is_empty() {
        return Err(report::first(problems, &subject.check()));
    }
    let output = args.output.map(|path| {
        let absolute = std::path::absolute(&path).map_err(|error| error.to_string());
        absolute
            .and_then(|path| HostPath::from_path(&path).map_err(|error| error.to_string()))
            .map_err(|cause| Failure::new(format!("write to {}", path.display())).cause(cause))
    });
    match start(&plan, output.transpose()?.as_ref(), &mut report::say)? {
        Started::Now => {}
        Started::Before(pid) => report::say(&format!("{name} runs already, supervised by process {pid}")),
    }
    Ok(Exit::Ok)
}
