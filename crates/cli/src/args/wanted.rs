//! The flags that are also keys of a profile: the same words, with the same meaning.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use thinjail_plan::spec::{Ending, LimitValue, Mount, Spec, TmpSize, Words};

/// Flags over a profile: scalars replace, lists append.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Who runs")]
pub(crate) struct Wanted {
    /// Runs as this user, by name or number; a program without a profile runs as nobody
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Primary group, in place of the user's
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Supplementary groups, in place of the user's
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    groups: Option<Vec<String>>,
    /// Further users whose names the program looks up
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    users: Vec<String>,
    /// Capabilities kept, by name, or `drop-user`: start as root, then drop
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    capabilities: Vec<String>,
    /// System calls given back of those that every jail refuses
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    allow_syscalls: Vec<String>,
    /// System calls refused as well
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    deny_syscalls: Vec<String>,

    /// File or directory of the host, read-only, at the same path inside
    #[arg(long, value_name = "PATH", help_heading = "What is inside")]
    read: Vec<String>,
    /// The same, writable
    #[arg(long, value_name = "PATH", help_heading = "What is inside")]
    write: Vec<String>,
    /// What becomes of links in `read` that lead out of it: keep, follow
    #[arg(long, value_name = "WORD", help_heading = "What is inside")]
    links: Option<String>,
    /// File of root's; only the user that runs reads the copy inside
    #[arg(long, value_name = "PATH", help_heading = "What is inside")]
    secrets: Vec<String>,
    /// Another path inside; more `:` with write, exec, optional, create, owner=, group=, mode=
    #[arg(long, value_name = "SOURCE[:TARGET]", value_parser = super::mount::parse, help_heading = "What is inside")]
    mount: Vec<Mount>,
    /// Further programs it runs, with all they need
    #[arg(long, value_name = "PROGRAM,...", value_delimiter = ',', help_heading = "What is inside")]
    programs: Vec<String>,
    /// The language that runs it: python, java, node, perl, php, ruby; and a directory
    #[arg(long, value_name = "LANGUAGE[:DIR]", help_heading = "What is inside")]
    runtime: Option<String>,
    /// Makes /run/NAME, owned by the user; gone at the end
    #[arg(long, value_name = "NAME", help_heading = "What is inside")]
    run_dir: Option<String>,
    /// Makes /var/lib/NAME; stays
    #[arg(long, value_name = "NAME", help_heading = "What is inside")]
    state_dir: Option<String>,
    /// Makes /var/log/NAME; stays
    #[arg(long, value_name = "NAME", help_heading = "What is inside")]
    log_dir: Option<String>,
    /// Makes /var/cache/NAME; stays
    #[arg(long, value_name = "NAME", help_heading = "What is inside")]
    cache_dir: Option<String>,
    /// A /tmp of its own, in memory
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "What is inside")]
    tmp: Option<String>,
    /// Devices beside null, zero, full, random and urandom; also shm, log, tty
    #[arg(long, alias = "device", value_name = "NAME,...", value_delimiter = ',', help_heading = "What is inside")]
    devices: Vec<String>,
    /// /proc: pid (the jail's own processes, the default), full, none
    #[arg(long, value_name = "HOW", help_heading = "What is inside")]
    proc: Option<String>,
    /// Which of the usual files of /etc are inside
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', help_heading = "What is inside")]
    etc: Option<Vec<String>>,

    /// Environment; nothing of the caller's is inherited
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "How it runs")]
    env: Vec<(String, String)>,
    /// File of NAME=VALUE lines, as systemd reads them; `plan` shows no value
    #[arg(long, value_name = "PATH", help_heading = "How it runs")]
    env_file: Vec<String>,
    /// Socket opened before privileges go, handed on as LISTEN_FDS: 80, 127.0.0.1:80, udp:53, /run/app.sock
    #[arg(long, value_name = "ADDRESS", help_heading = "How it runs")]
    listen: Vec<String>,
    /// File mode creation mask, octal
    #[arg(long, value_name = "OCTAL", help_heading = "How it runs")]
    umask: Option<String>,
    /// Working directory inside
    #[arg(long, value_name = "PATH", help_heading = "How it runs")]
    chdir: Option<String>,
    /// Host name inside
    #[arg(long, value_name = "NAME", help_heading = "How it runs")]
    hostname: Option<String>,
    /// inherit (the default) or none
    #[arg(long, value_name = "HOW", help_heading = "How it runs")]
    network: Option<String>,
    /// namespaces (the default) or landlock, which needs none but hides no names
    #[arg(long, value_name = "HOW", help_heading = "How it runs")]
    isolation: Option<String>,
    /// Abstract unix sockets of the host: none (the default) or inherit
    #[arg(long, value_name = "HOW", help_heading = "How it runs")]
    abstract_sockets: Option<String>,
    /// The ports that TCP sockets may be bound to
    #[arg(long, value_name = "PORT,...", value_delimiter = ',', help_heading = "How it runs")]
    tcp_bind: Option<Vec<i32>>,
    /// The ports that TCP sockets may connect to
    #[arg(long, value_name = "PORT,...", value_delimiter = ',', help_heading = "How it runs")]
    tcp_connect: Option<Vec<i32>>,
    /// Limits by rctl(8)'s words: openfiles=1024, filesize=1G
    #[arg(long, alias = "limit", value_name = "NAME=VALUE,...", value_parser = pair, value_delimiter = ',', help_heading = "How it runs")]
    limits: Vec<(String, String)>,
    /// Descriptors handed on besides 0, 1 and 2
    #[arg(long, value_name = "NUMBER,...", value_delimiter = ',', help_heading = "How it runs")]
    descriptors: Vec<i32>,
    /// Command run inside, as the program, before it starts; if one fails, nothing starts
    #[arg(long, value_name = "COMMAND", help_heading = "How it runs")]
    before_start: Vec<String>,
    /// The same before a reload; if one fails, the program hears nothing of it
    #[arg(long, value_name = "COMMAND", help_heading = "How it runs")]
    before_reload: Vec<String>,
    /// Sent to have it reload; HUP
    #[arg(long, value_name = "NAME", help_heading = "How it runs")]
    reload_signal: Option<String>,
    /// Command run inside to have it reload, in place of a signal
    #[arg(long, value_name = "COMMAND", help_heading = "How it runs")]
    reload_command: Option<String>,
    /// Has it reload when one of its files has changed on the host
    #[arg(long, help_heading = "How it runs")]
    reload_on_change: bool,
    /// Keeps the terminal, for an interactive program
    #[arg(long, help_heading = "How it runs")]
    tty: bool,

    /// Written with the program's process id on the host
    #[arg(long, value_name = "PATH", help_heading = "How it ends")]
    pidfile: Option<String>,
    /// Sent to stop it; TERM
    #[arg(long, value_name = "NAME", help_heading = "How it ends")]
    stop_signal: Option<String>,
    /// How long it may take to stop, such as 10s, before it is killed
    #[arg(long, value_name = "TIME", help_heading = "How it ends")]
    stop_timeout: Option<String>,
    /// Ends with its main process (main, the default), or with its last (all)
    #[arg(long, value_name = "WHICH", help_heading = "How it ends")]
    wait: Option<String>,
    /// Statuses and signals that are a success beside 0: 143,TERM
    #[arg(long, value_name = "WHICH,...", value_delimiter = ',', help_heading = "How it ends")]
    success_exit: Vec<String>,
    /// Becomes the program, for an init that supervises by itself; `plan` prints what is lost
    #[arg(long, help_heading = "How it ends")]
    no_supervisor: bool,
    /// How it says that it is ready: simple (the default), forking, notify
    #[arg(long, value_name = "HOW", help_heading = "How it runs")]
    r#type: Option<String>,
    /// How long it may take until it does, such as 90s, before it is killed
    #[arg(long, value_name = "TIME", help_heading = "How it runs")]
    start_timeout: Option<String>,
    /// Where the daemon itself writes its pid, inside; else --pidfile
    #[arg(long, value_name = "PATH", help_heading = "How it runs")]
    daemon_pidfile: Option<String>,
    /// The descriptor that it writes a newline to when it is ready
    #[arg(long, value_name = "NUMBER", help_heading = "How it runs")]
    ready_descriptor: Option<i32>,
    /// Where its output goes: inherit, syslog[:FACILITY[.PRIORITY]], or a file
    #[arg(long, alias = "output", value_name = "WHERE", help_heading = "How it runs")]
    log: Option<String>,
    /// At this size the file begins anew, and the one before is kept; 16M
    #[arg(long, value_name = "SIZE", help_heading = "How it runs")]
    log_size: Option<String>,
    /// Starts it again: no (the default), on-failure, always
    #[arg(long, value_name = "WHEN", help_heading = "How it ends")]
    restart: Option<String>,
    /// How long until it is started again, such as 200ms; each time twice as long
    #[arg(long, value_name = "TIME", help_heading = "How it ends")]
    restart_delay: Option<String>,
    /// The longest wait
    #[arg(long, value_name = "TIME", help_heading = "How it ends")]
    restart_delay_max: Option<String>,
    /// How often at most within --restart-interval; 0 is without end
    #[arg(long, value_name = "NUMBER", help_heading = "How it ends")]
    restart_limit: Option<u32>,
    /// What is longer ago counts no more
    #[arg(long, value_name = "TIME", help_heading = "How it ends")]
    restart_interval: Option<String>,
}

impl Wanted {
    /// The same as a spec. A path of the host may be written relative to `here`, as on any command line.
    pub(crate) fn spec(self, here: Option<&Path>) -> Spec {
        let paths = |paths: Vec<String>| paths.into_iter().map(|path| absolute(path, here)).collect();
        let mount = |mount: Mount| Mount { source: absolute(mount.source, here), ..mount };
        Spec {
            user: self.user,
            group: self.group,
            groups: self.groups.map(named),
            users: named(self.users),
            programs: named(self.programs).into_iter().map(|name| program(name, here)).collect(),
            runtime: self.runtime,
            capabilities: Words::List(named(self.capabilities)),
            allow_syscalls: named(self.allow_syscalls),
            deny_syscalls: named(self.deny_syscalls),
            read: paths(self.read),
            write: paths(self.write),
            secrets: paths(self.secrets),
            mount: self.mount.into_iter().map(mount).collect(),
            run_dir: self.run_dir,
            state_dir: self.state_dir,
            log_dir: self.log_dir,
            cache_dir: self.cache_dir,
            tmp: self.tmp.map(size),
            devices: named(self.devices),
            proc: self.proc,
            etc: self.etc.map(named),
            env: self.env.into_iter().collect(),
            env_file: paths(self.env_file),
            links: self.links,
            listen: self.listen,
            umask: self.umask,
            chdir: self.chdir,
            hostname: self.hostname,
            network: self.network,
            isolation: self.isolation,
            abstract_sockets: self.abstract_sockets,
            tcp_bind: self.tcp_bind,
            tcp_connect: self.tcp_connect,
            pidfile: self.pidfile.map(|path| absolute(path, here)),
            limits: self.limits.into_iter().map(|(name, value)| (name, limit(value))).collect(),
            descriptors: self.descriptors,
            before_start: self.before_start,
            before_reload: self.before_reload,
            reload_signal: self.reload_signal,
            reload_command: Words::of_line(self.reload_command),
            reload_on_change: self.reload_on_change.then_some(true),
            tty: self.tty,
            stop_signal: self.stop_signal,
            stop_timeout: self.stop_timeout,
            wait: self.wait,
            success_exit: named(self.success_exit).into_iter().map(ending).collect(),
            supervisor: self.no_supervisor.then_some(false),
            r#type: self.r#type,
            start_timeout: self.start_timeout,
            daemon_pidfile: self.daemon_pidfile,
            ready_descriptor: self.ready_descriptor,
            log: self.log.map(|log| place(log, here)),
            log_size: self.log_size,
            restart: self.restart,
            restart_delay: self.restart_delay,
            restart_delay_max: self.restart_delay_max,
            restart_limit: self.restart_limit,
            restart_interval: self.restart_interval,
            // The command is no flag, and a flag holds on the system it is typed on.
            command: Words::default(),
            r#use: None,
            linux: None,
            freebsd: None,
            params: BTreeMap::new(),
        }
    }
}

/// `--groups=` asks for an empty list, which clap hands over as one empty name.
fn named(names: Vec<String>) -> Vec<String> {
    names.into_iter().filter(|name| !name.is_empty()).collect()
}

/// A program as a shell has it: with a `/` it is a path, else a name to be looked up.
pub(crate) fn program(name: String, here: Option<&Path>) -> String {
    if name.contains('/') { absolute(name, here) } else { name }
}

/// Where output goes: a word, or a path.
fn place(log: String, here: Option<&Path>) -> String {
    if log == "inherit" || log == "syslog" || log.starts_with("syslog:") { log } else { absolute(log, here) }
}

/// A relative path made absolute. `here` has no link in it, so a `..` at the beginning means what it says; any other is
/// left for the plan to refuse.
fn absolute(path: String, here: Option<&Path>) -> String {
    if path.starts_with('/') || path.is_empty() {
        return path;
    }
    // A working directory that was removed has no path; the plan then refuses what was typed.
    let Some(here) = here else { return path };
    let mut here = here.to_path_buf();
    let mut rest = path.as_str();
    loop {
        let (name, more) = rest.split_once('/').unwrap_or((rest, ""));
        match name {
            ".." => {
                here.pop();
            }
            "." | "" => {}
            _ => break,
        }
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    // A directory of a name that is not UTF-8 can't be in a plan; the message then shows what was typed.
    match here.to_str() {
        Some(here) => format!("{}/{rest}", here.trim_end_matches('/')),
        None => path,
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("it is not NAME=VALUE".into()),
    }
}

fn size(text: String) -> TmpSize {
    match text.as_str() {
        "true" => TmpSize::Switch(true),
        "false" => TmpSize::Switch(false),
        _ => TmpSize::Size(text),
    }
}

fn limit(text: String) -> LimitValue {
    text.parse().map_or(LimitValue::Text(text), LimitValue::Number)
}

fn ending(text: String) -> Ending {
    text.parse().map_or(Ending::Signal(text), Ending::Status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_begin_at_the_working_directory() {
        let here = Some(Path::new("/home/x"));
        let cases = [
            ("/a", "/a"),
            ("a/b", "/home/x/a/b"),
            ("./a", "/home/x/a"),
            ("../a", "/home/a"),
            ("../../../a", "/a"),
            (".", "/home/x/"),
            ("..", "/home/"),
            ("a/../b", "/home/x/a/../b"),
        ];
        for (typed, meant) in cases {
            assert_eq!(absolute(typed.into(), here), meant);
        }
        assert_eq!(program("sh".into(), here), "sh");
        assert_eq!(program("./sh".into(), here), "/home/x/sh");
    }
}
