//! A unit of systemd(1): what it says of its service, and the drop-in by which it starts the jail; systemd.service(5),
//! systemd.exec(5).

use std::collections::BTreeMap;

use super::unit::{Unit, split};
use super::{Described, origin};
use crate::env_file;
use crate::init::quote::unit as quoted;
use crate::init::{Placed, Service};
use crate::resolve::Problem;

/// What is known beside the unit.
#[derive(Clone, Debug, Default)]
pub struct Given<'a> {
    /// The unit's name, without `.service`.
    pub service: &'a str,
    /// The files that `EnvironmentFile` names, as far as they are there.
    pub files: BTreeMap<String, String>,
    /// The command of the process that runs, where the unit starts a script that becomes it.
    pub running: Option<Vec<String>>,
}

/// The files that the unit wants to be read for its environment.
#[must_use]
pub fn environment_files(unit: &Unit) -> Vec<String> {
    unit.all("EnvironmentFile").iter().map(|path| path.trim_start_matches('-').to_owned()).collect()
}

/// The program that the unit starts.
#[must_use]
pub fn program(unit: &Unit) -> Option<String> {
    Some(split(unit.last("ExecStart")?)?.first()?.trim_start_matches(PREFIXES).to_owned())
}

/// What may stand before the path of a program.
const PREFIXES: [char; 5] = ['@', '-', ':', '+', '!'];

/// What the unit says of its service.
pub fn describe(unit: &Unit, given: &Given<'_>) -> Result<Described, Problem> {
    let name = given.service;
    refuse(unit, name)?;
    let environment = environment(unit, given)?;
    let starts = unit.last("ExecStart").ok_or_else(|| {
        Problem::setup(format!("{name}.service starts nothing")).help("name a service that has an ExecStart")
    })?;
    let mut command = words(starts, name, &environment.all)?;
    // The second word is what the program is to see as its name.
    if starts.trim_start_matches(['-', ':', '+', '!']).starts_with('@') && command.len() > 1 {
        command.remove(1);
    }
    if let Some(first) = command.first_mut() {
        *first = first.trim_start_matches(PREFIXES).to_owned();
    }
    if let Some(running) = &given.running {
        command.clone_from(running);
    }
    let text = |key: &str| unit.last(key).map(|value| specifiers(value, name)).transpose();
    let names = |key: &str| -> Result<Vec<String>, Problem> {
        let words = unit.all(key).join(" ");
        split(&words).unwrap_or_default().iter().map(|word| specifiers(word, name)).collect()
    };
    let under = |path: String| path.strip_prefix("/var/run/").map_or(path.clone(), |rest| format!("/run/{rest}"));
    let writes = [names("ReadWritePaths")?, names("ReadWriteDirectories")?].concat();
    let run = names("RuntimeDirectory")?;
    let is_run = |path: &String| run.iter().any(|name| *path == format!("/run/{name}"));
    let write = writes.iter().map(|path| under(path.trim_start_matches(['-', '+']).to_owned()));
    let ready = match unit.last("Type") {
        Some("forking") => Some("forking"),
        Some("notify" | "notify-reload") => Some("notify"),
        _ => None,
    };
    let mut described = Described {
        service: name.to_owned(),
        command,
        user: text("User")?.filter(|user| user != "root" && user != "0"),
        group: text("Group")?.filter(|_| unit.last("Group") != unit.last("User")),
        ready,
        pidfile: text("PIDFile")?
            .map(|path| if path.starts_with('/') { path } else { format!("/run/{path}") })
            .map(under),
        write: write.filter(|path| !is_run(path)).collect(),
        run,
        state: names("StateDirectory")?,
        log: names("LogsDirectory")?,
        cache: names("CacheDirectory")?,
        env: environment.own.clone(),
        env_files: environment.files.clone(),
        umask: text("UMask")?,
        chdir: text("WorkingDirectory")?.filter(|path| path.starts_with('/')),
        lonely: unit.yes("PrivateNetwork"),
        stop_signal: text("KillSignal")?
            .map(|signal| signal.trim_start_matches("SIG").to_owned())
            .filter(|signal| signal != "TERM"),
        reload_signal: reload_signal(unit),
        notes: Vec::new(),
    };
    described.notes = notes(unit, &described, &environment, given);
    Ok(described)
}

/// What no jail can take the place of.
fn refuse(unit: &Unit, name: &str) -> Result<(), Problem> {
    let no = |why: &str| {
        Problem::setup(format!("{name}.service can't be adopted: {why}"))
            .help(format!("write a profile for it and see `thinjail enable --print {name}`"))
    };
    match unit.last("Type") {
        Some("oneshot") => return Err(no("Type=oneshot is no daemon")),
        Some("dbus") => return Err(no("Type=dbus waits for a name on the host's bus")),
        _ => {}
    }
    if unit.yes("DynamicUser") {
        return Err(no("DynamicUser=yes gives it another user at each start"));
    }
    for key in ["RootDirectory", "RootImage", "PAMName"] {
        if unit.last(key).is_some() {
            return Err(no(&format!("{key} is written")));
        }
    }
    match program(unit).as_deref().and_then(|program| program.rsplit('/').next()) {
        Some("thinjail") => Err(no("it starts thinjail already")),
        Some("sshd") => Err(no("who logs in wants the host, and not a jail")),
        _ => Ok(()),
    }
}

/// The variables of a unit.
struct Environment {
    /// All of them, as its command line sees them.
    all: BTreeMap<String, String>,
    /// Those that the profile has.
    own: BTreeMap<String, String>,
    /// Files that the jail reads by itself, at each start: what is in them may be for root alone.
    files: Vec<String>,
    /// Files of which the profile has what is in them.
    copied: Vec<String>,
}

fn environment(unit: &Unit, given: &Given<'_>) -> Result<Environment, Problem> {
    let mut own = BTreeMap::new();
    for value in unit.all("Environment") {
        for word in split(value).unwrap_or_default() {
            let pair = specifiers(&word, given.service)?;
            own.extend(pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }
    let (mut all, mut files, mut copied) = (own.clone(), Vec::new(), Vec::new());
    for path in environment_files(unit) {
        let Some(text) = given.files.get(&path) else { continue };
        // The same file that systemd would read, unless it has what the plan has to know.
        match env_file::parse(text.as_bytes()) {
            Ok(found) if !found.iter().any(|(name, _)| env_file::decides_files(name)) => {
                // There a file goes over the unit, and in a profile `env` goes over a file.
                found.iter().for_each(|(name, _)| drop(own.remove(name)));
                all.extend(found);
                files.push(path);
            }
            _ => {
                let found = lines(text);
                own.extend(found.clone());
                all.extend(found);
                copied.push(path);
            }
        }
    }
    let starts = unit.last("ExecStart").unwrap_or_default();
    let named = |name: &String| starts.contains(&format!("${name}")) || starts.contains(&format!("${{{name}}}"));
    // What is but a part of the command line is no variable of the program's.
    own.retain(|name, _| !named(name));
    Ok(Environment { all, own, files, copied })
}

/// What a file says that is not quite one of variables.
fn lines(text: &str) -> Vec<(String, String)> {
    let value = |value: &str| split(value.trim()).map(|words| words.join(" ")).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    lines.filter_map(|line| line.split_once('=')).map(|(name, text)| (name.trim().to_owned(), value(text))).collect()
}

/// The words of a command: `${NAME}` is a part of a word, `$NAME` as many words as are in it.
fn words(line: &str, service: &str, env: &BTreeMap<String, String>) -> Result<Vec<String>, Problem> {
    let bad = || Problem::setup(format!("{service}.service: a quote of ExecStart has no end")).help("mend the unit");
    let mut all = Vec::new();
    for word in split(line).ok_or_else(bad)? {
        let word = specifiers(&word, service)?;
        if let Some(name) =
            word.strip_prefix('$').filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        {
            all.extend(env.get(name).into_iter().flat_map(|value| value.split_whitespace()).map(str::to_owned));
            continue;
        }
        let mut out = String::new();
        let mut rest = word.as_str();
        while let Some(at) = rest.find("${") {
            let Some(end) = rest[at..].find('}') else { break };
            out += &rest[..at];
            out += env.get(&rest[at + 2..at + end]).map_or("", String::as_str);
            rest = &rest[at + end + 1..];
        }
        all.push(out + &rest.replace("$$", "$"));
    }
    Ok(all)
}

/// systemd.unit(5), "Specifiers".
fn specifiers(text: &str, service: &str) -> Result<String, Problem> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let (prefix, instance) = service.split_once('@').unwrap_or((service, ""));
        let full = format!("{service}.service");
        out += match chars.next() {
            Some('n') => &full,
            Some('N') => service,
            Some('p') => prefix,
            Some('i' | 'I') => instance,
            Some('t') => "/run",
            Some('S') => "/var/lib",
            Some('C') => "/var/cache",
            Some('L') => "/var/log",
            Some('E') => "/etc",
            Some('%') => "%",
            other => {
                let what = other.map_or_else(|| "%".to_owned(), |c| format!("%{c}"));
                let why = format!("{service}.service: what {what} stands for is not known here");
                return Err(Problem::setup(why).help("write what it stands for, by `systemctl edit`"));
            }
        };
    }
    Ok(out)
}

/// The signal of a `kill` in ExecReload.
fn reload_signal(unit: &Unit) -> Option<String> {
    let kills = |line: &&str| split(line).filter(|words| words.first().is_some_and(|word| word.ends_with("/kill")));
    let words = unit.all("ExecReload").iter().find_map(kills)?;
    let flag = words.iter().find(|word| word.starts_with('-'))?;
    let signal = flag.trim_start_matches('-').trim_start_matches("SIG");
    (signal != "HUP" && signal.chars().all(|c| c.is_ascii_alphanumeric())).then(|| signal.to_owned())
}

/// Commands beside the main one.
const HOOKS: [&str; 4] = ["ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost"];

/// A hook that goes on: one that has nothing to do with the daemon itself, and that ran as root before. One that another user
/// ran would be root's from now on, and one that looks for the daemon would find another process.
fn goes_on(unit: &Unit, command: &[String], line: &str) -> bool {
    let words = split(line).unwrap_or_default();
    let first = words.first().map(|word| word.trim_start_matches(PREFIXES).to_owned()).unwrap_or_default();
    let ends = ["kill", "start-stop-daemon", "pkill", "killall"];
    unit.last("User").is_none_or(|user| user == "root")
        && Some(&first) != command.first()
        && !ends.iter().any(|name| first.rsplit('/').next() == Some(name))
        && !line.contains("MAINPID")
}

/// A setting of a sandbox, and what takes it back.
const SANDBOX: &[(&str, &str)] = &[
    ("AmbientCapabilities", ""),
    ("AppArmorProfile", ""),
    ("BindPaths", ""),
    ("BindReadOnlyPaths", ""),
    // An empty one would be no capability at all.
    ("CapabilityBoundingSet", "~"),
    ("DeviceAllow", ""),
    ("DevicePolicy", "auto"),
    ("ExecPaths", ""),
    ("InaccessiblePaths", ""),
    ("InaccessibleDirectories", ""),
    ("LockPersonality", "no"),
    ("MemoryDenyWriteExecute", "no"),
    ("MountFlags", ""),
    ("NoExecPaths", ""),
    ("NoNewPrivileges", "no"),
    ("PrivateDevices", "no"),
    ("PrivateIPC", "no"),
    ("PrivateMounts", "no"),
    ("PrivateNetwork", "no"),
    ("PrivateTmp", "no"),
    ("PrivateUsers", "no"),
    ("ProcSubset", "all"),
    ("ProtectClock", "no"),
    ("ProtectControlGroups", "no"),
    ("ProtectHome", "no"),
    ("ProtectHostname", "no"),
    ("ProtectKernelLogs", "no"),
    ("ProtectKernelModules", "no"),
    ("ProtectKernelTunables", "no"),
    ("ProtectProc", "default"),
    ("ProtectSystem", "no"),
    ("ReadOnlyPaths", ""),
    ("ReadOnlyDirectories", ""),
    ("ReadWritePaths", ""),
    ("ReadWriteDirectories", ""),
    ("RemoveIPC", "no"),
    ("RestrictAddressFamilies", ""),
    ("RestrictFileSystems", ""),
    ("RestrictNamespaces", "no"),
    ("RestrictRealtime", "no"),
    ("RestrictSUIDSGID", "no"),
    ("SecureBits", ""),
    ("SystemCallArchitectures", ""),
    ("SystemCallFilter", ""),
    ("SystemCallLog", ""),
    ("TemporaryFileSystem", ""),
];

/// What becomes of the user and of the directories, which the profile has by now.
const MOVED: &[(&str, &str)] = &[
    ("User", ""),
    ("Group", ""),
    ("SupplementaryGroups", ""),
    ("UMask", "0022"),
    ("WorkingDirectory", ""),
    ("RuntimeDirectory", ""),
    ("StateDirectory", ""),
    ("LogsDirectory", ""),
    ("CacheDirectory", ""),
    ("KillSignal", "SIGTERM"),
    ("RestartKillSignal", "SIGTERM"),
    ("WatchdogSec", "0"),
];

/// What of it a jail has no word for.
const LOST: [&str; 4] = ["MemoryDenyWriteExecute", "RestrictAddressFamilies", "RestrictRealtime", "WatchdogSec"];

fn notes(unit: &Unit, described: &Described, environment: &Environment, given: &Given<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    for key in HOOKS {
        let gone = unit.all(key).into_iter().filter(|line| !goes_on(unit, &described.command, line));
        notes.extend(gone.map(|line| format!("left out: {key}={line}")));
    }
    let lost: Vec<&str> = LOST.into_iter().filter(|key| unit.last(key).is_some_and(|value| value != "no")).collect();
    if !lost.is_empty() {
        notes.push(format!("a jail has nothing like {} of the unit", lost.join(", ")));
    }
    let all = [("/run", &described.run), ("/var/lib", &described.state)].into_iter();
    for (dir, names) in all.chain([("/var/log", &described.log), ("/var/cache", &described.cache)]) {
        notes.extend(names.iter().skip(1).map(|name| format!("not made by the jail: {dir}/{name}")));
    }
    if !environment.copied.is_empty() {
        let files = environment.copied.join(", ");
        notes.push(format!("what {files} says is in the profile from now on: adopt it again after a change"));
    }
    let files = environment_files(unit);
    let there: Vec<_> = files.iter().filter(|path| given.files.contains_key(*path)).map(String::as_str).collect();
    if !there.is_empty() && unit.last("ExecStart").is_some_and(|starts| starts.contains('$')) {
        let there = there.join(", ");
        notes.push(format!("the command line is what it is by {there} now: adopt it again after a change of it"));
    }
    let absent = files.iter().filter(|path| !given.files.contains_key(*path));
    notes.extend(absent.map(|path| format!("{path} is not there now, and is not read later")));
    notes
}

/// The drop-in. `service` is the profile's.
#[must_use]
pub fn drop_in(unit: &Unit, described: &Described, service: &Service) -> Option<Placed> {
    let mut text = origin(&described.service) + "\n[Service]\n";
    let mut put = |key: &str, value: &str| text.extend([key, "=", value, "\n"]);
    let thinjail = quoted(service.thinjail.as_str());
    let profile = quoted(&service.profile);
    if service.supervised {
        put("Type", "notify");
        put("NotifyAccess", "main");
    } else {
        put("Type", "exec");
    }
    if unit.has("PIDFile") {
        put("PIDFile", "");
    }
    put("ExecStart", "");
    put("ExecStart", &format!("{thinjail} run {profile}"));
    if unit.last("ExecReload").is_some() {
        put("ExecReload", "");
        // The supervisor does it in the profile's own way.
        put("ExecReload", "/bin/kill -HUP $MAINPID");
    }
    for key in HOOKS {
        let all = unit.all(key);
        if all.iter().any(|line| !goes_on(unit, &described.command, line)) {
            put(key, "");
            all.iter().filter(|line| goes_on(unit, &described.command, line)).for_each(|line| put(key, line));
        }
    }
    put("KillMode", "mixed");
    put("SuccessExitStatus", &(128 + service.stop_signal).to_string());
    put("TimeoutStopSec", &service.stop_seconds().to_string());
    for (key, value) in MOVED.iter().chain(SANDBOX) {
        if unit.has(key) {
            put(key, value);
        }
    }
    Placed::file(&format!("/etc/systemd/system/{}.service.d/thinjail.conf", described.service), 0o644, text)
}
