//! The variables of `env-file`: read at each start, from the very files that were inspected, and kept nowhere but in memory.

use std::borrow::Cow;
use std::io::{self, Read as _};

use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use thinjail_plan::env_file::{MOST, parse};
use thinjail_plan::plan::{EnvFile, Plan};

use crate::look;
use crate::run::RunError;

/// Never through a link, and never waiting for the other end of a FIFO.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The plan with all variables in it, which is for one start and is written nowhere.
pub(crate) fn filled(plan: &Plan) -> Result<Cow<'_, Plan>, RunError> {
    if plan.exec.env_files.is_empty() {
        return Ok(Cow::Borrowed(plan));
    }
    let mut filled = plan.clone();
    for file in std::mem::take(&mut filled.exec.env_files) {
        let failed = |cause| {
            RunError::setup(format!("read {} for its variables", file.source.path), cause)
                .help("start again; if it happens again, see who writes to it".to_owned())
        };
        let bytes = read(&file).map_err(failed)?;
        let found =
            parse(&bytes).map_err(|fault| failed(io::Error::other(format!("line {}: {}", fault.line, fault.why))))?;
        for name in &file.names {
            // Of one name twice in a file the last holds.
            let Some((name, value)) = found.iter().rfind(|(found, _)| found == name) else {
                return Err(failed(io::Error::other(format!("{name} is not in it any more"))));
            };
            filled.exec.env.push((name.clone(), value.clone()));
        }
    }
    filled.exec.env.sort();
    Ok(Cow::Owned(filled))
}

fn read(file: &EnvFile) -> io::Result<Vec<u8>> {
    let path = &file.source.path;
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Err(Errno::INVAL.into()) };
    let opened = fs::openat(look::directory(&parent, OFlags::PATH)?, name, READ, Mode::empty())?;
    let stat = fs::fstat(&opened)?;
    let inspected = file.source.id.is_some_and(|id| (id.dev, id.ino) == (stat.st_dev, stat.st_ino));
    if !inspected || !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(io::Error::other("another file has taken its place since it was inspected"));
    }
    let mut bytes = Vec::new();
    std::fs::File::from(opened).take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::other("it has more than 256 KiB"));
    }
    Ok(bytes)
}
