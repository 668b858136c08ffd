//! What Linux needs for jails, tried where it leaves no trace: a mount that is never attached is gone with its descriptor.

use std::io;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsmount, fsopen, open_tree,
};
use thinjail_plan::plan::Ids;
use thinjail_sys::linux::landlock;
use thinjail_sys::linux::mount::{MountAttr, mount_setattr};

use super::{source, unprivileged};
use crate::doctor::Finding;

/// The text of a setting; none where there is none.
type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything, in the order in which a start would meet it.
pub(crate) fn look() -> Vec<Finding> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let root = rustix::process::geteuid().is_root();
    let mut found = vec![kernel(&rustix::system::uname().release().to_string_lossy()), root_mount(&read)];
    found.push(namespaces(&read));
    found.push(user_namespaces(root, &read));
    found.push(seccomp(&read));
    found.push(landlock(landlock::abi()));
    found.push(cgroups(&read));
    found.extend(settings(&read));
    // Last: an ordinary user enters a namespace for it.
    found.push(mounts(root));
    found
}

fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match version >= (5, 12) {
        true => Finding::ok("kernel", format!("Linux {release}")),
        false => Finding::fails("kernel", format!("Linux {release}"), "install Linux 5.12 or newer"),
    }
}

/// pivot_root(2) can't leave an initramfs.
fn root_mount(read: Read<'_>) -> Finding {
    const NAME: &str = "root file system";
    let Some(table) = read("/proc/self/mountinfo") else {
        return Finding::fails(NAME, "there is no /proc", "mount -t proc proc /proc");
    };
    let at_root = table.lines().filter(|line| line.split(' ').nth(4) == Some("/"));
    let kind = at_root.filter_map(|line| line.split(" - ").nth(1)?.split(' ').next()).next_back().unwrap_or("unknown");
    match kind {
        "rootfs" => {
            Finding::fails(NAME, "the system still runs on its initramfs", "switch_root(8) to a real root first")
        }
        kind => Finding::ok(NAME, kind),
    }
}

fn namespaces(read: Read<'_>) -> Finding {
    let off: Vec<String> = ["mnt", "pid", "ipc", "uts", "net"]
        .into_iter()
        .map(|kind| format!("user.max_{kind}_namespaces"))
        .filter(|name| read(&format!("/proc/sys/{}", name.replace('.', "/"))).is_some_and(|text| text.trim() == "0"))
        .collect();
    match off.first() {
        None => Finding::ok("namespaces", "ipc mount net pid uts"),
        Some(first) => Finding::fails(
            "namespaces",
            format!("{} is 0", off.join(", ")),
            format!("as root, `sysctl -w {first}=15000`"),
        ),
    }
}

fn user_namespaces(root: bool, read: Read<'_>) -> Finding {
    const NAME: &str = "jails without root";
    if read("/proc/self/uid_map").is_none() {
        return Finding::lacks(NAME, "the kernel has no user namespaces", "use a kernel with CONFIG_USER_NS");
    }
    match unprivileged::switch(read) {
        None => Finding::ok(NAME, "user namespaces are allowed"),
        Some(fix) if root => Finding::lacks(NAME, "user namespaces are forbidden to ordinary users", fix),
        Some(fix) => Finding::fails(NAME, "user namespaces are forbidden", fix),
    }
}

fn seccomp(read: Read<'_>) -> Finding {
    match read("/proc/sys/kernel/seccomp/actions_avail") {
        Some(actions) if actions.contains("errno") => Finding::ok("seccomp", "filters"),
        _ => Finding::fails("seccomp", "no filters", "use a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

fn landlock(abi: u32) -> Finding {
    let boot = "use a kernel with CONFIG_SECURITY_LANDLOCK, and boot it with landlock among its lsm=";
    match abi {
        0 => Finding::lacks("landlock", "none", boot),
        1..=3 => Finding::lacks(
            "landlock",
            format!("ABI {abi}: no rules for ports, no scopes"),
            "install Linux 6.12 or newer",
        ),
        4..=5 => Finding::lacks("landlock", format!("ABI {abi}: no scopes"), "install Linux 6.12 or newer"),
        abi => Finding::ok("landlock", format!("ABI {abi}")),
    }
}

fn cgroups(read: Read<'_>) -> Finding {
    const NAME: &str = "cgroups";
    if let Some(controllers) = read("/sys/fs/cgroup/cgroup.controllers") {
        let there = |wanted: &&str| controllers.split_whitespace().any(|name| name == *wanted);
        let missing: Vec<&str> = ["cpu", "memory", "pids"].into_iter().filter(|wanted| !there(wanted)).collect();
        return match missing.is_empty() {
            true => Finding::ok(NAME, format!("version 2: {}", controllers.trim())),
            false => Finding::lacks(
                NAME,
                format!("version 2, without {}", missing.join(" ")),
                "boot with cgroup_no_v1=all, so that no controller is taken by version 1",
            ),
        };
    }
    let mounted = read("/proc/self/mountinfo").unwrap_or_default();
    let one = |line: &str| line.split(" - ").nth(1).is_some_and(|rest| rest.starts_with("cgroup "));
    match mounted.lines().any(one) {
        true => Finding::ok(NAME, "version 1"),
        false => Finding::lacks(NAME, "none is mounted", "mount -t cgroup2 none /sys/fs/cgroup"),
    }
}

/// Settings of the host that make every jail weaker.
fn settings(read: Read<'_>) -> Vec<Finding> {
    let cases = [
        ("hard links", "fs.protected_hardlinks", "0", "1", "who can link a file into a mounted directory brings it in"),
        ("core dumps", "fs.suid_dumpable", "1", "2", "a jail's start can be traced by who is its user on the host"),
        ("terminals", "dev.tty.legacy_tiocsti", "1", "0", "a program with `tty` can type into the caller's terminal"),
    ];
    let look = |(name, setting, bad, good, why): (&'static str, &str, &str, &str, &str)| {
        let value = read(&format!("/proc/sys/{}", setting.replace('.', "/")))?;
        Some(match value.trim() == bad {
            true => Finding::lacks(
                name,
                format!("{setting} = {bad}: {why}"),
                format!("as root, `sysctl -w {setting}={good}`"),
            ),
            false => Finding::ok(name, format!("{setting} = {}", value.trim())),
        })
    };
    cases.into_iter().filter_map(look).collect()
}

/// The calls that build a tree, tried.
fn mounts(root: bool) -> Finding {
    const NAME: &str = "mounts";
    if !root {
        let ids = Ids {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            groups: Vec::new(),
        };
        if let Err(error) = unprivileged::enter(&ids) {
            let fix = error.help.clone().unwrap_or_else(|| "run it as root".into());
            return Finding::fails(NAME, reason(&error), fix);
        }
    }
    match attempt() {
        Ok(()) => Finding::ok(NAME, "a tree was made, and is gone"),
        Err((call, cause)) => {
            let fix =
                source::setting(cause).unwrap_or_else(|| "run it as root, or in a container that may mount".into());
            Finding::fails(NAME, format!("{call}: {cause}"), fix)
        }
    }
}

fn reason(error: &crate::run::RunError) -> String {
    match &error.cause {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn attempt() -> Result<(), (&'static str, Errno)> {
    let at = |call: &'static str| move |cause: Errno| (call, cause);
    let io_at = |call: &'static str| move |cause: io::Error| (call, Errno::from_io_error(&cause).unwrap_or(Errno::IO));
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(at("fsopen(2)"))?;
    fsconfig_create(&context).map_err(at("fsconfig(2)"))?;
    let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NOSUID)
        .map_err(at("fsmount(2)"))?;
    mount_setattr(&mount, c"", false, MountAttr::RDONLY).map_err(io_at("mount_setattr(2)"))?;
    let null = fs::open(c"/dev/null", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(at("open /dev/null"))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(&null, c"", flags).map_err(at("open_tree(2)")).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    fn host(settings: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |path| settings.iter().find(|(name, _)| *name == path).map(|(_, value)| (*value).to_owned())
    }

    #[track_caller]
    fn assert_told(finding: &Finding, state: State, fix: &str) {
        assert_eq!(finding.state, state, "{finding:?}");
        assert!(finding.fix.as_deref().unwrap_or_default().contains(fix), "{finding:?}");
        assert_eq!(finding.fix.is_some(), state != State::Ok, "{finding:?}");
    }

    #[test]
    fn an_old_kernel_an_initramfs_and_a_limit_of_namespaces_fail() {
        assert_told(&kernel("5.10.0-28-amd64"), State::Fails, "5.12");
        assert_told(&kernel("5.12-rc1"), State::Ok, "");
        assert_told(&kernel("6.18.44"), State::Ok, "");
        let initramfs = host(&[("/proc/self/mountinfo", "1 1 0:2 / / rw - rootfs rootfs rw\n")]);
        assert_told(&root_mount(&initramfs), State::Fails, "switch_root(8)");
        assert_told(
            &root_mount(&host(&[("/proc/self/mountinfo", "1 1 0:2 / / rw - ext4 /dev/sda rw\n")])),
            State::Ok,
            "",
        );
        assert_told(&root_mount(&host(&[])), State::Fails, "mount -t proc");
        assert_told(
            &namespaces(&host(&[("/proc/sys/user/max_pid_namespaces", "0\n")])),
            State::Fails,
            "sysctl -w user.max_pid",
        );
        assert_told(&namespaces(&host(&[])), State::Ok, "");
    }

    #[test]
    fn what_forbids_user_namespaces_fails_for_who_is_not_root() {
        let ubuntu =
            host(&[("/proc/self/uid_map", ""), ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")]);
        assert_told(&user_namespaces(false, &ubuntu), State::Fails, "apparmor_parser -r");
        assert_told(&user_namespaces(true, &ubuntu), State::Lacks, "apparmor_parser -r");
        for (setting, fix) in [
            ("/proc/sys/kernel/unprivileged_userns_clone", "echo kernel.unprivileged_userns_clone=1 >/etc/sysctl.d/"),
            ("/proc/sys/user/max_user_namespaces", "echo user.max_user_namespaces=15000 >/etc/sysctl.d/"),
        ] {
            let read = |path: &str| match path {
                "/proc/self/uid_map" => Some(String::new()),
                _ => (path == setting).then(|| "0\n".to_owned()),
            };
            assert_told(&user_namespaces(false, &read), State::Fails, fix);
            assert_told(&user_namespaces(true, &read), State::Lacks, fix);
        }
        assert_told(&user_namespaces(false, &host(&[("/proc/self/uid_map", "")])), State::Ok, "");
        assert_told(&user_namespaces(true, &host(&[])), State::Lacks, "CONFIG_USER_NS");
    }

    #[test]
    fn what_a_profile_may_ask_for_is_told_with_its_fix() {
        assert_told(&landlock(0), State::Lacks, "lsm=");
        assert_told(&landlock(3), State::Lacks, "6.12");
        assert_told(&landlock(6), State::Ok, "");
        assert_told(&seccomp(&host(&[])), State::Fails, "CONFIG_SECCOMP_FILTER");
        let two = host(&[("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")]);
        assert_told(&cgroups(&two), State::Ok, "");
        assert_told(&cgroups(&host(&[("/sys/fs/cgroup/cgroup.controllers", "cpu\n")])), State::Lacks, "cgroup_no_v1");
        let one = host(&[("/proc/self/mountinfo", "1 1 0:2 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n")]);
        assert_told(&cgroups(&one), State::Ok, "");
        assert_told(&cgroups(&host(&[])), State::Lacks, "mount -t cgroup2");
        let weak =
            settings(&host(&[("/proc/sys/fs/protected_hardlinks", "0\n"), ("/proc/sys/fs/suid_dumpable", "2\n")]));
        assert_told(&weak[0], State::Lacks, "fs.protected_hardlinks=1");
        assert_told(&weak[1], State::Ok, "");
        assert_eq!(weak.len(), 2);
    }
}
