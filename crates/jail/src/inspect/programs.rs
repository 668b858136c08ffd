//! Programs, and all the files they need to start.

use std::path::{Path, PathBuf};

use thinjail_closure::closure::{FindError, Finder, NotExecutable, Request};
use thinjail_closure::tree::ResolveError;
use thinjail_plan::facts::{ProgramFact, Wants};

use super::paths::why;
use super::this_system;

/// The closure of a program in the environment that it will have, with all that its runtime may load, and its plug-ins as
/// far as they are inside.
pub(super) fn program(finder: &mut Finder<'_>, written: &str, wants: &Wants, loads: Vec<PathBuf>) -> ProgramFact {
    let request = request(written, wants).loads(loads);
    let found = finder.find(&request).and_then(|closure| {
        let inside = |directory: &Path| wants.paths.iter().any(|path| directory.starts_with(path));
        let plugins = closure.plugins.iter().map(|plugins| plugins.directory.clone());
        let plugins: Vec<PathBuf> = plugins.filter(|directory| inside(directory)).collect();
        if plugins.is_empty() { Ok(closure) } else { finder.find(&request.loads(plugins)) }
    });
    match found {
        Ok(closure) => ProgramFact::Closure(closure),
        Err(error) => refused(&error),
    }
}

/// What is asked of the loader.
pub(super) fn request(written: &str, wants: &Wants) -> Request {
    let path: Vec<_> = wants.search_path.iter().map(|directory| directory.as_str()).collect();
    let mut request = Request::new(written).path(&path.join(":"));
    request.env.extend(wants.loader_env.iter().map(|(name, value)| (name.clone(), value.clone())));
    request
}

/// As a shell tells 127 from 126: what can't be looked up is not missing.
fn refused(error: &FindError) -> ProgramFact {
    match error {
        FindError::NotFound { source: source @ ResolveError::Permission { .. }, .. } => {
            ProgramFact::NotExecutable { why: why(source) }
        }
        FindError::NotFound { source, .. } => ProgramFact::NotFound { why: why(source) },
        FindError::NotInPath { searched, .. } => {
            let places: Vec<_> = searched.iter().map(|directory| directory.display().to_string()).collect();
            ProgramFact::NotFound { why: format!("there is no such program in {}", places.join(", ")) }
        }
        FindError::NotExecutable { why: NotExecutable::OtherMachine(machine), .. } if !this_system::runs(machine) => {
            let why = format!("it is made for {machine}, and a jail on this system runs programs of 64 bits only");
            ProgramFact::NotExecutable { why }
        }
        FindError::NotExecutable { why: cause, .. } => ProgramFact::NotExecutable { why: why(cause) },
    }
}
