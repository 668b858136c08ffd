//! /dev: a mount with nodes of its own, of the root's file system where the kernel can do that, else of a small tmpfs. One mount
//! where a bind of each of the host's nodes would be five, and a jailed root can't reach the host's nodes at all.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, Uid};
use rustix::io::Errno;
use thinjail_plan::path::RootPath;
use thinjail_plan::step::{Access, Source};
use thinjail_sys::linux::mount::MountAttr;

use super::{source, tree};
use crate::run::RunError;

/// Room for the names of nodes, which is all there is to it.
const SIZE: u64 = 64 << 10;

/// What holds once everything is in it: nobody changes owner or mode of a node, and writing to a device needs no writable
/// mount.
pub(super) const LOCKED: Access = Access { write: false, exec: false, dev: true };

/// The nodes, in `mount` or in a tmpfs if there is none, which is writable as yet. None where we may not make nodes (a container
/// whose devices are limited, a user namespace), and the host's nodes have to be mounted one by one.
pub(super) fn nodes(at: &RootPath, nodes: &[Source], mount: Option<OwnedFd>) -> Result<Option<OwnedFd>, RunError> {
    let mount = match mount {
        Some(mount) => mount,
        None => tree::tmpfs(at, SIZE, 0o755, (0, 0), Access { write: true, ..LOCKED })?,
    };
    for (made, node) in nodes.iter().enumerate() {
        let stat = source::stat(node)?;
        let make = || -> Result<(), Errno> {
            let file_type = FileType::from_raw_mode(stat.st_mode);
            let mode = Mode::from_raw_mode(stat.st_mode);
            let name = node.path.name().unwrap_or_default();
            fs::mknodat(&mount, name, file_type, mode, stat.st_rdev)?;
            if (stat.st_uid, stat.st_gid) != (0, 0) {
                let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
                fs::chownat(&mount, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Ok(())
        };
        match make() {
            Ok(()) => {}
            Err(Errno::PERM | Errno::ACCESS) => {
                // The directory may be the root's own, in which mountpoints of these names are made next. Of the last one the owner
                // may be what was refused.
                for node in &nodes[..=made] {
                    let _ = fs::unlinkat(&mount, node.path.name().unwrap_or_default(), AtFlags::empty());
                }
                return Ok(None);
            }
            Err(cause) => {
                let what = format!("make a node for {} inside", node.path);
                return Err(RunError::setup(what, io::Error::from(cause)));
            }
        }
    }
    Ok(Some(mount))
}

/// [`LOCKED`] as the kernel takes it.
pub(super) fn locked() -> MountAttr {
    source::attributes(LOCKED)
}
