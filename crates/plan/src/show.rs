//! A plan for people: a line a step, aligned, with everything that will hold. JSON is serde's.

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::facts::{System, SystemKind};
use crate::plan::{
    By, Command, Exec, Landlock, LogTo, Network, Plan, Ready, Reload, Restart, Service, Success, Syscalls, Wait, When,
};
use crate::resolve::limits::{Unit, unit};
use crate::resolve::signals;
use crate::step::{Access, Confine, Content, Devfs, Planned, ProcView, Step};

/// Columns wider than this are not padded for the sake of one long line.
const WIDEST: usize = 56;

/// The whole plan.
#[must_use]
pub fn text(plan: &Plan) -> String {
    plan.to_string()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = match &self.system {
            System::Linux { release } => format!("Linux {release}"),
            System::FreeBsd { osreldate } => format!("FreeBSD {osreldate}"),
        };
        writeln!(f, "jail {} on {}", plain(&self.name), plain(&system))?;
        // On FreeBSD the jail's mounts are among the host's steps, but their places are inside.
        let (inside, host): (Vec<_>, Vec<_>) = self.host.iter().partition(|planned| planned.step.at().is_some());
        steps(f, "on the host", &host)?;
        steps(f, "inside", &inside.into_iter().chain(&self.inside).collect::<Vec<_>>())?;
        run(f, &self.exec, self.system.kind())?;
        for before in &self.before_start {
            field(f, "before start", &command(before))?;
        }
        self.reload(f)?;
        self.end(f)?;
        service(f, &self.name, &self.service)?;
        if !self.notes.is_empty() {
            writeln!(f, "\nnotes")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  {}", plain(note)))
    }
}

/// As one line.
#[must_use]
pub fn command(command: &Command) -> String {
    let arguments = command.argv.iter().skip(1).map(String::as_str);
    std::iter::once(command.program.as_str()).chain(arguments).map(word).collect::<Vec<_>>().join(" ")
}

impl Plan {
    fn reload(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reload { before, signal, command: instead, on_change } = &self.reload;
        if self.reload.is_plain() {
            return Ok(());
        }
        writeln!(f, "\nreload")?;
        for before in before {
            field(f, "first", &command(before))?;
        }
        match (instead, signals::name(*signal, self.system.kind())) {
            (Some(instead), _) => field(f, "command", &command(instead))?,
            (None, Some(name)) => field(f, "signal", &format!("{name} ({signal})"))?,
            (None, None) => field(f, "signal", &signal.to_string())?,
        }
        if *on_change {
            let files = self.fresh.iter().map(|fresh| plain(fresh.at.as_str())).collect::<Vec<_>>();
            field(f, "on change", &format!("of {}", listed(&files)))?;
        }
        Ok(())
    }

    fn end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.system.kind();
        let signal = match signals::name(self.stop.signal, kind) {
            Some(name) => format!("{name} ({})", self.stop.signal),
            None => self.stop.signal.to_string(),
        };
        writeln!(f, "\nstop")?;
        if self.unsupervised {
            field(f, "supervisor", "none: thinjail becomes the program, under the pid that it was started with")?;
            field(f, "signal", "what whoever starts it sends, to the program itself")?;
            field(f, "ends", "with the program; what it has started is not ended")?;
            return field(f, "pidfile", "none");
        }
        field(f, "signal", &format!("{signal}, and KILL after {}", duration(self.stop.timeout)))?;
        field(
            f,
            "ends",
            match self.stop.wait {
                Wait::Main => "when the main process has ended; the others are killed then",
                Wait::All => "when all processes have ended",
            },
        )?;
        let Success { statuses, signals } = &self.success;
        if !statuses.is_empty() || !signals.is_empty() {
            let statuses = statuses.iter().map(|status| format!(", status {status}"));
            let signals = signals.iter().map(|signal| match signals::name(*signal, kind) {
                Some(name) => format!(", signal {name}"),
                None => format!(", signal {signal}"),
            });
            field(f, "success", &format!("status 0{}", statuses.chain(signals).collect::<String>()))?;
        }
        match &self.pidfile {
            Some(path) => field(f, "pidfile", &format!("{path} on the host, with a pid of the host")),
            None => field(f, "pidfile", "none"),
        }
    }
}

fn service(f: &mut fmt::Formatter<'_>, name: &str, service: &Service) -> fmt::Result {
    writeln!(f, "\nservice")?;
    let within = format!("or is killed after {}", duration(service.start_timeout));
    let ready = match &service.ready {
        Ready::Runs => "as soon as it runs".into(),
        Ready::Forked => format!("when it has gone into the background, {within}"),
        Ready::Notifies { socket } => format!("when it says so to {socket}, {within}"),
        Ready::Writes { descriptor } => format!("when it writes a newline to the descriptor {descriptor}, {within}"),
    };
    field(f, "ready", &ready)?;
    match (&service.daemon_pidfile, &service.ready) {
        (Some(path), _) => {
            field(f, "main process", &format!("the one started; once it has ended, whom {path} inside names"))?
        }
        (None, Ready::Forked) => field(f, "main process", "none: all of them")?,
        (None, _) => {}
    }
    let size = match service.log.size {
        Some(size) => format!("; at {} it begins anew, and the one before is kept", bytes(size)),
        None => "; it grows without end".into(),
    };
    let log = match &service.log.to {
        LogTo::Unsaid => {
            format!("the caller's output; with start the file /var/log/thinjail/{}.log{size}", plain(name))
        }
        LogTo::Inherit => "the caller's output".into(),
        LogTo::Syslog { facility, priority } => format!("syslog, facility {facility}, priority {priority}"),
        LogTo::File(path) => format!("the file {path}{size}"),
    };
    field(f, "output", &log)?;
    let Restart { when, delay, delay_max, limit, interval } = &service.restart;
    let when = match when {
        When::No => return field(f, "restart", "no"),
        When::OnFailure => "when it has failed",
        When::Always => "whenever it has ended unasked",
    };
    let often = match limit {
        Some(limit) => format!("{limit} times within {}", duration(*interval)),
        None => "without end".into(),
    };
    field(f, "restart", &format!("{when}, after {} to {}; {often}", duration(*delay), duration(*delay_max)))
}

fn field(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {name:<12} {value}")
}

fn run(f: &mut fmt::Formatter<'_>, exec: &Exec, kind: SystemKind) -> fmt::Result {
    writeln!(f, "\nrun")?;
    field(f, "program", &exec.program.to_string())?;
    field(f, "arguments", &words(&exec.argv))?;
    field(f, "user", &format!("uid {}", exec.ids.uid))?;
    let groups: Vec<_> = exec.ids.groups.iter().map(u32::to_string).collect();
    field(f, "group", &format!("gid {}, further groups {}", exec.ids.gid, listed(&groups)))?;
    if kind == SystemKind::Linux {
        field(f, "capabilities", &format!("{}; no new privileges", listed(&exec.capabilities)))?;
        field(f, "system calls", &syscalls(&exec.syscalls))?;
    }
    field(f, "umask", &format!("{:03o}", exec.umask))?;
    field(f, "directory", &exec.chdir.to_string())?;
    for (name, value) in &exec.env {
        field(f, "env", &format!("{}={}", plain(name), word(value)))?;
    }
    for file in &exec.env_files {
        for name in &file.names {
            field(f, "env", &format!("{} as {} has it at the start", plain(name), file.source.path))?;
        }
    }
    if exec.limits.is_empty() {
        field(f, "limits", "none")?;
    }
    for limit in &exec.limits {
        let value = limit.value.map_or_else(
            || "unlimited".into(),
            |value| match unit(&limit.resource) {
                Some(Unit::Bytes) => bytes(value),
                Some(Unit::Seconds) => format!("{value} s"),
                Some(Unit::Percent) => format!("{value} % of a processor"),
                Some(Unit::Pieces) | None => value.to_string(),
            },
        );
        let by = match limit.by {
            By::Process => "each process, by setrlimit(2)",
            By::CgroupV1 => "the whole jail, by a cgroup (version 1)",
            By::CgroupV2 => "the whole jail, by a cgroup (version 2)",
            By::Rctl => "the whole jail, by rctl(8)",
        };
        field(f, "limit", &format!("{} {value}: {by}", plain(&limit.resource)))?;
    }
    for (at, listen) in exec.listen.iter().enumerate() {
        let what = plain(&format!("{}, as the descriptor {}, named {}", listen.at, 3 + at, listen.name));
        field(f, "listens", &what)?;
    }
    let more: String = exec.descriptors.iter().map(|fd| format!(" {fd}")).collect();
    field(f, "descriptors", &format!("0 1 2{more}"))?;
    field(f, "terminal", if exec.tty { "keeps the caller's session" } else { "a session of its own" })?;
    let network = match (exec.network, exec.landlock.own_abstract_sockets) {
        (Network::None, _) if kind == SystemKind::FreeBsd => "none: no addresses",
        (Network::None, _) => "none but a loopback of its own",
        (Network::Inherit, true) => "the host's, but for abstract sockets",
        (Network::Inherit, false) if kind == SystemKind::Linux => "the host's, with its abstract sockets",
        (Network::Inherit, false) => "the host's",
    };
    field(f, "network", network)?;
    let Landlock { own_signals, own_processes, tcp_bind, tcp_connect, .. } = &exec.landlock;
    if *own_signals {
        field(f, "signals", "to processes of the jail only")?;
    }
    if *own_processes {
        field(f, "tracing", "of processes of the jail only, and no others are seen in /proc")?;
    }
    for (name, ports) in [("tcp binds", tcp_bind), ("tcp connects", tcp_connect)] {
        if let Some(ports) = ports {
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            field(f, name, &format!("to ports: {}", listed(&ports)))?;
        }
    }
    Ok(())
}

/// One step as one line: verb, place, and what is exact about it.
#[must_use]
pub fn line(planned: &Planned) -> String {
    let [verb, at, what] = columns(&planned.step);
    [verb, at, what].iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join(" ")
}

fn steps(f: &mut fmt::Formatter<'_>, title: &str, steps: &[&Planned]) -> fmt::Result {
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    let rows: Vec<_> = steps.iter().map(|planned| (columns(&planned.step), &planned.why)).collect();
    let width = |column: usize| {
        rows.iter().map(|(row, _)| row[column].chars().count()).filter(|width| *width <= WIDEST).max().unwrap_or(0)
    };
    let [verb, at, what] = [width(0), width(1), width(2)];
    for (row, why) in &rows {
        writeln!(f, "  {:verb$}  {:at$}  {:what$}  # {}", row[0], row[1], row[2], plain(why))?;
    }
    Ok(())
}

fn columns(step: &Step) -> [String; 3] {
    let row = |verb: &str, at: &dyn fmt::Display, what: String| [verb.to_string(), at.to_string(), what];
    match step {
        Step::MakeHostDir { path, mode, uid, gid, keep } => {
            let after = match (keep, uid) {
                (true, _) => "stays",
                (false, 0) => "removed at the end if empty",
                (false, _) => "removed at the end with its owner's files",
            };
            row("make dir", path, format!("{}, {after}", owner(*mode, *uid, *gid)))
        }
        Step::MakeCgroup { parent, name, settings, .. } => {
            let settings: Vec<_> = settings.iter().map(|(file, value)| format!("{file}={}", word(value))).collect();
            let at = format!("{}/{}.PID", parent, plain(name));
            row("make group", &at, format!("{}, removed at the end", settings.join(" ")))
        }
        Step::MakeDir { at, mode, uid, gid } => row("dir", at, owner(*mode, *uid, *gid)),
        Step::PutFile { at, content, mode, uid, gid } => {
            let content = match content {
                Content::Text(text) if text.len() <= WIDEST => word(text),
                Content::Text(text) => format!("{} bytes of text", text.len()),
                Content::Bytes(bytes) => format!("{} bytes", bytes.len()),
                Content::Copy(source) if source.path.as_str() == at.as_str() => "copy".into(),
                Content::Copy(source) => format!("copy of {}", source.path),
            };
            row("file", at, format!("{}, {content}", owner(*mode, *uid, *gid)))
        }
        Step::Socket { at } => row("socket", at, "of the supervisor's".into()),
        Step::Symlink { at, to } => row("link", at, format!("to {}", plain(to))),
        Step::Bind { source, at, access } => {
            let from = if source.path.as_str() == at.as_str() { String::new() } else { format!(" of {}", source.path) };
            row("bind", at, format!("{}{from}", rights(*access)))
        }
        Step::Tmpfs { at, size, mode, uid, gid, access } => {
            row("tmpfs", at, format!("{}, {}, {}", bytes(*size), owner(*mode, *uid, *gid), rights(*access)))
        }
        Step::Devices { at, nodes, links, devfs } => {
            let mut what: Vec<String> = nodes.iter().filter_map(|node| node.path.name().map(plain)).collect();
            what.extend(links.iter().map(|(name, _)| plain(name)));
            match devfs {
                Some(Devfs::Only(shown)) => what.push(format!("devfs with {}", plain(&shown.join(" ")))),
                Some(Devfs::Ruleset(number)) => what.push(format!("devfs, ruleset {number}")),
                None => {}
            }
            row("devices", at, what.join(" "))
        }
        Step::Proc { at, view } => row(
            "proc",
            at,
            match view {
                ProcView::Descriptors => "the descriptors of whoever looks".into(),
                ProcView::Pid => "read-only, the jail's processes only".into(),
                ProcView::Full => "read-only, what tells of the host is masked".into(),
            },
        ),
        Step::LogSocket { at, to } => row("log", at, format!("handed on to {to}")),
        Step::Allow { source, access } => row("allow", &source.path, rights(*access)),
        Step::Confine(Confine::Landlock) => row("confine", &"", "landlock, in the host's own tree".into()),
        Step::Confine(Confine::Linux { namespaces, hostname }) => {
            let name =
                hostname.as_ref().map_or_else(|| "the host's name".into(), |name| format!("host name {}", plain(name)));
            row("confine", &"", format!("namespaces {}; {name}", namespaces.join(" ")))
        }
        Step::Confine(Confine::FreeBsd { params, hooks }) => {
            let param = |(name, value): &(String, String)| match value.as_str() {
                "" => plain(name),
                value => format!("{}={}", plain(name), word(value)),
            };
            row("confine", &"", params.iter().chain(hooks).map(param).collect::<Vec<_>>().join(" "))
        }
    }
}

fn owner(mode: u32, uid: u32, gid: u32) -> String {
    format!("{mode:04o} {uid}:{gid}")
}

/// No mount honours set-id bits, so that is not said on each line.
fn rights(access: Access) -> String {
    let write = if access.write { "read-write" } else { "read-only" };
    let exec = if access.exec { "" } else { ", no exec" };
    let dev = if access.dev { ", device" } else { "" };
    format!("{write}{exec}{dev}")
}

fn syscalls(syscalls: &Syscalls) -> String {
    let mut text = "all but those of the default list".to_owned();
    for (what, words) in [("given back", &syscalls.allowed), ("and refused", &syscalls.refused)] {
        if !words.is_empty() {
            text += &format!("; {what}: {}", words.join(" "));
        }
    }
    if syscalls.own_processes {
        text += "; limits, priorities and processors only for the caller itself";
    }
    text
}

fn listed(words: &[String]) -> String {
    if words.is_empty() { "none".into() } else { words.join(" ") }
}

fn words(list: &[String]) -> String {
    list.iter().map(|text| word(text)).collect::<Vec<_>>().join(" ")
}

/// A word that can be told from its neighbours.
fn word(text: &str) -> String {
    let bare = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(bare) { text.into() } else { format!("{text:?}") }
}

/// Control characters are escaped, so that a hostile name can't forge a line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Exact: a unit only where nothing is lost by it.
fn bytes(size: u64) -> String {
    for (shift, name) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if size > 0 && size.is_multiple_of(1 << shift) {
            return format!("{} {name}", size >> shift);
        }
    }
    format!("{size} bytes")
}

fn duration(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}
