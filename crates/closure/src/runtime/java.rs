//! Java: its home is all it reads, but in distributions a third of the files there are links to /etc.

use std::ffi::OsStr;
use std::path::Path;

use super::{Language, Look, RuntimeError};
use crate::closure::Member;
use crate::tree::Kind;

/// What every Java home has, newer ones first.
const MARKS: [&str; 3] = ["lib/modules", "lib/rt.jar", "jre/lib/rt.jar"];

/// The home that is named, or the one in which the program stands: HOME/bin/java, HOME/jre/bin/java.
pub(super) fn home(look: &mut Look<'_, '_>, path: Option<&Path>, program: Option<&Member>) -> Result<(), RuntimeError> {
    let is_home = |look: &mut Look<'_, '_>, path: &Path| {
        MARKS.iter().any(|mark| look.found(&path.join(mark), Kind::File).is_some())
    };
    match (path, program) {
        (Some(path), _) => {
            look.named(path, "the Java home")?;
            if is_home(look, path) { Ok(()) } else { Err(RuntimeError::NoJava { path: path.into() }) }
        }
        (None, Some(program)) => {
            let real = program.resolved.real.clone();
            let home = real.parent().and_then(Path::parent).filter(|home| is_home(look, home));
            let home = home.ok_or(RuntimeError::OtherProgram { program: real.clone(), language: Language::Java })?;
            look.named(home, format!("the Java home of {}", real.display()))
        }
        (None, None) => Ok(()),
    }
}

/// What of a Java home no program reads when it runs.
pub(super) fn is_idle(name: &OsStr) -> bool {
    const IDLE: [&str; 7] = ["demo", "docs", "include", "legal", "man", "sample", "src.zip"];
    IDLE.iter().any(|idle| *idle == name)
}
