//! Without a supervisor: this very process takes the jail upon itself and becomes the program, under the pid that an init has
//! started and watches. There is no pid 1 of ours, and nothing of ours stays.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use thinjail_plan::path::RootPath;
use thinjail_plan::plan::Plan;
use thinjail_sys::linux::exec::execve;
use thinjail_sys::linux::process::{leads_group, leads_session};
use thinjail_sys::linux::seccomp::set_filter;
use thinjail_sys::linux::signal;

use super::super::message::Phase;
use super::super::tree::{self, Late, LateMount, Tree};
use super::super::{confinement, explain, landlock, step_failed, unprivileged};
use super::root::{attach_late, take_root};
use super::{Child, Failure, at, io_at};
use crate::apply::apply;
use crate::handed::{self, Outlets};
use crate::journal::Journal;
use crate::os::End;
use crate::os::linux::Host;
use crate::run::{Observer, RunError};
use crate::teardown::teardown;

/// Becomes the program. Comes back only with why it could not.
pub(in crate::linux) fn become_program(plan: &Plan, observer: &mut dyn Observer) -> RunError {
    if let Err(error) = check_session(plan.exec.tty) {
        return error;
    }
    // Every mode in a plan is meant as it is written; the program gets its own umask.
    rustix::process::umask(Mode::empty());
    let (child, tree, late) = match prepare(plan, observer) {
        Ok(prepared) => prepared,
        Err(error) => return error,
    };
    let Failure { phase, index, errno } = child.take_it_all(tree);
    explain::explain(phase, index, errno, &plan.exec, &late)
}

/// All that is done as the host's own. What is made there stays after the end; only a failure here takes it back, since from
/// the new root on no path of the host may be used.
fn prepare(plan: &Plan, observer: &mut dyn Observer) -> Result<(Child, Option<Tree>, Vec<RootPath>), RunError> {
    let confinement = confinement(plan)?;
    if confinement.namespaces.iter().any(|name| name == unprivileged::USER) {
        unprivileged::enter(&plan.exec.ids)?;
    }
    let (mut os, mut journal) = (Host, Journal::unwritten());
    let sockets = handed::open(plan, &mut journal).and_then(|sockets| handed::again(plan, &sockets));
    let sockets = match sockets {
        Ok(sockets) => sockets,
        Err(error) => {
            handed::close(&mut journal, &mut |error| observer.left(&error.describe()));
            return Err(error);
        }
    };
    let outlets = Outlets { sockets, ..Outlets::default() };
    let made =
        apply(&mut os, &plan.host, &mut journal, &mut |error| observer.left(&error.describe())).map_err(step_failed)?;
    let build = || {
        let files = confinement.landlocked.then(|| landlock::files(plan, &made)).transpose()?;
        let child = Child::prepare(plan, &confinement, Vec::new(), files.as_deref(), outlets)?;
        let tree = (!confinement.landlocked).then(|| tree::build(&plan.inside, &made, None)).transpose()?;
        let late = tree.iter().flat_map(|tree| &tree.late).map(|late| late.shown.clone()).collect();
        Ok((child, tree, late))
    };
    let built = build();
    if built.is_err() {
        teardown(&mut os, &mut journal, End::Failed, &mut |error| observer.left(&error.describe()));
        handed::close(&mut journal, &mut |error| observer.left(&error.describe()));
    }
    built
}

/// A session of its own is what keeps a program from the caller's terminal; who leads a group of processes can't begin one.
fn check_session(tty: bool) -> Result<(), RunError> {
    let refused = |why: &str, help: &str| {
        let what = "become the program in a session of its own".to_owned();
        Err(RunError::setup(what, io::Error::other(why.to_owned())).help(help.to_owned()))
    };
    if tty || !leads_group() {
        return Ok(());
    }
    if !leads_session() {
        return refused(
            "thinjail leads a group of processes in another's session, as what is typed into a shell does",
            "let an init start it, or setsid(1); or write tty = true, and it keeps the terminal",
        );
    }
    match fs::open(c"/dev/tty", OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty()) {
        Ok(_) => refused(
            "thinjail leads a session that has a terminal",
            "let an init start it, or write tty = true, and it keeps the terminal",
        ),
        Err(_) => Ok(()),
    }
}

impl Child {
    /// Comes back only with a failure.
    fn take_it_all(&self, tree: Option<Tree>) -> Failure {
        match self.take_tree_and_ids(tree) {
            Ok(()) => {}
            Err(failure) => return failure,
        }
        // Last: what is refused now is refused to the program and to nobody else.
        if let Err(error) = set_filter(self.filter.instructions()) {
            return io_at(Phase::Filter)(error);
        }
        io_at(Phase::Exec)(execve(&self.program, &self.argv, &self.env))
    }

    fn take_tree_and_ids(&self, tree: Option<Tree>) -> Result<(), Failure> {
        // Nobody traces us from here on; execve(2) decides anew.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(at(Phase::Guard))?;
        signal::all_default().map_err(io_at(Phase::Guard))?;
        let proc = self.enter_namespaces()?;
        if let Some(Tree { root, late, .. }) = tree {
            take_root(&root)?;
            for (index, Late { what, at: place, .. }) in late.iter().enumerate() {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                let failed = |errno| Failure { phase: Phase::Mount, index, errno };
                let mount = match (what, &proc) {
                    (LateMount::Mount(mount), _) => mount.as_fd(),
                    (LateMount::Proc, Some(proc)) => proc.as_fd(),
                    (LateMount::Proc, None) => return Err(failed(Errno::PROTO)),
                };
                attach_late(&root, mount, place).map_err(failed)?;
            }
        }
        // A socket that is handed on may get its number.
        drop(proc);
        self.bound()?;
        self.session()?;
        self.drop_privileges()
    }
}
