//! A script of rc.d(8): what it says of its service, and the lines in its rc.conf.d by which rc.subr(8) starts the jail. The script
//! stays as it is, with what it does before the start. Its NAME_program and NAME_prepend would not do: they are run as NAME_user.

use std::collections::BTreeMap;

use super::{Described, appended};
use crate::init::fill::fill;
use crate::init::quote::always_sh;
use crate::init::{Service, rc_d_name};
use crate::resolve::Problem;

/// Run by sh(1) with the script as its argument: the script is sourced as rc(8) does it, and where it would act it says what it is.
pub const ASK: &str = r#". /etc/rc.subr
run_rc_command()
{
	eval "flags=\"\${${name}_flags-}\" user=\"\${${name}_user-}\" group=\"\${${name}_group-}\" chdir=\"\${${name}_chdir-}\""
	eval "program=\"\${${name}_program-}\" chroot=\"\${${name}_chroot-}\""
	printf '%s\n' "name=$name" "command=${program:-${command-}}" "flags=${flags:-${rc_flags-}}" "args=${command_args-}" \
	    "pidfile=${pidfile-}" "user=$user" "group=$group" "chdir=$chdir" "chroot=$chroot" "interpreter=${command_interpreter-}"
	exit 0
}
set -- "$1"
. "$1"
"#;

/// What the script says of its service, as [`ASK`] prints it.
pub fn describe(service: &str, said: &str) -> Result<Described, Problem> {
    let values: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |key: &str| values.get(key).copied().filter(|value| !value.is_empty());
    let no = |why: &str| {
        Problem::setup(format!("the script of {service} can't be adopted: {why}"))
            .help(format!("write a profile for it and see `thinjail enable --print --init rc.d {service}`"))
    };
    // Names of variables are made of it.
    if value("name") != Some(service) || rc_d_name(service) != service {
        return Err(no(&format!("it calls itself {:?}", value("name").unwrap_or_default())));
    }
    let program = value("command").filter(|path| path.starts_with('/')).ok_or_else(|| no("it sets no command"))?;
    match program.rsplit('/').next() {
        Some("daemon") => return Err(no("daemon(8) starts its program")),
        Some("sshd") => return Err(no("who logs in wants the host, and not a jail")),
        Some("thinjail") => return Err(no("it starts thinjail already")),
        _ => {}
    }
    if value("interpreter").is_some() || value("chroot").is_some() {
        return Err(no("it has an interpreter, or a chroot of its own"));
    }
    let arguments = [value("flags"), value("args")].into_iter().flatten().flat_map(str::split_whitespace);
    Ok(Described {
        service: service.to_owned(),
        command: std::iter::once(program).chain(arguments).map(str::to_owned).collect(),
        user: value("user").filter(|user| *user != "root").map(str::to_owned),
        group: value("group").map(str::to_owned),
        ready: Some("forking"),
        pidfile: value("pidfile").map(str::to_owned),
        chdir: value("chdir").map(str::to_owned),
        notes: vec!["the login class, nice and fib of rc.conf are not those of the jail".to_owned()],
        ..Described::default()
    })
}

/// What is to be in the file from now on.
#[must_use]
pub fn hooked(before: &str, service: &Service, described: &Described) -> String {
    let own = format!("/var/run/{}.pid", described.service);
    let pidfile = service.pidfile.as_ref().map_or(own.as_str(), |path| path.as_str());
    let lines = fill(
        HOOK,
        &[
            ("THINJAIL", &always_sh(service.thinjail.as_str())),
            ("PROFILE", &always_sh(&service.profile)),
            ("PIDFILE", &always_sh(pidfile)),
        ],
    );
    appended(before, &described.service, &lines)
}

// It is called at the end of the script, when all of its variables are set: rc.subr(8) is read once more, so that its own
// function is there again, and goes on with what is ours.
const HOOK: &str = r#"run_rc_command()
{
	unset _rc_subr_loaded
	. /etc/rc.subr
	thinjail=%%THINJAIL%%
	jail=%%PROFILE%%
	pidfile=%%PIDFILE%%
	procname="${thinjail}"
	command_interpreter=""
	# No service jail around it: no mount can be made in one.
	eval "${name}_svcj=\"NO\""
	start_cmd="thinjail_start"
	stop_cmd="thinjail_stop"
	status_cmd="thinjail_status"
	reload_cmd="thinjail_reload"
	case " ${extra_commands} " in
	*" reload "*)
		;;
	*)
		extra_commands="${extra_commands} reload"
		;;
	esac
	run_rc_command "$@"
}

thinjail_start()
{
	"${thinjail}" start --pidfile "${pidfile}" "${jail}"
}

thinjail_stop()
{
	"${thinjail}" stop "${jail}"
}

thinjail_status()
{
	"${thinjail}" status "${jail}"
}

thinjail_reload()
{
	"${thinjail}" reload "${jail}"
}
"#;
