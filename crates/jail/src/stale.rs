//! What of a running jail was replaced on the host since it was started: an upgraded library is in force only after a restart.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use thinjail_closure::tree::FileId;
use thinjail_plan::path::{HostPath, RootPath};
use thinjail_plan::plan::Plan;
use thinjail_plan::step::{Content, Step};

use crate::life::{Condition, Jail};
use crate::run::RunError;

mod packages;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "freebsd")]
use freebsd::mapped;
#[cfg(target_os = "linux")]
use linux::mapped;

/// A file that the jail uses, though another one has its place on the host by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// Where it is inside.
    pub path: RootPath,
    /// Where the other one is.
    pub host: HostPath,
    /// The package that the host's path belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

/// A file that a process has mapped.
#[derive(Debug)]
struct Mapped {
    /// Its path inside, as the kernel tells it; behind one that is gone stands ` (deleted)`.
    path: String,
    id: FileId,
}

/// What the kernel puts behind the path of a file that has none any more; proc_pid_maps(5).
const DELETED: &str = " (deleted)";

/// What is stale of a jail; nothing of one that does not run.
///
/// # Errors
/// Where the plan that it was made of can't be read.
pub fn stale(jail: &Jail) -> Result<Vec<Stale>, RunError> {
    let Some(main) = jail.pid.filter(|_| jail.condition == Condition::Running) else { return Ok(Vec::new()) };
    let plan = match crate::life::plan(&jail.name) {
        // It has just ended.
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        plan => plan?,
    };
    let mut found: BTreeMap<RootPath, HostPath> = copies(&plan).chain(pinned(&plan)).collect();
    for mapped in mapped(main, jail.supervisor) {
        found.extend(outdated(&plan, &mapped));
    }
    let packages = packages::owners(&found.values().collect::<Vec<_>>());
    let stale = found.into_iter().zip(packages).map(|((path, host), package)| Stale { path, host, package });
    Ok(stale.collect())
}

/// Copies of files that are others by now.
fn copies(plan: &Plan) -> impl Iterator<Item = (RootPath, HostPath)> {
    let steps = plan.host.iter().chain(&plan.inside);
    steps.filter_map(|planned| match &planned.step {
        Step::PutFile { at, content: Content::Copy(source), .. }
            if source.id.is_some_and(|id| is_other(&source.path, id)) =>
        {
            Some((at.clone(), source.path.clone()))
        }
        _ => None,
    })
}

/// Files that are inside by themselves, and that nobody has refreshed.
fn pinned(plan: &Plan) -> impl Iterator<Item = (RootPath, HostPath)> {
    let steps = plan.inside.iter().map(|planned| &planned.step);
    steps.filter_map(|step| match step {
        Step::Bind { at, source, .. } => {
            let fresh = plan.fresh.iter().find(|fresh| fresh.at == *at)?;
            let other = source.id.is_some_and(|id| is_other(&fresh.asked, id));
            other.then(|| (at.clone(), fresh.asked.clone()))
        }
        _ => None,
    })
}

/// The place of a mapped file inside and on the host, if another one stands there now.
fn outdated(plan: &Plan, mapped: &Mapped) -> Option<(RootPath, HostPath)> {
    let names = [Some(mapped.path.as_str()), mapped.path.strip_suffix(DELETED)];
    let places: Vec<_> = names
        .into_iter()
        .flatten()
        .filter_map(|name| RootPath::new(name).ok())
        .filter_map(|path| on_host(plan, &path).map(|host| (path, host)))
        .collect();
    // A file may really be called so.
    if !places.iter().all(|(_, host)| is_other(host, mapped.id)) {
        return None;
    }
    places.into_iter().next_back()
}

/// The file of the host that is to be seen at a place, if the jail may only read it: what it may write to is its own business.
fn on_host(plan: &Plan, path: &RootPath) -> Option<HostPath> {
    let allowed = HostPath::new(path.as_str()).ok()?;
    let covers = |step: &Step| match step {
        Step::Bind { at, .. } => path.below(at).map(str::len),
        Step::Tmpfs { at, .. } | Step::Devices { at, .. } | Step::Proc { at, .. } => path.below(at).map(str::len),
        Step::Allow { source, .. } => allowed.below(&source.path).map(str::len),
        _ => None,
    };
    // Of those that are above it the nearest one is seen.
    let steps = plan.inside.iter().map(|planned| &planned.step);
    let nearest = steps.filter_map(|step| Some((covers(step)?, step))).min_by_key(|(below, _)| *below)?.1;
    match nearest {
        Step::Bind { source, at, access } if !access.write => match path.below(at)? {
            "" => Some(source.path.clone()),
            below => source.path.join(below).ok(),
        },
        Step::Allow { access, .. } if !access.write => Some(allowed),
        _ => None,
    }
}

/// Whether what stands at a path is not that file. What can't be looked at is not known to be another.
fn is_other(path: &HostPath, id: FileId) -> bool {
    match rustix::fs::stat::<&Path>(path.as_ref()) {
        Ok(stat) => id_of(&stat) != id,
        Err(error) => error == rustix::io::Errno::NOENT,
    }
}

#[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "types differ from system to system")]
fn id_of(stat: &rustix::fs::Stat) -> FileId {
    FileId { dev: stat.st_dev as u64, ino: stat.st_ino as u64 }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    /// One that has little in it.
    pub(crate) fn plan() -> Plan {
        let bind = |host: &str, at: &str, write: bool| {
            let access = json!({"write": write, "exec": false, "dev": false});
            json!({"do": "bind", "at": at, "access": access, "why": "",
                "source": {"path": host, "id": {"dev": 1, "ino": 1}, "kind": "directory"}})
        };
        let none = json!({"write": false, "exec": false, "dev": false});
        let tmpfs = |at: &str| json!({"do": "tmpfs", "at": at, "size": 1, "mode": 1, "uid": 0, "gid": 0, "access": none, "why": ""});
        let inside =
            [tmpfs("/"), bind("/usr/share", "/data", false), tmpfs("/data/tmp"), bind("/srv", "/data/srv", true)];
        serde_json::from_value(json!({
            "name": "x", "system": {"linux": {"release": "6"}}, "host": [], "inside": inside, "pidfile": null, "notes": [],
            "exec": {"program": "/x", "argv": [], "env": [], "ids": {"uid": 0, "gid": 0, "groups": []}, "capabilities": [],
                "umask": 0, "chdir": "/", "limits": [], "descriptors": [], "tty": false, "network": "inherit"},
            "stop": {"signal": 15, "timeout": 1.0, "wait": "main"},
        }))
        .unwrap()
    }

    #[test]
    fn only_what_the_host_shows_read_only_can_be_stale() {
        let plan = plan();
        let host = |path: &str| on_host(&plan, &RootPath::new(path).unwrap()).map(|host| host.as_str().to_owned());
        assert_eq!(host("/data/a/b"), Some("/usr/share/a/b".into()));
        assert_eq!(host("/data"), Some("/usr/share".into()));
        for own in ["/data/tmp/x", "/data/srv/x", "/x", "/"] {
            assert_eq!(host(own), None, "{own}");
        }
    }

    #[test]
    fn a_file_is_outdated_when_another_one_stands_at_its_place_or_none() {
        let plan = plan();
        let id = id_of(&rustix::fs::stat("/usr/share").unwrap());
        let outdated = |path: &str, id| {
            outdated(&plan, &Mapped { path: path.into(), id }).map(|(path, host)| format!("{path} {host}"))
        };
        assert_eq!(outdated("/data", id), None);
        assert_eq!(outdated("/data", FileId { ino: 0, ..id }), Some("/data /usr/share".into()));
        let gone = "/data/no such thing (deleted)";
        assert_eq!(outdated(gone, id), Some("/data/no such thing /usr/share/no such thing".into()));
        assert_eq!(outdated("/memfd:x (deleted)", id), None);
        assert_eq!(outdated("relative", id), None);
    }
}
