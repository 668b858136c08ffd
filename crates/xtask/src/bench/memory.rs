//! What memory is nobody else's: the private pages of the processes that stay while a jail runs.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::Duration;

use super::peers::{Peer, Scene};
use crate::error::{Context, Error, Result};

const SLEEP: &str = "/bin/sleep";

/// A process that stays, and its private bytes.
pub(super) struct Process {
    pub(super) name: String,
    pub(super) alone: u64,
    /// While a second jail of the kind runs, which shares the pages of the jailer's own program.
    pub(super) of_two: u64,
}

/// Of each process around a program that sleeps.
pub(super) fn private(scene: &Scene) -> Result<Vec<Process>> {
    let thinjail = scene.thinjail.as_os_str();
    let ours = Peer::new("thinjail", [thinjail, "run".as_ref(), SLEEP.as_ref(), "60".as_ref()]);
    let words = ["bwrap", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", SLEEP, "60"];
    let theirs = Peer::new("bwrap", words);
    let mut all = around(&ours, ["supervisor", "init inside"])?;
    all.extend(around(&theirs, ["outer process", "init inside"])?);
    Ok(all)
}

/// The peer's own processes: the one that was started, and its child, whose child is the program.
fn around(peer: &Peer, names: [&str; 2]) -> Result<Vec<Process>> {
    let first = Jail::start(peer)?;
    let alone = first.sizes()?;
    let _second = Jail::start(peer)?;
    let of_two = first.sizes()?;
    let processes = names.iter().zip(alone).zip(of_two);
    Ok(processes
        .map(|((name, alone), of_two)| Process { name: format!("{}, {name}", peer.name), alone, of_two })
        .collect())
}

/// One that runs; it dies with whom we started.
struct Jail {
    child: Child,
    pids: [u32; 2],
}

impl Jail {
    fn start(peer: &Peer) -> Result<Self> {
        let child = peer.command().spawn().context(|| format!("run {}", peer.name))?;
        let mut jail = Self { pids: [child.id(); 2], child };
        jail.pids = settled(&jail.child)?;
        Ok(jail)
    }

    fn sizes(&self) -> Result<[u64; 2]> {
        Ok([size(self.pids[0])?, size(self.pids[1])?])
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        // One that has ended by itself is ended all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settled(child: &Child) -> Result<[u32; 2]> {
    for _ in 0..200 {
        thread::sleep(Duration::from_millis(10));
        let outer = child.id();
        let Some(inner) = child_of(outer) else { continue };
        let Some(program) = child_of(inner) else { continue };
        let running = fs::read_link(format!("/proc/{program}/exe")).unwrap_or_default();
        if running.file_name() == Path::new(SLEEP).file_name() {
            // What only the start needed is given back while the program is loaded.
            thread::sleep(Duration::from_millis(200));
            return Ok([outer, inner]);
        }
    }
    Err(Error::new("no program came up in the jail within two seconds"))
}

fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn size(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).context(|| format!("read {path}"))?;
    Ok(private_bytes(&text))
}

fn private_bytes(rollup: &str) -> u64 {
    let sizes = rollup.lines().filter_map(|line| {
        let (name, size) = line.split_once(':')?;
        if !name.starts_with("Private_") {
            return None;
        }
        size.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    });
    sizes.sum::<u64>() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_and_dirty_private_pages_are_summed() {
        let rollup = "0 - 1 rollup\nRss: 900 kB\nPrivate_Clean:  12 kB\nPrivate_Dirty: 30 kB\nPrivate_Hugetlb: 0 kB\n";
        assert_eq!(private_bytes(rollup), 42 * 1024);
    }
}
