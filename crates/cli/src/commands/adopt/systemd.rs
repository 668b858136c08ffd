//! A service of systemd on this host, as systemctl(1) tells of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use thinjail_plan::adopt::systemd::{Given, describe, drop_in, environment_files, program};
use thinjail_plan::adopt::unit::Unit;
use thinjail_plan::init::{Command, Content};

use super::Found;
use crate::init::command::said;
use crate::init::place::State;
use crate::report::Failure;

fn systemctl(words: &[&str]) -> Command {
    ["systemctl"].iter().chain(words).map(|word| (*word).to_owned()).collect()
}

fn property(name: &str, unit: &str) -> String {
    said(&systemctl(&["show", "--value", "-p", name, unit])).trim().to_owned()
}

/// Its main process, if it runs.
pub(super) fn main_pid(name: &str) -> Option<i32> {
    property("MainPID", &format!("{name}.service")).parse().ok().filter(|pid| *pid > 0)
}

/// The name itself, where an alias was given.
pub(super) fn name(given: &str) -> String {
    let given = given.strip_suffix(".service").unwrap_or(given);
    let id = property("Id", &format!("{given}.service"));
    id.strip_suffix(".service").unwrap_or(given).to_owned()
}

/// All that is known of it.
pub(super) fn find(name: &str) -> Result<Found, Failure> {
    let full = &format!("{name}.service");
    let text = said(&systemctl(&["cat", "--no-pager", full]));
    let unit = Unit::parse(&text);
    if text.is_empty() || property("LoadState", full) != "loaded" {
        return Err(Failure::new(format!("there is no service {name} of systemd"))
            .help("`systemctl list-unit-files --type service` lists them"));
    }
    if property("TriggeredBy", full).contains(".socket") {
        return Err(Failure::new(format!("{full} can't be adopted"))
            .cause("systemd hands it its sockets, and a jail's supervisor takes none")
            .help(format!("disable {name}.socket if the service can open its sockets itself")));
    }
    let pid = main_pid(name);
    let read = |path: String| Some((path.clone(), std::fs::read_to_string(path).ok()?));
    let files: BTreeMap<String, String> = environment_files(&unit).into_iter().filter_map(read).collect();
    let script = program(&unit).is_some_and(|path| is_script(&path));
    let running = if script { pid.and_then(command) } else { None };
    if script && running.is_none() {
        return Err(Failure::new(format!("{full} can't be adopted"))
            .cause("it starts a script, and what that becomes is seen only while it runs")
            .help(format!("`systemctl start {full}` first")));
    }
    let mut described = describe(&unit, &Given { service: name, files, running })?;
    if script {
        described.notes.push("the command is that of the process that runs; its script is not run any more".to_owned());
        // It would be root's from now on, and a process may change what it says of itself.
        if let Some(uid) = pid.and_then(uid).filter(|uid| *uid != 0 && described.user.is_none()) {
            described.notes.push(format!(
                "that process has become uid {uid}, and could say anything: see that the command and its paths are those of {full}"
            ));
        }
    }
    let of = described.clone();
    Ok(Found {
        described,
        hook: Box::new(move |service| {
            let placed = drop_in(&unit, &of, service)?;
            let Content::File { text, mode } = placed.content else { return None };
            Some((PathBuf::from(placed.path.as_str()), State::File { text, mode, owner: None }))
        }),
        load: vec![systemctl(&["daemon-reload"])],
        runs: systemctl(&["--quiet", "is-active", full]),
        stop: systemctl(&["stop", full]),
        start: systemctl(&["start", full]),
        said: Some(["journalctl", "-q", "--no-pager", "-o", "cat", "-n", "8", "-u", full].map(str::to_owned).to_vec()),
        pid,
    })
}

fn is_script(path: &str) -> bool {
    let mut head = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"#!"
}

/// As whom a process runs; proc_pid_status(5).
fn uid(pid: i32) -> Option<u32> {
    effective(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn effective(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1)?.parse().ok())
}

/// The program of a process, and its arguments.
fn command(pid: i32) -> Option<Vec<String>> {
    let exe = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let arguments = text.trim_end_matches('\0').split('\0').skip(1).map(str::to_owned);
    Some([exe.to_str()?.to_owned()].into_iter().chain(arguments).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_whom_a_process_runs_is_told_by_its_effective_uid() {
        let status = "Name:\tUid: 7\nUmask:\t0022\nUid:\t1\t1000\t2\t3\nGid:\t4\t4\t4\t4\n";
        assert_eq!(effective(status), Some(1000));
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
