//! A script of rc.d(8). rc.subr(8) sees processes of the host only: the pid is our supervisor's, its name is ours, and what ends
//! the jail is our own command, which also runs where rc.subr has found no process, as after a crash.

use super::fill::fill;
use super::quote::{always_sh, prose};
use super::rotate::newsyslog;
use super::{Placed, Service, Text, command};
use crate::path::HostPath;

/// rc.subr(8) makes names of variables of it.
pub(super) fn name(profile: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = profile.chars().map(fits).collect();
    // Nothing that a variable's name can begin with.
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

pub(super) fn text(service: &Service) -> Text {
    // Quoted nowhere below: it is a name of variables.
    let name = &name(&service.name);
    let own = format!("/var/run/{name}.pid");
    let pidfile = service.pidfile.as_ref().map_or(own.as_str(), HostPath::as_str);
    let path = format!("/usr/local/etc/rc.d/{name}");
    Text {
        taken: HostPath::new(&format!("/etc/rc.d/{name}")).into_iter().collect(),
        placed: Placed::file(&path, 0o555, script(service, name, pidfile)).into_iter().collect(),
        rotation: newsyslog(service, pidfile),
        enabled: Some(command(&["service", name, "enabled"])),
        enable: vec![command(&["sysrc", &format!("{name}_enable=YES")])],
        runs: Some(command(&["service", name, "onestatus"])),
        start: Some(command(&["service", name, "restart"])),
        stop: Some(command(&["service", name, "onestop"])),
        disable: vec![command(&["sysrc", "-ix", &format!("{name}_enable")])],
        ..Text::default()
    }
}

fn script(service: &Service, name: &str, pidfile: &str) -> String {
    let of_profile = match service.profile.contains('@') {
        true => [HEAD, "\n. /etc/rc.subr\n", NAMES, LOAD, OWN, BODY],
        false => [HEAD, LINKS, NAMES, LINKED, OF_LINK, BODY],
    };
    fill(
        &of_profile.concat(),
        &[
            ("NAME", name),
            ("NETWORK", if service.network { " NETWORKING" } else { "" }),
            ("ORIGIN", &service.origin()),
            ("DESC", &always_sh(&service.title())),
            ("SAID", &prose(&service.profile)),
            ("PROFILE", &always_sh(&service.profile)),
            ("PIDFILE", &always_sh(pidfile)),
            ("THINJAIL", &always_sh(service.thinjail.as_str())),
        ],
    )
}

const HEAD: &str = r#"#!/bin/sh

# PROVIDE: %%NAME%%
# REQUIRE: LOGIN FILESYSTEMS%%NETWORK%%
# KEYWORD: nojail shutdown

%%ORIGIN%%
#
# %%NAME%%_enable (bool):	Set to YES to start it with the system. Default: NO
# %%NAME%%_profile (str):	The profile that it runs. Default: %%SAID%%
# %%NAME%%_pidfile (str):	Where the pid of its supervisor is.
# %%NAME%%_flags (str):	Further flags of "thinjail start".
"#;

const LINKS: &str = r"#
# A link to this script called %%NAME%%_INSTANCE runs %%SAID%%@INSTANCE, with
# variables of its own name.

. /etc/rc.subr
";

const NAMES: &str = r#"
name="%%NAME%%"
desc=%%DESC%%
rcvar="%%NAME%%_enable"
"#;

const LOAD: &str = r#"
load_rc_config $name

: ${%%NAME%%_enable:="NO"}
: ${%%NAME%%_profile:=%%PROFILE%%}
: ${%%NAME%%_pidfile:=%%PIDFILE%%}
# No service jail around it, whatever rc.conf(5) says: no mount can be made in one.
%%NAME%%_svcj="NO"
"#;

const OWN: &str = r#"
profile="${%%NAME%%_profile}"
pidfile="${%%NAME%%_pidfile}"
"#;

// At boot and at shutdown `$0` is rc(8) or rc.shutdown(8), which source the script, and `$_file` is the script.
const LINKED: &str = r#"
usual=%%PROFILE%%
usual_pidfile=%%PIDFILE%%
case "${_file:-$0}" in
*/%%NAME%%_?*)
	name="${_file:-$0}"
	name="${name##*/}"
	rcvar="${name}_enable"
	usual="${usual}@${name#%%NAME%%_}"
	usual_pidfile="/var/run/${name}.pid"
	;;
esac

load_rc_config $name
"#;

const OF_LINK: &str = r#"
eval ": \${${name}_enable:=\"NO\"}"
eval ": \${${name}_profile:=\"\${usual}\"}"
eval ": \${${name}_pidfile:=\"\${usual_pidfile}\"}"

eval "profile=\"\${${name}_profile}\""
eval "pidfile=\"\${${name}_pidfile}\""

# No service jail around it, whatever rc.conf(5) says: no mount can be made in one.
eval "${name}_svcj=\"NO\""
"#;

const BODY: &str = r#"procname=%%THINJAIL%%
command="${procname}"
start_precmd="%%NAME%%_prestart"
stop_cmd="%%NAME%%_stop"
reload_cmd="%%NAME%%_reload"
status_cmd="%%NAME%%_status"
check_cmd="%%NAME%%_check"
extra_commands="reload check"
required_modules="nullfs tmpfs"

# The flags belong behind the verb. rc.subr(8) starts it, with the limits and
# all else that its own variables ask for.
%%NAME%%_prestart()
{
	command_args="start --pidfile ${pidfile} ${rc_flags} ${profile}"
	rc_flags=""
}

%%NAME%%_stop()
{
	"${command}" stop "${profile}"
}

%%NAME%%_reload()
{
	"${command}" reload "${profile}"
}

%%NAME%%_status()
{
	"${command}" status "${profile}"
}

%%NAME%%_check()
{
	"${command}" check "${profile}"
}

run_rc_command "$1"
"#;
