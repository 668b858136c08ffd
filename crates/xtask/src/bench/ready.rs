//! How long a jail with twenty single files keeps its program from starting.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::peers::{Peer, Scene};
use super::sample::{self, Row, failed};
use crate::error::{Context, Error, Result};

/// A program that tells when its main began: bare, in a jail of ours, in one of bubblewrap's. The same twenty-one files.
pub(super) fn peers(scene: &Scene) -> Vec<Peer> {
    let files: Vec<PathBuf> = scene.files.iter().chain([&scene.ready]).cloned().collect();
    vec![
        Peer::new("bare program", [&scene.ready]),
        Peer::new("thinjail", thinjail(scene, &[])),
        Peer::new("bwrap", scene.bwrap(&[], &files, &scene.ready)),
    ]
}

fn thinjail(scene: &Scene, flags: &[&str]) -> Vec<OsString> {
    let mut argv = vec![scene.thinjail.clone().into(), "run".into()];
    argv.extend(flags.iter().map(OsString::from));
    for file in &scene.files {
        argv.extend(["--read".into(), file.into()]);
    }
    argv.push(scene.ready.clone().into());
    argv
}

/// From before the start of the peer until main of the program in it.
pub(super) fn until_main(peer: &Peer) -> Result<Duration> {
    let mut command = peer.command();
    command.stdout(Stdio::piped());
    let start = clock_gettime(ClockId::Monotonic);
    let mut child = command.spawn().context(|| format!("run {}", peer.name))?;
    let mut said = String::new();
    if let Some(out) = &mut child.stdout {
        out.read_to_string(&mut said).context(|| format!("read what {} prints", peer.name))?;
    }
    let status = child.wait().context(|| format!("wait for {}", peer.name))?;
    let main: u64 = said.trim().parse().map_err(|_| failed(&command, peer))?;
    let start = u64::try_from(start.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(start.tv_nsec).unwrap_or_default();
    if status.success() { Ok(Duration::from_nanos(main.saturating_sub(start))) } else { Err(failed(&command, peer)) }
}

/// Building the jail alone: what is between knowing what to do and the program. thinjail tells its own by `--timings`: all
/// but reading the command line, looking at the host and resolving, which its pid 1 makes use of; and all from its fork. bubblewrap's is its
/// time until main less what it takes to load bubblewrap, the better part of what it does before it forks.
pub(super) fn inner(scene: &Scene, rounds: usize, ready: &[Row]) -> Result<Vec<Row>> {
    let own = Peer::new("thinjail", thinjail(scene, &["--timings"]));
    let forked = Peer { name: "thinjail, from its fork", ..own.clone() };
    let own = sample::in_turns(&[own], rounds, building)?;
    let forked = sample::in_turns(&[forked], rounds, fork_to_exec)?;
    let load = sample::in_turns(&[Peer::new("bwrap", ["bwrap", "--version"])], rounds, sample::whole)?;
    let load = load.first().map(Row::median).unwrap_or_default();
    let bwrap = ready.iter().find(|row| row.name == "bwrap").map(|row| row.less(load));
    Ok(own.into_iter().chain(forked).chain(bwrap).collect())
}

fn building(peer: &Peer) -> Result<Duration> {
    let told = told(peer)?;
    let before = timing(&told, "parse")? + timing(&told, "inspect")? + timing(&told, "resolve")?;
    Ok(timing(&told, "in all")?.saturating_sub(before))
}

fn fork_to_exec(peer: &Peer) -> Result<Duration> {
    timing(&told(peer)?, "from fork to exec")
}

fn told(peer: &Peer) -> Result<String> {
    let output = peer.command().output().context(|| format!("run {}", peer.name))?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// `  1.234 ms  phase`.
fn timing(told: &str, phase: &str) -> Result<Duration> {
    let time = told.lines().find_map(|line| {
        let (ms, name) = line.split_once("ms")?;
        if name.trim() == phase { ms.trim().parse::<f64>().ok() } else { None }
    });
    time.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok())
        .ok_or_else(|| Error::new(format!("no time of {phase} in what `thinjail run --timings` told:\n{told}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_found_by_its_name() {
        let told = "    0.266 ms  exec\n    6.089 ms  from fork to exec\n    7.524 ms  in all\n";
        assert_eq!(timing(told, "exec").ok(), Some(Duration::from_micros(266)));
        assert_eq!(timing(told, "from fork to exec").ok(), Some(Duration::from_micros(6089)));
        assert!(timing(told, "fork").is_err());
    }
}
