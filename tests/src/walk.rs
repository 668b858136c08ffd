//! A whole tree, name by name: what the probe sees inside, and what the host's directories hold.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatVfsMountFlags, StatxFlags, statvfs, statx};
use serde::{Deserialize, Serialize};
use thinjail_closure::tree::{FileId, Kind};
use thinjail_plan::step::Access;

/// One name in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path from the root that was walked; `/` is the root itself.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// What it says, if it is a link.
    pub to: Option<String>,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Which file it is.
    pub id: FileId,
    /// Which device it is, `st_rdev`; 0 if it is none.
    pub device: u64,
    /// What is in it, if it is a regular file of at most [`READ_MOST`] bytes.
    pub content: Option<Vec<u8>>,
    /// What may be done with the mount, if one begins here.
    pub mount: Option<Mount>,
}

/// The attributes of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Those that a plan speaks of.
    pub access: Access,
    /// Set-id bits are honoured, which they never are in a jail.
    pub suid: bool,
    /// It is proc(5), below which nothing is listed: that is processes, not files.
    pub proc: bool,
}

/// Bytes of a file that are read: more than any file has that a plan writes.
pub const READ_MOST: u64 = 16 << 10;

/// Every name at and below `root`, parents first, the names in a directory sorted. Links are never followed.
pub fn walk(root: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    enter(root, "/", None, &mut found)?;
    Ok(found)
}

fn enter(real: &Path, path: &str, parent: Option<u64>, found: &mut Vec<Entry>) -> io::Result<()> {
    let meta = fs::symlink_metadata(real)?;
    let kind = kind(meta.file_type());
    let begins = mount_id(real)?;
    let mount = (parent != Some(begins)).then(|| mount(real)).transpose()?;
    let inside_proc = mount.is_some_and(|mount| mount.proc);
    let entry = Entry {
        path: path.to_owned(),
        kind,
        to: (kind == Kind::Symlink).then(|| fs::read_link(real)).transpose()?.map(|to| to.display().to_string()),
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        id: FileId { dev: meta.dev(), ino: meta.ino() },
        device: meta.rdev(),
        content: (kind == Kind::File && meta.len() <= READ_MOST).then(|| fs::read(real).ok()).flatten(),
        mount,
    };
    found.push(entry);
    if kind == Kind::Directory && !inside_proc {
        let names: io::Result<Vec<_>> = fs::read_dir(real)?.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names?;
        names.sort();
        for name in names {
            let below = format!("{}/{}", path.trim_end_matches('/'), name.display());
            match enter(&real.join(&name), &below, Some(begins), found) {
                // It was there a moment ago: a daemon at work.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
    }
    Ok(())
}

fn mount_id(path: &Path) -> io::Result<u64> {
    let told = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID)?;
    Ok(told.stx_mnt_id)
}

fn mount(path: &Path) -> io::Result<Mount> {
    let told = statvfs(path)?;
    let has = |flag| told.f_flag.contains(flag);
    Ok(Mount {
        access: Access {
            write: !has(StatVfsMountFlags::RDONLY),
            exec: !has(StatVfsMountFlags::NOEXEC),
            dev: !has(StatVfsMountFlags::NODEV),
        },
        suid: !has(StatVfsMountFlags::NOSUID),
        proc: rustix::fs::statfs(path)?.f_type == rustix::fs::PROC_SUPER_MAGIC,
    })
}

fn kind(of: fs::FileType) -> Kind {
    match of {
        of if of.is_dir() => Kind::Directory,
        of if of.is_symlink() => Kind::Symlink,
        of if of.is_char_device() => Kind::CharDevice,
        of if of.is_block_device() => Kind::BlockDevice,
        of if of.is_fifo() => Kind::Fifo,
        of if of.is_socket() => Kind::Socket,
        _ => Kind::File,
    }
}
