//! A command in a running jail: a program that needs no other file, opened on the host and executed by its descriptor.
//!
//! jail_attach(2) leads to the jail's root and no other, and nothing can be put there that a jailed root does not see. So
//! nothing is: no file, no mount, nothing to take back. What needs an interpreter or a library stays outside.

use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;

use rustix::fs::{Mode, RawMode};
use thinjail_plan::join::Joined;
use thinjail_plan::plan::{Exec, Plan};
use thinjail_plan::step::{Content, Source, Step};
use thinjail_sys::freebsd::exec::{StringList, fexecve};
use thinjail_sys::freebsd::jail::{self, Jid};
use thinjail_sys::freebsd::login::LoginClass;
use thinjail_sys::freebsd::process;

use super::child::own_rlimits;
use crate::exec::Running;
use crate::os::freebsd::open_source;
use crate::run::{Outcome, RunError};
use crate::state::host;

/// Becomes the command: its terminal, its signals and its status are ours. Comes back only with what kept it from running.
pub(crate) fn exec(joined: &Joined, running: &Running, _terminal: bool) -> Result<Outcome, RunError> {
    let plan = &joined.plan;
    let Exec { program, argv, env, ids, umask, chdir, .. } = &plan.exec;
    let failed = |what: &str, cause: io::Error| RunError::setup(format!("{what} {program}"), cause);
    let text = |text: String| CString::new(text).map_err(|cause| failed("prepare", cause.into()));
    let argv = StringList::new(argv.iter().map(|word| text(word.clone())).collect::<Result<_, _>>()?);
    let env =
        StringList::new(env.iter().map(|(name, value)| text(format!("{name}={value}"))).collect::<Result<_, _>>()?);
    let jid = jail_of(plan, running)?;
    let source = source(plan).ok_or_else(|| failed("find", io::ErrorKind::NotFound.into()))?;
    let file = open_source(source).map_err(|error| failed("open", io::Error::other(error.describe())))?;
    let class = LoginClass::of_user(ids.uid).map_err(|cause| failed("read the login class for", cause))?;
    let limits = own_rlimits(&plan.exec)?;
    // Also once it is the command: whoever is this user inside may not look into it.
    process::refuse_tracing().map_err(|cause| failed("keep others from tracing", cause))?;
    for descriptor in [0, 1, 2] {
        if process::is_directory(descriptor) {
            let cause = io::Error::other("it is a directory of the host, and a way out of the jail");
            return Err(failed(&format!("hand on the descriptor {descriptor} to"), cause));
        }
    }
    // A directory that is open is refused by jail_attach(2).
    process::close_all_but(&[0, 1, 2, file.as_raw_fd()]).map_err(|cause| failed("close what is open before", cause))?;
    class.apply(ids.uid).map_err(|cause| failed("take the login class for", cause))?;
    for (resource, limit) in limits {
        rustix::process::setrlimit(resource, limit).map_err(|cause| failed("set the limits of", cause.into()))?;
    }
    jail::jail_attach(jid).map_err(|cause| failed("enter the jail for", cause))?;
    let groups: Vec<u32> = std::iter::once(ids.gid).chain(ids.groups.iter().copied()).collect();
    process::set_ids(&groups, ids.gid, ids.uid).map_err(|cause| failed("become the user for", cause))?;
    // Kernels before 14 do not know it.
    let _ = rustix::process::set_no_new_privs(None);
    rustix::process::umask(Mode::from_raw_mode(RawMode::try_from(*umask).unwrap_or(0o77)));
    rustix::process::chdir(chdir.as_str()).map_err(|cause| failed(&format!("change to {chdir} for"), cause.into()))?;
    Err(failed("execute", fexecve(&file, &argv, &env)))
}

/// The jail's number: of the one whose root is where ours has it.
fn jail_of(plan: &Plan, running: &Running) -> Result<Jid, RunError> {
    let gone = |cause: io::Error| RunError::setup(format!("enter the jail {}", plan.name), cause);
    let jid = Jid(running.jid.ok_or_else(|| gone(io::ErrorKind::NotFound.into()))?);
    let root = host(&plan.name)?.root().clone();
    let found = jail::jail_get(jail::By::Jid(jid)).map_err(|refused| gone(refused.into()))?;
    match found {
        Some(found) if !found.dying && found.path == root.as_str() => Ok(jid),
        _ => Err(gone(io::Error::other("it has just ended"))),
    }
}

/// The program.
fn source(plan: &Plan) -> Option<&Source> {
    plan.host.iter().find_map(|planned| match &planned.step {
        Step::PutFile { content: Content::Copy(source), .. } => Some(source),
        _ => None,
    })
}
