//! `thinjail ldd` beside those that list libraries: one program with many, and all programs of the machine in one call.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::peers::{Absent, Peer, Scene, present};
use super::sample::{self, Row};
use crate::error::{Context, Result};

/// A program of about 60 libraries.
pub(super) const PROGRAM: &str = "/usr/bin/gdb";

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

const DIRECTORIES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/libexec"];

/// What was measured.
pub(super) struct Listing {
    pub(super) rows: Vec<Row>,
    pub(super) absent: Vec<Absent>,
    pub(super) all: All,
}

/// One call with every ELF program.
pub(super) struct All {
    pub(super) programs: usize,
    pub(super) median: Duration,
    /// The most memory it had, in bytes.
    pub(super) memory: u64,
}

pub(super) fn measure(scene: &Scene, rounds: usize) -> Result<Listing> {
    let ours = [scene.thinjail.as_os_str(), "ldd".as_ref(), PROGRAM.as_ref()];
    let (peers, absent) = present(vec![
        Peer::new("thinjail", ours),
        Peer::new("libtree", ["libtree", PROGRAM]),
        Peer::new("ld.so --list", [LOADER, "--list", PROGRAM]),
        Peer::new("ldd", ["ldd", PROGRAM]),
        Peer::new("lddtree", ["/usr/bin/python3", "/usr/bin/lddtree", "-l", PROGRAM]),
    ]);
    let rows = sample::in_turns(&peers, rounds, sample::whole)?;

    let programs = elf_programs();
    let mut argv = vec![scene.thinjail.clone(), "ldd".into()];
    argv.extend(programs.iter().cloned());
    let all = [Peer::new("all", argv)];
    // Some of the machine's programs may lack a library; that is an answer, too.
    let times = sample::in_turns(&all, (rounds / 10).max(1), |peer| Ok(sample::timed(peer)?.0))?;
    let median = times.first().map(Row::median).unwrap_or_default();
    let memory = all.first().map(most_memory).transpose()?.unwrap_or_default();
    Ok(Listing { rows, absent, all: All { programs: programs.len(), median, memory } })
}

/// The ELF files that may be executed.
pub(crate) fn elf_programs() -> Vec<PathBuf> {
    let entries = DIRECTORIES.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
    let mut programs: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_program(path)).collect();
    programs.sort();
    programs
}

fn is_program(path: &Path) -> bool {
    let executable = path.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let mut magic = [0; 4];
    executable && File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

/// `VmHWM` of a run, asked until it ends; it only grows.
fn most_memory(peer: &Peer) -> Result<u64> {
    let mut command = peer.command();
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context(|| format!("run {}", peer.name))?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().context(|| "wait for thinjail".into())?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        most = most.max(kib.unwrap_or(0_u64));
    }
    Ok(most * 1024)
}
