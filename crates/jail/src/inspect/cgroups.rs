//! Where a group of processes with limits can be made; cgroups(7).

use std::collections::BTreeSet;

use thinjail_plan::facts::Cgroup;
use thinjail_plan::path::HostPath;

/// The controllers asked for, as far as they are there. Nothing is looked at where none is.
pub(super) fn cgroups(controllers: &BTreeSet<String>) -> Vec<Cgroup> {
    if controllers.is_empty() {
        return Vec::new();
    }
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (own, mounts) = (read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
    find(controllers, &own, &mounts, &read)
}

/// A mount of a cgroup file system.
struct Mount<'m> {
    /// What of the file system is to be seen.
    root: &'m str,
    at: &'m str,
    version: u8,
    options: &'m str,
}

fn mount(line: &str) -> Option<Mount<'_>> {
    let (place, system) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, at) = (place.next()?, place.next()?);
    let mut system = system.split(' ');
    let version = match system.next()? {
        "cgroup" => 1,
        "cgroup2" => 2,
        _ => return None,
    };
    Some(Mount { root, at, version, options: system.nth(1)? })
}

/// `own` is /proc/self/cgroup, `mounts` mountinfo; `read` the text of a file.
fn find(controllers: &BTreeSet<String>, own: &str, mounts: &str, read: &dyn Fn(&str) -> String) -> Vec<Cgroup> {
    let mounts: Vec<Mount<'_>> = mounts.lines().filter_map(mount).collect();
    let mut found: Vec<Cgroup> = controllers.iter().filter_map(|wanted| first(wanted, own, &mounts)).collect();
    let left: Vec<&String> =
        controllers.iter().filter(|wanted| found.iter().all(|group| group.controller != **wanted)).collect();
    if let Some((parent, has)) = second(&left, own, &mounts, read) {
        let groups = left.into_iter().filter(|wanted| has.contains(wanted));
        found.extend(groups.map(|controller| Cgroup {
            controller: controller.clone(),
            version: 2,
            parent: parent.clone(),
        }));
    }
    found
}

fn has(list: &str, controller: &str) -> bool {
    list.split([',', ' ', '\n']).any(|word| word == controller)
}

/// The directory of our own group, where `mount` shows it.
fn shown(mount: &Mount<'_>, path: &str) -> Option<String> {
    let below = path.strip_prefix(mount.root.trim_end_matches('/'))?;
    // Outside of what is mounted, as seen from within another group's namespace.
    (!below.contains("..")).then(|| format!("{}{}", mount.at, below.trim_end_matches('/')))
}

/// The path in the line of /proc/self/cgroup whose list of controllers is asked for.
fn path(own: &str, ours: impl Fn(&str) -> bool) -> Option<&str> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (names, path) = (fields.next()?, fields.next()?);
        ours(names).then_some(path)
    })
}

/// Version 1: each controller has a file system of its own, and our group can have others below it.
fn first(controller: &str, own: &str, mounts: &[Mount<'_>]) -> Option<Cgroup> {
    let path = path(own, |names| has(names, controller))?;
    let own = mounts.iter().find_map(|mount| {
        (mount.version == 1 && has(mount.options, controller)).then(|| shown(mount, path)).flatten()
    })?;
    Some(Cgroup { controller: controller.to_owned(), version: 1, parent: HostPath::new(&own).ok()? })
}

/// Version 2: one group for all of them, in the nearest directory that has them all, else in the uppermost. A group that limits
/// what is below it can't hold processes, so it is never our own; but the root of all can.
fn second<'w>(
    wanted: &[&'w String],
    own: &str,
    mounts: &[Mount<'_>],
    read: &dyn Fn(&str) -> String,
) -> Option<(HostPath, Vec<&'w String>)> {
    let path = path(own, str::is_empty)?;
    let (mount, own) =
        mounts.iter().filter(|mount| mount.version == 2).find_map(|mount| Some((mount, shown(mount, path)?)))?;
    let mut place = if own == mount.at { own.as_str() } else { own.rsplit_once('/')?.0 };
    loop {
        let list = read(&format!("{place}/cgroup.controllers"));
        let there: Vec<&String> = wanted.iter().copied().filter(|wanted| has(&list, wanted)).collect();
        if there.len() == wanted.len() || place == mount.at {
            return Some((HostPath::new(place).ok()?, there));
        }
        place = place.rsplit_once('/')?.0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HYBRID: &str = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                          33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                          40 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const UNIFIED: &str = "24 23 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    fn place(wanted: &str, own: &str, mounts: &str, lists: &[(&str, &str)]) -> Vec<(String, u8, String)> {
        let wanted = wanted.split(' ').map(String::from).collect();
        let read = |path: &str| lists.iter().find(|(name, _)| *name == path).map_or("", |(_, list)| list).to_owned();
        let found = find(&wanted, own, mounts, &read);
        found.into_iter().map(|group| (group.controller, group.version, group.parent.to_string())).collect()
    }

    fn one(controller: &str, version: u8, parent: &str) -> Vec<(String, u8, String)> {
        vec![(controller.into(), version, parent.into())]
    }

    #[test]
    fn version_1_is_found_by_its_controller_and_goes_below_our_own_group() {
        let own = "4:memory:/a/b\n1:cpu,cpuacct:/\n0::/x\n";
        assert_eq!(place("memory", own, HYBRID, &[]), one("memory", 1, "/sys/fs/cgroup/memory/a/b"));
        assert_eq!(place("cpu", own, HYBRID, &[]), one("cpu", 1, "/sys/fs/cgroup/cpu"));
        assert_eq!(place("pids", own, HYBRID, &[]), []);
    }

    #[test]
    fn version_2_goes_beside_our_own_group_or_above_it_but_into_one_place() {
        let own = "0::/system.slice/redis.service\n";
        let lists = [
            ("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"),
            ("/sys/fs/cgroup/system.slice/cgroup.controllers", "memory pids\n"),
        ];
        let slice = "/sys/fs/cgroup/system.slice";
        assert_eq!(place("memory", own, UNIFIED, &lists), one("memory", 2, slice));
        let both = [one("memory", 2, slice), one("pids", 2, slice)].concat();
        assert_eq!(place("memory pids", own, UNIFIED, &lists), both);
        let root = "/sys/fs/cgroup";
        let both = [one("cpu", 2, root), one("memory", 2, root)].concat();
        assert_eq!(place("memory cpu", own, UNIFIED, &lists), both);
        assert_eq!(place("cpu", "0::/\n", UNIFIED, &lists), one("cpu", 2, root));
        assert_eq!(place("io memory", own, UNIFIED, &lists), one("memory", 2, root));
    }

    #[test]
    fn what_is_not_mounted_here_is_not_there() {
        let part = "24 23 0:22 /docker/1 /sys/fs/cgroup rw - cgroup cgroup rw,memory\n";
        assert_eq!(place("memory", "4:memory:/docker/1\n", part, &[]), one("memory", 1, "/sys/fs/cgroup"));
        assert_eq!(place("memory", "4:memory:/docker/2\n", part, &[]), []);
        assert_eq!(place("memory", "4:memory:/../x\n", HYBRID, &[]), []);
    }
}
