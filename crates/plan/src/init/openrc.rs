//! A script of OpenRC, whose supervise-daemon(8) starts the supervisor again when that one fails; openrc-run(8).

use super::fill::fill;
use super::quote::{always_sh, twice_sh};
use super::rotate::logrotate;
use super::{Placed, Service, Text, command};
use crate::facts::SystemKind;
use crate::resolve::signals::name;

pub(super) fn text(service: &Service) -> Text {
    let name = service.name.as_str();
    Text {
        placed: Placed::file(&format!("/etc/init.d/{name}"), 0o755, script(service)).into_iter().collect(),
        rotation: logrotate(service, &[&log(service)]),
        enable: vec![command(&["rc-update", "add", name, "default"])],
        runs: Some(command(&["rc-service", "--quiet", name, "status"])),
        start: Some(command(&["rc-service", name, "restart"])),
        stop: Some(command(&["rc-service", name, "stop"])),
        disable: vec![command(&["rc-update", "delete", name, "default"])],
        ..Text::default()
    }
}

/// What the supervisor and the program say; supervise-daemon would drop it.
fn log(service: &Service) -> String {
    format!("/var/log/{}.log", service.name)
}

fn script(service: &Service) -> String {
    // Not every system has a service that provides net, and who needs what is not there is never started.
    let depend = if service.network { "\tuse net dns logger netmount\n\tafter firewall\n" } else { "\tuse logger\n" };
    // A supervisor of ours translates it.
    let signal = if service.supervised { None } else { name(service.stop_signal, SystemKind::Linux) }.unwrap_or("TERM");
    fill(
        SCRIPT,
        &[
            ("ORIGIN", &service.origin()),
            ("NAME", &always_sh(&service.name)),
            ("TITLE", &always_sh(&service.title())),
            ("THINJAIL", &twice_sh(&[service.thinjail.as_str()])),
            ("ARGUMENTS", &twice_sh(&["run", &service.profile])),
            ("LOG", &always_sh(&log(service))),
            ("SIGNAL", signal),
            ("STOP", &service.stop_seconds().to_string()),
            ("DEPEND", depend),
        ],
    )
}

const SCRIPT: &str = r#"#!/sbin/openrc-run
%%ORIGIN%%

name=%%NAME%%
description=%%TITLE%%

supervisor="supervise-daemon"
command=%%THINJAIL%%
command_args=%%ARGUMENTS%%
pidfile="/run/supervise-${RC_SVCNAME}.pid"
output_log=%%LOG%%
error_log=%%LOG%%
retry="%%SIGNAL%%/%%STOP%%/KILL/5"
respawn_delay=1
respawn_max=5
respawn_period=60

extra_started_commands="reload"
description_reload="Tells the program to read its configuration again"

depend() {
%%DEPEND%%}

reload() {
	ebegin "Reloading ${RC_SVCNAME}"
	supervise-daemon "${RC_SVCNAME}" --signal HUP --pidfile "${pidfile}"
	eend $?
}
"#;
