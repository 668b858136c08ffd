//! The profile of an installed service: a shipped one of the same program with what is different here; or, where there is none,
//! all that the service says of itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Described, known, origin};
use crate::spec::Spec;

/// A profile that may be built upon.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its name.
    pub name: String,
    /// What it says, on this system.
    pub spec: Spec,
}

/// Programs that run something else, or do something else by another configuration: a profile with one of them is of no other
/// service.
const ANY: [&str; 4] = ["java", "node", "python3", "sshd"];

/// The one with the same program; of several, the one with the service's name.
#[must_use]
pub fn base<'a>(described: &Described, shipped: &'a [Base]) -> Option<&'a Base> {
    let program = described.command.first()?;
    let any = |path: &str| path.rsplit('/').next().is_some_and(|name| ANY.contains(&name));
    if any(program) {
        return None;
    }
    let same = |base: &&Base| base.spec.command.list().is_ok_and(|words| words.first() == Some(program));
    let named = |base: &&Base| base.name == described.service;
    let all = || shipped.iter().filter(same);
    all().find(named).or_else(|| all().next())
}

/// Paths that the service may need, by the habits of packages; what is not there is of no account.
#[must_use]
pub fn candidates(described: &Described) -> Vec<String> {
    let mut names: Vec<&str> = vec![&described.service];
    names.extend(described.command.first().and_then(|program| program.rsplit('/').next()));
    names.extend(described.user.as_deref());
    names.dedup();
    let mut paths = Vec::new();
    for name in names {
        let usual = ["/etc", "/usr/share", "/usr/lib", "/var/lib", "/var/log", "/var/cache", "/var/spool"];
        paths.extend(usual.map(|dir| format!("{dir}/{name}")));
        paths.push(format!("/etc/{name}.conf"));
    }
    paths.extend(described.write.iter().cloned());
    // An argument, or the value of a flag.
    for word in described.command.iter().skip(1) {
        paths
            .extend(word.find('/').filter(|at| *at == 0 || word[..*at].ends_with('=')).map(|at| word[at..].to_owned()));
    }
    let mut seen = BTreeSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    paths
}

/// Its text. `there` is what of the candidates there is.
#[must_use]
pub fn profile(described: &Described, base: Option<&Base>, there: &BTreeSet<String>) -> String {
    let mut text = origin(&described.service);
    let mut put = |key: &str, value: String| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{key} = {value}");
    };
    let spec = base.map(|base| base.spec.clone()).unwrap_or_default();
    let none = base.is_none();
    let (own, _) = known::sort(&described.command);
    match base {
        Some(base) => {
            put("use", quoted(&base.name));
            let words = base.spec.command.list().unwrap_or_default();
            let (usual, jails) = known::sort(&words);
            if usual != own {
                let program = described.command.iter().take(1);
                put("command", list(program.chain(&own).chain(&jails)));
            }
        }
        None => put("command", list(&described.command)),
    }
    match &described.user {
        Some(user) if spec.user.as_ref() != Some(user) => put("user", quoted(user)),
        None if none => {
            put("user", quoted("root"));
            put("capabilities", quoted("drop-user"));
        }
        _ => {}
    }
    for (key, value, usual) in [
        ("group", &described.group, &spec.group),
        ("umask", &described.umask, &spec.umask),
        ("chdir", &described.chdir, &spec.chdir),
        ("stop-signal", &described.stop_signal, &spec.stop_signal),
        ("reload-signal", &described.reload_signal, &spec.reload_signal),
    ] {
        if let (Some(value), None) = (value, usual) {
            put(key, quoted(value));
        }
    }
    if let (Some(ready), true) = (described.ready, none) {
        put("type", quoted(ready));
    }
    for (key, names, usual) in [
        ("run-dir", &described.run, &spec.run_dir),
        ("state-dir", &described.state, &spec.state_dir),
        ("log-dir", &described.log, &spec.log_dir),
        ("cache-dir", &described.cache, &spec.cache_dir),
    ] {
        if let (Some(name), None) = (names.first(), usual) {
            put(key, quoted(name));
        }
    }
    if described.lonely {
        put("network", quoted("none"));
    }
    if none {
        guessed(described, there, &mut put);
    }
    if !described.env.is_empty() {
        let pairs: Vec<String> =
            described.env.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
        put("env", format!("{{ {} }}", pairs.join(", ")));
    }
    if !described.env_files.is_empty() {
        put("env-file", list(&described.env_files));
    }
    text
}

/// What it reads and writes, by its arguments and by habit.
fn guessed(described: &Described, there: &BTreeSet<String>, put: &mut dyn FnMut(&str, String)) {
    let made: Vec<String> = [("/run", &described.run), ("/var/lib", &described.state)]
        .into_iter()
        .chain([("/var/log", &described.log), ("/var/cache", &described.cache)])
        .flat_map(|(dir, names)| names.iter().take(1).map(move |name| format!("{dir}/{name}")))
        .collect();
    let writable = |path: &str| {
        described.write.iter().any(|write| write == path)
            || ["/var/lib/", "/var/log/", "/var/cache/", "/var/spool/"].iter().any(|dir| path.starts_with(dir))
    };
    let below = |path: &String| made.iter().any(|made| path == made || path.starts_with(&format!("{made}/")));
    let found = candidates(described).into_iter().filter(|path| there.contains(path) && !below(path));
    let (write, read): (Vec<String>, Vec<String>) = found.partition(|path| writable(path));
    if let Some(pidfile) = described.pidfile.as_ref().filter(|path| !below(path)) {
        put("pidfile", quoted(pidfile));
    } else if described.ready == Some("forking") && described.pidfile.is_some() {
        put("daemon-pidfile", quoted(described.pidfile.as_deref().unwrap_or_default()));
    }
    if !read.is_empty() {
        put("read", list(&outer(read)));
    }
    if !write.is_empty() {
        put("write", list(&outer(write)));
    }
}

/// Without what lies below another one.
fn outer(paths: Vec<String>) -> Vec<String> {
    let inside = |path: &String| paths.iter().any(|dir| path.starts_with(&format!("{dir}/")));
    paths.iter().filter(|path| !inside(path)).cloned().collect()
}

fn list<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    format!("[{}]", words.into_iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}
