//! How it is kept running.

use std::time::Duration;

use super::exec::one_of;
use super::inside::{Entry, Inside, Node, Origin};
use super::problem::{Problem, Report};
use super::quantity;
use crate::defaults;
use crate::facts::Facts;
use crate::path::{HostPath, RootPath};
use crate::plan::{Log, LogTo, Ready, Restart, Service, When};
use crate::spec::Spec;

/// `pidfile` is whether the daemon's own at that path stays inside.
pub(super) fn resolve(
    spec: &Spec,
    pidfile: bool,
    landlocked: bool,
    inside: &Inside,
    facts: &Facts,
    report: &mut Report,
) -> Service {
    let ready = ready(spec, landlocked, report);
    let start_timeout = time("start-timeout", spec.start_timeout.as_deref(), defaults::START_TIMEOUT, report);
    if spec.start_timeout.is_some() && ready == Ready::Runs {
        report.problem(
            Problem::setup("start-timeout is written, and a daemon of type = \"simple\" is ready as soon as it runs")
                .help("write type = \"notify\" or \"forking\""),
        );
    }
    let daemon_pidfile = daemon_pidfile(spec, pidfile && !landlocked, inside, facts, report);
    Service { ready, start_timeout, daemon_pidfile, log: log(spec, report), restart: restart(spec, report) }
}

fn is_notify(spec: &Spec) -> bool {
    spec.r#type.as_deref() == Some("notify")
}

fn ready(spec: &Spec, landlocked: bool, report: &mut Report) -> Ready {
    let socket = || RootPath::new(defaults::NOTIFY_SOCKET).unwrap_or_else(|_| RootPath::root());
    match (spec.r#type.as_deref(), spec.ready_descriptor) {
        (Some("notify"), Some(descriptor)) => {
            if descriptor < 3 || spec.descriptors.contains(&descriptor) {
                report.problem(
                    Problem::setup(format!("ready-descriptor: {descriptor} is the caller's"))
                        .help("write 3 or more, and none that is in descriptors"),
                );
            }
            Ready::Writes { descriptor }
        }
        (None | Some("simple" | "forking"), Some(_)) => {
            let what = "ready-descriptor is written, and type is not \"notify\"";
            report.problem(Problem::setup(what).help("write type = \"notify\""));
            Ready::Runs
        }
        (None | Some("simple"), None) => Ready::Runs,
        (Some("forking"), None) => Ready::Forked,
        (Some("notify"), None) => {
            if landlocked {
                let what = "isolation = \"landlock\": type = \"notify\" needs a socket inside, and so a mount";
                report.problem(Problem::setup(what).help("write ready-descriptor, if the daemon knows of one"));
            }
            Ready::Notifies { socket: socket() }
        }
        (Some(written), _) => {
            report.problem(one_of("type", written));
            Ready::Runs
        }
    }
}

/// The socket that a daemon says to that it is ready.
pub(super) fn socket(spec: &Spec, landlocked: bool, inside: &mut Inside) -> Result<(), Problem> {
    if !is_notify(spec) || spec.ready_descriptor.is_some() || landlocked {
        return Ok(());
    }
    let at = RootPath::new(defaults::NOTIFY_SOCKET).map_err(|error| Problem::setup(error.to_string()))?;
    inside.put(at, Entry::new(Node::Socket, Origin::Base, "type = \"notify\": where the daemon says that it is ready"))
}

fn daemon_pidfile(spec: &Spec, pidfile: bool, inside: &Inside, facts: &Facts, report: &mut Report) -> Option<RootPath> {
    let Some(written) = &spec.daemon_pidfile else {
        return spec.pidfile.as_ref().filter(|_| pidfile).and_then(|path| RootPath::new(path).ok());
    };
    let path = RootPath::new(written).map_err(|error| {
        Problem::setup(format!("daemon-pidfile: {error}")).help("write where it is inside, from the root on")
    });
    let path = report.keep(path)?;
    let directory = path.parent().unwrap_or_else(RootPath::root);
    if !inside.has_dir(&directory, facts) {
        report.problem(
            Problem::setup(format!("daemon-pidfile: there will be no directory {directory} inside"))
                .help("name it in write, or as run-dir; or write pidfile, which makes one"),
        );
    }
    Some(path)
}

/// syslog(3), in the order of their numbers.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "",
    "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const PRIORITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

fn number(names: &[&str], name: &str) -> Option<u8> {
    names.iter().position(|known| *known == name && !name.is_empty()).and_then(|at| u8::try_from(at).ok())
}

fn log(spec: &Spec, report: &mut Report) -> Log {
    let to = match spec.log.as_deref() {
        None => LogTo::Unsaid,
        Some("inherit") => LogTo::Inherit,
        Some(written) => match written.strip_prefix("syslog") {
            Some(rest) if rest.is_empty() || rest.starts_with(':') => {
                let (facility, priority) = match rest.trim_start_matches(':') {
                    "" => ("daemon", "info"),
                    rest => rest.split_once('.').unwrap_or((rest, "info")),
                };
                let numbers = number(&FACILITIES, facility).zip(number(&PRIORITIES, priority));
                if numbers.is_none() {
                    report.problem(
                        Problem::setup(format!("log = {written:?}: syslog(3) has no such facility or priority"))
                            .help("write \"syslog:daemon.info\", \"syslog:local0\" or \"syslog\""),
                    );
                }
                let (facility, priority) = numbers.unwrap_or_default();
                LogTo::Syslog { facility, priority }
            }
            _ => {
                let path = HostPath::new(written).map_err(|error| {
                    Problem::setup(format!("log: {error}"))
                        .help("write \"inherit\", \"syslog\", or a file from the root on")
                });
                report.keep(path).map_or(LogTo::Unsaid, LogTo::File)
            }
        },
    };
    let size = match spec.log_size.as_deref() {
        None => Some(defaults::LOG_SIZE),
        Some("unlimited") => None,
        Some(written) => report.keep(quantity::size(written).filter(|size| *size >= 1 << 16).ok_or_else(|| {
            Problem::setup(format!("log-size = {written:?} is no size of 64K or more"))
                .help("write a size such as \"16M\", or \"unlimited\"")
        })),
    };
    if spec.log_size.is_some() && matches!(to, LogTo::Inherit | LogTo::Syslog { .. }) {
        report.problem(Problem::setup("log-size is written, and log is no file").help("take log-size out"));
    }
    Log { to, size }
}

fn restart(spec: &Spec, report: &mut Report) -> Restart {
    let when = match spec.restart.as_deref() {
        None | Some("no") => When::No,
        Some("on-failure") => When::OnFailure,
        Some("always") => When::Always,
        Some(written) => {
            report.problem(one_of("restart", written));
            When::No
        }
    };
    let delay = time("restart-delay", spec.restart_delay.as_deref(), defaults::RESTART_DELAY, report);
    let longest = defaults::RESTART_DELAY_MAX.max(delay);
    let delay_max = time("restart-delay-max", spec.restart_delay_max.as_deref(), longest, report);
    if delay_max < delay {
        let help = "write a restart-delay-max that is no less, or leave it out";
        report.problem(Problem::setup("restart-delay is longer than restart-delay-max").help(help));
    }
    let limit = Some(spec.restart_limit.unwrap_or(defaults::RESTART_LIMIT)).filter(|limit| *limit > 0);
    let interval = time("restart-interval", spec.restart_interval.as_deref(), defaults::RESTART_INTERVAL, report);
    let written = [
        ("restart-delay", spec.restart_delay.is_some()),
        ("restart-delay-max", spec.restart_delay_max.is_some()),
        ("restart-limit", spec.restart_limit.is_some()),
        ("restart-interval", spec.restart_interval.is_some()),
    ];
    if spec.restart.is_none()
        && let Some((key, _)) = written.iter().find(|(_, written)| *written)
    {
        report.problem(
            Problem::setup(format!("{key} is written, and nothing is ever restarted"))
                .help("write restart = \"on-failure\" or \"always\""),
        );
    }
    Restart { when, delay, delay_max, limit, interval }
}

/// A key that takes a time.
pub(super) fn time(key: &str, written: Option<&str>, default: Duration, report: &mut Report) -> Duration {
    let Some(written) = written else { return default };
    let time = quantity::duration(written).ok_or_else(|| {
        Problem::setup(format!("{key} = {written:?} is no time"))
            .help("write a time such as \"10s\", \"1m30s\" or \"500ms\"")
    });
    report.keep(time).unwrap_or(default)
}
