//! Without root: a user namespace in which the caller is mapped to itself and to nobody else, and which setting of the host
//! it is that refuses one.

use std::io;

use thinjail_plan::plan::Ids;
use thinjail_sys::linux::user_namespace::unshare_user;

use crate::run::RunError;

/// The name in a plan's list of namespaces.
pub(super) const USER: &str = "user";

/// Enters it. The same number inside and outside: what the plan says of owners holds on both sides.
pub(super) fn enter(ids: &Ids) -> Result<(), RunError> {
    let failed = |what: &str, cause: io::Error| {
        let help = refused_by(&cause, &|path| std::fs::read_to_string(path).ok());
        RunError::setup(what.to_owned(), cause).help(help)
    };
    unshare_user().map_err(|cause| failed("give the jail a user namespace, since the caller is not root", cause))?;
    // Without it a member of a group could drop that group, and with it a permission that is denied to its members; the
    // kernel lets nobody without privilege map a group before. user_namespaces(7).
    write("setgroups", "deny").map_err(|cause| failed("give up setgroups(2) in the user namespace", cause))?;
    let one = |id: u32| format!("{id} {id} 1");
    write("uid_map", &one(ids.uid))
        .and_then(|()| write("gid_map", &one(ids.gid)))
        .map_err(|cause| failed(&format!("map user {} and group {} into the user namespace", ids.uid, ids.gid), cause))
}

fn write(name: &str, text: &str) -> io::Result<()> {
    let path = format!("/proc/self/{name}");
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    // The kernel takes each of them in one write(2).
    io::Write::write_all(&mut file, text.as_bytes())
}

/// Where Ubuntu from 23.10 on says that only programs with a profile of AppArmor's may use a user namespace.
const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
/// Debian's and Arch's own switch.
const DEBIAN: &str = "/proc/sys/kernel/unprivileged_userns_clone";
/// RHEL's way to switch them off, and anybody's.
const LIMIT: &str = "/proc/sys/user/max_user_namespaces";

/// What to do about an error that a user namespace, or what was tried in one, has met. `read` is the text of a setting.
#[must_use]
pub(crate) fn refused_by(cause: &io::Error, read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    use rustix::io::Errno;
    match Errno::from_io_error(cause)? {
        Errno::PERM | Errno::ACCESS | Errno::NOSPC | Errno::USERS => Some(switch(read).unwrap_or_else(|| {
            "user namespaces are refused, as containers do: run it as root, or in a container that allows them".into()
        })),
        Errno::INVAL => Some("the kernel is built without user namespaces (CONFIG_USER_NS): run it as root".into()),
        Errno::NOENT => Some("without root a mounted /proc is needed: mount it".into()),
        _ => None,
    }
}

/// The setting that is off, and how it is switched on for good.
#[must_use]
pub(crate) fn switch(read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let is = |path: &str, value: &str| read(path).is_some_and(|text| text.trim() == value);
    let sysctl = |name: &str, value: &str| {
        format!(
            "{name} forbids it: as root, `echo {name}={value} >/etc/sysctl.d/50-thinjail.conf && sysctl --system`; \
             or run it as root"
        )
    };
    if is(DEBIAN, "0") {
        Some(sysctl("kernel.unprivileged_userns_clone", "1"))
    } else if is(LIMIT, "0") {
        Some(sysctl("user.max_user_namespaces", "15000"))
    } else if is(APPARMOR, "1") {
        Some(apparmor())
    } else {
        None
    }
}

/// As Ubuntu's own profiles for such programs are written; /etc/apparmor.d/bwrap-userns-restrict and its neighbours.
fn apparmor() -> String {
    let program =
        std::env::current_exe().map_or_else(|_| "/usr/local/bin/thinjail".into(), |path| path.display().to_string());
    format!(
        "kernel.apparmor_restrict_unprivileged_userns forbids it: as root, write these lines into /etc/apparmor.d/thinjail \
         and run `apparmor_parser -r /etc/apparmor.d/thinjail`; or run it as root\n\
         abi <abi/4.0>,\n\
         include <tunables/global>\n\
         profile thinjail {program} flags=(unconfined) {{ userns, }}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(errno: i32, settings: &[(&str, &str)]) -> String {
        let read = |path: &str| settings.iter().find(|(name, _)| path == *name).map(|(_, value)| format!("{value}\n"));
        refused_by(&io::Error::from_raw_os_error(errno), &read).unwrap_or_default()
    }

    const EPERM: i32 = 1;
    const EACCES: i32 = 13;
    const ENOSPC: i32 = 28;

    #[test]
    fn each_distribution_s_switch_is_named_with_the_line_that_turns_it() {
        let debian = help(EPERM, &[(DEBIAN, "0"), (LIMIT, "1000")]);
        assert!(debian.contains("echo kernel.unprivileged_userns_clone=1 >/etc/sysctl.d/"), "{debian}");
        let rhel = help(ENOSPC, &[(LIMIT, "0")]);
        assert!(rhel.contains("echo user.max_user_namespaces=15000 >/etc/sysctl.d/"), "{rhel}");
        for errno in [EPERM, EACCES] {
            let ubuntu = help(errno, &[(APPARMOR, "1"), (DEBIAN, "1"), (LIMIT, "1000")]);
            assert!(ubuntu.contains("apparmor_parser -r /etc/apparmor.d/thinjail"), "{ubuntu}");
            assert!(ubuntu.contains("\nprofile thinjail /") && ubuntu.contains(" { userns, }"), "{ubuntu}");
        }
    }

    #[test]
    fn a_refusal_of_nobody_s_is_a_container_s() {
        let said = help(EPERM, &[(DEBIAN, "1"), (APPARMOR, "0"), (LIMIT, "1000")]);
        assert!(said.contains("container"), "{said}");
    }
}
