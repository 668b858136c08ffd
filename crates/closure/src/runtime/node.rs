//! Node.js: a directory with its node_modules, and the modules that distributions take out of the program.

use std::path::Path;

use super::{Look, RuntimeError};
use crate::closure::Member;

/// The directory that is named, and what belongs to the program.
pub(super) fn modules(
    look: &mut Look<'_, '_>,
    path: Option<&Path>,
    program: Option<&Member>,
) -> Result<(), RuntimeError> {
    if let Some(path) = path {
        look.named(path, "the program, its node_modules among it")?;
    }
    let Some(program) = program else { return Ok(()) };
    let real = program.resolved.real.clone();
    let name = real.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.starts_with("node") {
        return Err(RuntimeError::OtherProgram { program: real, language: super::Language::Node });
    }
    let prefix = real.parent().and_then(Path::parent).unwrap_or(&real);
    // Debian: `require` looks there, and so does node itself for what is built in elsewhere.
    let why = || "modules of the system's Node.js";
    for place in ["share/nodejs", "lib/nodejs"] {
        look.directory(&prefix.join(place), why(), None);
    }
    for machine in look.names(&prefix.join("lib")).iter().filter(|name| name.contains("-linux-gnu")) {
        look.directory(&prefix.join("lib").join(machine).join("nodejs"), why(), None);
    }
    Ok(())
}
