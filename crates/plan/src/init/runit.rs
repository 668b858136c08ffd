//! A service directory of runit: runsv(8) supervises thinjail, svlogd(8) keeps what is said.

use super::quote::sh;
use super::rotate::logrotate;
use super::{Placed, Service, Text, command};
use crate::path::HostPath;

/// What runsv(8) makes in its `supervise` directory.
const SUPERVISE: [&str; 6] = ["control", "lock", "ok", "pid", "stat", "status"];

pub(super) fn text(service: &Service) -> Text {
    let name = &service.name;
    let dir = format!("/etc/sv/{name}");
    // Not in /etc, which may be read-only; and gone with the next start of the system.
    let supervise = format!("/run/runit/supervise.{name}");
    let supervise_log = format!("{supervise}-log");
    let placed = [
        Placed::file(&format!("{dir}/run"), 0o755, run(service)),
        Placed::file(&format!("{dir}/finish"), 0o755, finish(service)),
        Placed::link(&format!("{dir}/supervise"), &supervise),
        Placed::file(&format!("{dir}/log/run"), 0o755, log_run(service)),
        Placed::link(&format!("{dir}/log/supervise"), &supervise_log),
    ];
    let stop = service.stop_seconds().to_string();
    let made = |dir: &str| SUPERVISE.map(|file| format!("{dir}/{file}")).into_iter().chain([dir.to_owned()]);
    Text {
        placed: placed.into_iter().flatten().collect(),
        rotation: logrotate(service, &[]),
        // runsvdir(8) starts what it finds there, and starts it again if it ends.
        switch: Placed::link(&format!("{}/{name}", service.run_services), &dir),
        disable: vec![command(&["sv", "-w", &stop, "force-shutdown", &dir])],
        run_time: made(&supervise).chain(made(&supervise_log)).filter_map(|path| HostPath::new(&path).ok()).collect(),
        ..Text::default()
    }
}

fn run(service: &Service) -> String {
    format!(
        "\
#!/bin/sh
{origin}
exec 2>&1
exec {thinjail} run {profile}
",
        origin = service.origin(),
        thinjail = sh(service.thinjail.as_str()),
        profile = sh(&service.profile),
    )
}

/// If the supervisor was killed, something may be left on the host.
fn finish(service: &Service) -> String {
    format!(
        "\
#!/bin/sh
{origin}
# $1 is the exit code, or -1 if a signal ended it; $2 that signal.
[ \"${{1:-0}}\" = -1 ] || exit 0
exec 2>&1
exec {thinjail} clean {profile}
",
        origin = service.origin(),
        thinjail = sh(service.thinjail.as_str()),
        profile = sh(&service.profile),
    )
}

fn log_run(service: &Service) -> String {
    format!(
        "\
#!/bin/sh
{origin}
# The log of {title}.
logs={dir}
[ -d \"$logs\" ] || install -d -m 750 \"$logs\"
exec svlogd -tt \"$logs\"
",
        origin = service.origin(),
        title = service.title(),
        dir = sh(&format!("/var/log/runit/{}", service.name)),
    )
}
