//! What the child could not do, in words: what was tried, and what to do about it.

use rustix::io::Errno;
use thinjail_plan::path::RootPath;
use thinjail_plan::plan::{By, Exec};
use thinjail_plan::resolve::Class;

use super::message::Phase;
use super::source;
use crate::run::RunError;

/// Turns what the child told into what the user reads.
pub(super) fn explain(phase: Phase, index: u32, errno: Errno, exec: &Exec, late: &[RootPath]) -> RunError {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    let program = &exec.program;
    let ids = &exec.ids;
    let (what, help): (String, Option<&str>) = match phase {
        Phase::Guard => ("keep the jail's init from outliving its supervisor".into(), None),
        Phase::Plan => ("hear what is to be done".into(), None),
        Phase::Namespaces => ("give the jail its own namespaces".into(), None),
        Phase::Proc => ("make the jail's own /proc".into(), None),
        Phase::Private => ("make the mounts of the new namespace private".into(), None),
        Phase::Attach => ("make the tree the root of the jail".into(), None),
        Phase::Mount => match late.get(index) {
            Some(at) => (format!("mount on {at} inside"), None),
            None => ("mount inside".into(), None),
        },
        Phase::Pivot => (
            "change to the root of the jail by pivot_root(2)".into(),
            Some("this fails where the system still runs on its initramfs: switch_root(8) to a real root first"),
        ),
        Phase::Detach => ("let go of the host's tree".into(), None),
        Phase::Hostname => ("set the host name inside".into(), None),
        Phase::Loopback => ("bring up the loopback interface inside".into(), None),
        Phase::Fork => (format!("start a process for {program}"), None),
        Phase::Session => (format!("begin a session for {program}"), None),
        Phase::Limit => match exec.limits.iter().filter(|limit| limit.by == By::Process).nth(index) {
            Some(limit) => (
                format!("set the limit {}", limit.resource),
                Some("a hard limit of the caller may be lower: see ulimit -H"),
            ),
            None => ("set a limit".into(), None),
        },
        Phase::Ids => (format!("become user {} and group {}", ids.uid, ids.gid), None),
        Phase::Capabilities => (
            format!("keep the capabilities [{}]", exec.capabilities.join(" ")),
            Some("the caller has to have them itself"),
        ),
        Phase::NoNewPrivs => ("set no_new_privs".into(), None),
        Phase::Group => ("enter the group that holds the jail's limits".into(), None),
        Phase::Landlock => ("restrict itself by landlock(7)".into(), None),
        Phase::Filter => ("refuse system calls by seccomp(2)".into(), Some("the kernel needs CONFIG_SECCOMP_FILTER")),
        Phase::Descriptors => ("close the descriptors that are not named".into(), None),
        Phase::Chdir => (
            format!("change to the directory {} inside as user {}", exec.chdir, ids.uid),
            Some("chdir has to name a directory that is inside and that this user may enter"),
        ),
        Phase::Exec => (format!("execute {program} inside as user {}", ids.uid), None),
    };
    let class = match (phase, errno) {
        (Phase::Exec, Errno::NOENT) => Class::NotFound,
        (Phase::Exec, _) => Class::NotExecutable,
        _ => Class::Setup,
    };
    let help = match (phase, errno) {
        (
            Phase::Proc | Phase::Private | Phase::Attach | Phase::Mount | Phase::Pivot | Phase::Detach,
            Errno::PERM | Errno::NOSYS,
        ) => source::setting(errno),
        _ => help.map(str::to_owned),
    };
    RunError { class, what, help, cause: Some(errno.into()) }
}
