//! The child's root: how it lets go of the host's tree, and takes the one that was built for it.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, move_mount, unmount,
};
use thinjail_plan::step::ProcView;
use thinjail_sys::linux::mount::{MountAttr, mount_setattr};

use super::super::message::Phase;
use super::super::tree::WITHIN;
use super::{Failure, at, io_at};

/// Lets go of the host's tree, for a mount that shows nothing of it and will be covered. Both pivot_root(2), which asks every
/// thread of the host for its root, and umount2(2), which waits for every processor, are done while the supervisor builds the
/// tree.
pub(super) fn leave_host(elsewhere: &OwnedFd) -> Result<(), Failure> {
    leave_chroot(elsewhere).map_err(at(Phase::Private))?;
    // Shared mounts would carry what we do here back to the host: the lazy unmount below would take the host's own
    // mounts away.
    mount_setattr(fs::CWD, c"/", true, MountAttr::default()).map_err(io_at(Phase::Private))?;
    move_mount(elsewhere, c"", fs::CWD, c"/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(at(Phase::Pivot))?;
    rustix::process::fchdir(elsewhere).map_err(at(Phase::Pivot))?;
    // pivot_root(2): with "." twice the old root ends up on top of the new one, and no directory for it is needed.
    rustix::process::pivot_root(c".", c".").map_err(at(Phase::Pivot))?;
    unmount(c".", UnmountFlags::DETACH).map_err(at(Phase::Detach))?;
    rustix::process::chdir(c"/").map_err(at(Phase::Detach))
}

/// A directory in which nothing is, and never will be.
pub(super) fn empty() -> Result<OwnedFd, Errno> {
    let fs = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(fs.as_fd(), c"mode", c"0555")?;
    fsconfig_create(fs.as_fd())?;
    fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY | LOCKED)
}

/// What no mount of ours but the program's own needs.
const LOCKED: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Makes the tree our root. It covers what we stood on for good: whoever may chroot(2) and climbs out of it by `..` is stopped at
/// its top, since nothing but a mount's top is above; path_resolution(7).
pub(super) fn take_root(root: &OwnedFd) -> Result<(), Failure> {
    move_mount(root, c"", fs::CWD, c"/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(at(Phase::Attach))?;
    rustix::process::fchdir(root).map_err(at(Phase::Attach))?;
    rustix::process::chroot(c".").map_err(at(Phase::Attach))
}

/// If we were started in a chroot(2), goes to the root of the namespace: what is above would stay there under the jail, and
/// CAP_SYS_CHROOT is all that is needed to climb to it.
fn leave_chroot(elsewhere: &OwnedFd) -> Result<(), Errno> {
    let start = fs::open(c"/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let place = || -> Result<_, Errno> {
        let stat = fs::statx(fs::CWD, c".", AtFlags::empty(), StatxFlags::INO | StatxFlags::MNT_ID)?;
        Ok((stat.stx_mnt_id, stat.stx_ino))
    };
    // With a root elsewhere, `..` ends at the root of the namespace only.
    rustix::process::fchdir(elsewhere)?;
    rustix::process::chroot(c".")?;
    rustix::process::fchdir(start)?;
    let mut last = None;
    loop {
        let here = place()?;
        if last == Some(here) {
            return rustix::process::chroot(c".");
        }
        last = Some(here);
        rustix::process::chdir(c"../../../../../../../..")?;
    }
}

/// Attaches one of the mounts that had to wait, at a place below the root that is opened without following links.
pub(super) fn attach_late<Fd: AsFd>(root: &OwnedFd, mount: Fd, place: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let point = fs::openat2(root, place, flags, Mode::empty(), WITHIN)?;
    let onto = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", &point, c"", onto)
}

/// proc(5) of our pid namespace.
pub(super) fn proc(view: ProcView) -> Result<OwnedFd, Errno> {
    let fs = fsopen(c"proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    if view == ProcView::Pid {
        fsconfig_set_string(fs.as_fd(), c"subset", c"pid")?;
        // What a process may not trace it does not see: pid 1 above all, whose command line is the host's business.
        fsconfig_set_string(fs.as_fd(), c"hidepid", c"ptraceable")?;
    }
    fsconfig_create(fs.as_fd())?;
    // Read-only: a jailed root could write /proc/sys/kernel/core_pattern without any capability.
    fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY | LOCKED)
}
