//! A script in /etc/init.d, as Debian's packages have it: what it says of its service, and the lines at the end of its file in
//! /etc/default by which it starts the jail. The script stays as it is, so an upgrade of the package may replace it.

use std::collections::BTreeMap;

use super::{Described, appended};
use crate::init::Service;
use crate::init::quote::always_sh;
use crate::path::HostPath;
use crate::resolve::Problem;

/// What a script and its file in /etc/default say of their service.
pub fn describe(service: &str, script: &str, defaults: &str) -> Result<Described, Problem> {
    let no = |why: &str| {
        Problem::setup(format!("/etc/init.d/{service} can't be adopted: {why}"))
            .help(format!("write a profile for it and see `thinjail enable --print --init sysv {service}`"))
    };
    let shell = script.lines().next().unwrap_or_default().trim_start_matches("#!").trim();
    if !["/bin/sh", "/bin/bash", "/bin/dash", "/usr/bin/sh"].iter().any(|known| shell.split(' ').next() == Some(known))
    {
        return Err(no("it is no script of sh(1)"));
    }
    let mut values = BTreeMap::new();
    let mut sources = false;
    for line in script.lines().map(str::trim) {
        assign(line, &mut values);
        let file = line
            .strip_prefix(". ")
            .or_else(|| line.strip_prefix("source "))
            .or_else(|| line.split_once(" . ").map(|(_, file)| file));
        let file = file.and_then(|file| file.split([';', ' ']).next()).map(|file| expand(file, &values));
        sources |= file.is_some_and(|file| file == default_file(service));
        if sources {
            defaults.lines().for_each(|line| assign(line.trim(), &mut values));
        }
    }
    if !sources {
        return Err(no(&format!("it reads no {}", default_file(service))));
    }
    let program = values.get("DAEMON").filter(|path| path.starts_with('/')).ok_or_else(|| no("it sets no DAEMON"))?;
    if program.ends_with("/sshd") {
        return Err(no("who logs in wants the host, and not a jail"));
    }
    let mut command = vec![program.clone()];
    for name in ["DAEMON_ARGS", "DAEMON_OPTS"] {
        command.extend(values.get(name).into_iter().flat_map(|value| value.split_whitespace()).map(str::to_owned));
    }
    let flag = |names: [&str; 2]| {
        let mut words = script.split_whitespace();
        words.find(|word| names.contains(word))?;
        words.next().map(|value| expand(value.trim_matches('"'), &values))
    };
    let chuid = flag(["--chuid", "-c"]);
    let (user, group) = match chuid.as_deref().map(|both| both.split_once(':').unwrap_or((both, ""))) {
        Some((user, group)) => (Some(user.to_owned()), Some(group.to_owned())),
        None => (None, None),
    };
    let named = |value: Option<String>| value.filter(|value| !value.is_empty() && !value.contains('$'));
    let mut notes = Vec::new();
    if values.get("ULIMIT").is_some_and(|value| !value.is_empty()) {
        notes.push("left out: the script's ulimit; limits are written in the profile".to_owned());
    }
    let user = named(user).filter(|user| user != "root");
    Ok(Described {
        service: service.to_owned(),
        command,
        group: named(group).filter(|group| user.as_ref() != Some(group)),
        user,
        ready: Some("forking"),
        pidfile: ["PIDFILE", "PID"]
            .iter()
            .find_map(|name| values.get(*name))
            .filter(|path| path.starts_with('/'))
            .cloned(),
        umask: named(flag(["--umask", "-k"])),
        notes,
        ..Described::default()
    })
}

/// `NAME=value`; one that is the output of a command is none.
fn assign(line: &str, values: &mut BTreeMap<String, String>) {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let Some((name, value)) = line.split_once('=') else { return };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return;
    }
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
        _ => value.split([' ', ';', '#']).next().unwrap_or_default(),
    };
    if !value.contains("$(") && !value.contains('`') {
        let value = expand(value, values);
        values.insert(name.to_owned(), value);
    }
}

fn expand(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = text.trim_matches('"').to_owned();
    // The longest name first: `$NAME` is no part of `$NAMES`.
    let mut names: Vec<_> = values.iter().collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, value) in names {
        text = text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
    }
    text
}

/// The file that the script reads.
#[must_use]
pub fn default_file(service: &str) -> String {
    format!("/etc/default/{service}")
}

/// What is to be in the file from now on.
#[must_use]
pub fn hooked(before: &str, service: &Service, described: &Described) -> String {
    let restart = if service.restarts { "" } else { " --restart on-failure" };
    // What a link in /etc/rc?.d is called, too. Whoever else reads the file is not meant.
    let run = service.pidfile.as_ref().and_then(HostPath::parent);
    let run = run.filter(|dir| ["/run/", "/var/run/"].iter().any(|run| dir.as_str().starts_with(run)));
    let make = run.map(|dir| crate::init::fill::fill(MAKE, &[("DIR", &always_sh(dir.as_str()))])).unwrap_or_default();
    let lines = crate::init::fill::fill(
        HOOK,
        &[
            ("MAKE", &make),
            ("NAME", &always_sh(&described.service)),
            ("THINJAIL", &always_sh(service.thinjail.as_str())),
            ("PROFILE", &always_sh(&service.profile)),
            ("RESTART", restart),
        ],
    );
    appended(before, &described.service, &lines)
}

/// Gone with each boot, and made by many a script further below.
const MAKE: &str = r#"	# Where the pid is that the host reads.
	case "${1:-}" in
	start | restart | force-reload | try-restart | condrestart)
		[ -d %%DIR%% ] || mkdir -p %%DIR%%
		;;
	esac
"#;

const HOOK: &str = r#"case "${0##*/}" in
%%NAME%% | [SK][0-9][0-9]%%NAME%%)
	thinjail=%%THINJAIL%%
	jail=%%PROFILE%%
	case "${1:-}" in
	start | stop | restart | force-reload | try-restart | condrestart | reload | status)
		# Not without a jail, where there is no thinjail.
		if [ ! -x "$thinjail" ]; then
			echo "$0: $thinjail is not installed" >&2
			[ "$1" = status ] && exit 4
			exit 5
		fi
		;;
	esac
%%MAKE%%	case "${1:-}" in
	start)
		"$thinjail" status "$jail" >/dev/null 2>&1 && exit 0
		exec "$thinjail" start%%RESTART%% "$jail"
		;;
	stop)
		exec "$thinjail" stop "$jail"
		;;
	restart)
		exec "$thinjail" restart%%RESTART%% "$jail"
		;;
	force-reload)
		# One that refuses its new configuration goes on with the one that it has.
		"$thinjail" reload "$jail" && exit 0
		"$thinjail" status "$jail" >/dev/null 2>&1 && exit 1
		exec "$thinjail" start%%RESTART%% "$jail"
		;;
	try-restart | condrestart)
		"$thinjail" status "$jail" >/dev/null 2>&1 || exit 0
		exec "$thinjail" restart%%RESTART%% "$jail"
		;;
	reload)
		exec "$thinjail" reload "$jail"
		;;
	status)
		exec "$thinjail" status "$jail"
		;;
	esac
	unset thinjail jail
	;;
esac
"#;
