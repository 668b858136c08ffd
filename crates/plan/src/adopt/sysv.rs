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
    // Only then can be told whether it runs.
    if !has_status(script) {
        return Err(no("it has no action `status`"));
    }
    let program = values.get("DAEMON").filter(|path| path.starts_with('/')).ok_or_else(|| no("it sets no DAEMON"))?;
    if program.ends_with("/sshd") {
        return Err(no("who logs in wants the host, and not a jail"));
    }
    let started = started(script, program, &values);
    let mut command = vec![program.clone()];
    match &started {
        Some(started) => command.extend(started.args.iter().cloned()),
        None => {
            for name in ["DAEMON_ARGS", "DAEMON_OPTS"] {
                command
                    .extend(values.get(name).into_iter().flat_map(|value| value.split_whitespace()).map(str::to_owned));
            }
        }
    }
    let flag = |names: [&str; 2]| {
        let mut words = started.as_ref()?.flags.iter();
        words.find(|word| names.contains(&word.as_str()))?;
        words.next().cloned()
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
        // One that is put into the background does not go there by itself.
        ready: (!started.as_ref().is_some_and(Started::in_background)).then_some("forking"),
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

/// Whether one of its actions is `status`.
fn has_status(script: &str) -> bool {
    let mut patterns = script.lines().filter_map(|line| line.split_once(')')).flat_map(|(before, _)| before.split('|'));
    patterns.any(|pattern| pattern.trim().trim_matches(['(', '"', '\'']) == "status")
}

/// How the script calls start-stop-daemon(8): the words for itself, and those for the program.
struct Started {
    flags: Vec<String>,
    args: Vec<String>,
}

impl Started {
    fn in_background(&self) -> bool {
        self.flags.iter().any(|flag| flag == "--background" || flag == "-b")
    }
}

/// The call that starts the program itself, and no other that starts it; nor one that only looks whether it runs.
fn started(script: &str, program: &str, values: &BTreeMap<String, String>) -> Option<Started> {
    let joined = script.replace("\\\n", " ");
    let calls = joined.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    calls.filter_map(|line| Some(line.split_once("start-stop-daemon ")?.1)).find_map(|words| {
        let words = expand_all(words, values);
        let mut own = words.into_iter().map_while(own_word);
        let mut flags: Vec<String> = own.by_ref().take_while(|word| word != "--").collect();
        let has = |names: [&str; 2]| flags.iter().any(|flag| names.contains(&flag.as_str()));
        let after = |names: [&str; 2]| flags.iter().skip_while(|flag| !names.contains(&flag.as_str())).nth(1);
        let what = after(["--startas", "-a"]).or_else(|| after(["--exec", "-x"]));
        if !has(["--start", "-S"]) || has(["--test", "-t"]) || what.is_none_or(|what| what != program) {
            return None;
        }
        flags.retain(|flag| !flag.is_empty());
        // A variable that is set nowhere is empty.
        Some(Started { flags, args: own.filter(|word| !word.contains(['$', '`'])).collect() })
    })
}

/// The words of a line, with the values of its variables.
fn expand_all(line: &str, values: &BTreeMap<String, String>) -> Vec<String> {
    let words = line.split_whitespace().map(|word| expand(word, values));
    words
        .flat_map(|word| {
            word.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

/// None where the command has come to its end.
fn own_word(word: String) -> Option<String> {
    let ends = [";", "|", "||", "&&", "&", "then"].contains(&word.as_str());
    let redirects = word.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['>', '<']);
    (!ends && !redirects).then(|| word.trim_end_matches(';').to_owned())
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

/// The values of `$NAME` and `${NAME}`; what has none stays as it is, and so does what is no plain name.
fn expand(text: &str, values: &BTreeMap<String, String>) -> String {
    let (mut out, mut rest) = (String::new(), text.trim_matches('"'));
    while let Some((before, after)) = rest.split_once('$') {
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, left) = braced.unwrap_or_else(|| after.split_at(end));
        out.push_str(before);
        match values.get(name) {
            Some(value) => {
                out.push_str(value);
                rest = left;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HEAD: &str = "#!/bin/sh\nDAEMON=/usr/sbin/proxyd\nCONF=/etc/proxyd.conf\n[ -r /etc/default/proxyd ] && . /etc/default/proxyd\n\
                        FLAGS=\"$FLAGS -c $CONF\"\nDAEMON_ARGS=-x\n";
    const STATUS: &str = "case $1 in\nstart | status) ;;\nesac\n";

    fn described(rest: &str) -> Described {
        describe("proxyd", &format!("{HEAD}{rest}{STATUS}"), "").unwrap()
    }

    #[test]
    fn a_script_that_can_t_say_whether_its_service_runs_is_refused() {
        let error = describe("proxyd", &format!("{HEAD}case $1 in\nstart) ;;\nstop) ;;\nesac\n"), "").unwrap_err();
        assert!(format!("{error:?}").contains("it has no action `status`"), "{error:?}");
    }

    #[test]
    fn a_name_is_no_part_of_a_longer_one() {
        let values = BTreeMap::from([("DAEMON".to_owned(), "/d".to_owned()), ("NAME".to_owned(), "n".to_owned())]);
        let all = "\"$DAEMON ${DAEMON}x $DAEMON_OPTS ${NAME:-y} $NAME.pid $\"";
        assert_eq!(expand(all, &values), "/d /dx $DAEMON_OPTS ${NAME:-y} n.pid $");
    }

    #[test]
    fn a_flag_of_the_program_or_of_the_shell_names_no_user() {
        let found = described(
            "ulimit -c unlimited\nstart-stop-daemon --start --test --exec $DAEMON -- -t\n\
             start-stop-daemon --start --quiet \\\n\t--exec \"$DAEMON\" -- $FLAGS $MORE >/dev/null || return 2\n",
        );
        assert_eq!(found.user, None);
        assert_eq!(found.command, ["/usr/sbin/proxyd", "-c", "/etc/proxyd.conf"]);
        assert_eq!(found.ready, Some("forking"));
    }

    #[test]
    fn the_user_is_that_of_the_call_that_starts_it() {
        for flags in ["--chuid proxy:web", "-c proxy:web", "--chuid \"proxy:web\""] {
            let found = described(&format!(
                "start-stop-daemon --stop --chuid other --exec $DAEMON\nstart-stop-daemon --start {flags} --umask 027 --exec $DAEMON -- -f; then\n"
            ));
            assert_eq!((found.user.as_deref(), found.group.as_deref()), (Some("proxy"), Some("web")), "{flags}");
            assert_eq!((found.umask.as_deref(), found.command.last().unwrap().as_str()), (Some("027"), "-f"));
        }
    }

    #[test]
    fn one_that_the_script_puts_into_the_background_does_not_go_there_by_itself() {
        assert_eq!(described("start-stop-daemon --start --background --exec $DAEMON -- -f\n").ready, None);
        assert_eq!(described("start-stop-daemon -S -b -x $DAEMON\n").ready, None);
    }

    #[test]
    fn where_another_program_starts_it_its_arguments_are_those_of_the_variable() {
        let found = described("start-stop-daemon --start --exec /usr/share/proxyd/start -- /etc/other\n");
        assert_eq!(found.command, ["/usr/sbin/proxyd", "-x"]);
    }
}
