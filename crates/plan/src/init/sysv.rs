//! A script for /etc/init.d with a header of the Linux Standard Base, and its exit codes. Nobody supervises it there: thinjail
//! runs in the background, and knows by itself what runs.

use super::fill::fill;
use super::quote::{always_sh, prose};
use super::rotate::logrotate;
use super::{Placed, Service, Text, command};

pub(super) fn text(service: &Service) -> Text {
    let name = service.name.as_str();
    let path = format!("/etc/init.d/{name}");
    Text {
        placed: Placed::file(&path, 0o755, script(service)).into_iter().collect(),
        rotation: logrotate(service, &[]),
        enable: vec![command(&["update-rc.d", name, "defaults"])],
        runs: Some(command(&[&path, "status"])),
        start: Some(command(&[&path, "restart"])),
        stop: Some(command(&[&path, "stop"])),
        forget: vec![command(&["update-rc.d", name, "remove"])],
        ..Text::default()
    }
}

fn script(service: &Service) -> String {
    let (start, stop) = if service.network {
        ("$remote_fs $network $named $time", "$remote_fs $network")
    } else {
        ("$remote_fs", "$remote_fs")
    };
    fill(
        SCRIPT,
        &[
            ("ORIGIN", &service.origin()),
            ("PROVIDES", &prose(&service.name)),
            ("START", start),
            ("STOP", stop),
            ("TITLE", &service.title()),
            ("DESC", &always_sh(&service.title())),
            ("THINJAIL", &always_sh(service.thinjail.as_str())),
            // Nobody else would.
            ("RESTART", if service.restarts { "" } else { " --restart on-failure" }),
            ("PROFILE", &always_sh(&service.profile)),
        ],
    )
}

const SCRIPT: &str = r#"#!/bin/sh
%%ORIGIN%%
### BEGIN INIT INFO
# Provides:          %%PROVIDES%%
# Required-Start:    %%START%%
# Required-Stop:     %%STOP%%
# Should-Start:      $syslog
# Should-Stop:       $syslog
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: %%TITLE%%
# Description:       Runs %%TITLE%%, which is made at the start
#                    and is gone after the stop; thinjail(8).
### END INIT INFO

PATH=/sbin:/usr/sbin:/bin:/usr/bin
DESC=%%DESC%%
THINJAIL=%%THINJAIL%%
PROFILE=%%PROFILE%%

# The status of what is not installed is not known.
if [ ! -x "$THINJAIL" ]; then
	[ "${1:-}" = status ] && exit 4
	exit 5
fi

. /lib/lsb/init-functions

runs() {
	"$THINJAIL" status "$PROFILE" >/dev/null 2>&1
}

do_start() {
	log_daemon_msg "Starting $DESC" "$PROFILE"
	"$THINJAIL" start%%RESTART%% "$PROFILE"
	status=$?
	log_end_msg "$status"
	return "$status"
}

do_stop() {
	log_daemon_msg "Stopping $DESC" "$PROFILE"
	"$THINJAIL" stop "$PROFILE"
	status=$?
	log_end_msg "$status"
	return "$status"
}

do_reload() {
	log_daemon_msg "Reloading $DESC" "$PROFILE"
	"$THINJAIL" reload "$PROFILE"
	status=$?
	log_end_msg "$status"
	return "$status"
}

case "${1:-}" in
start)
	do_start
	;;
stop)
	do_stop
	;;
restart)
	do_stop && do_start
	;;
reload)
	do_reload
	;;
force-reload)
	# One that refuses its new configuration goes on with the one that it has.
	do_reload || {
		status=$?
		runs && exit "$status"
		do_start
	}
	;;
try-restart | condrestart)
	if runs; then
		do_stop && do_start
	fi
	;;
status)
	"$THINJAIL" status "$PROFILE"
	;;
*)
	echo "Usage: $0 {start|stop|restart|try-restart|reload|force-reload|status}" >&2
	exit 2
	;;
esac
"#;
