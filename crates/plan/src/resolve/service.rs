//! How it is kept running.

use std::time::Duration;

use super::exec::one_of;
use super::problem::{Problem, Report};
use super::quantity;
use crate::defaults;
use crate::plan::{Restart, Service, When};
use crate::spec::Spec;

pub(super) fn resolve(spec: &Spec, report: &mut Report) -> Service {
    Service { restart: restart(spec, report) }
}

fn restart(spec: &Spec, report: &mut Report) -> Restart {
    let when = match spec.restart.as_deref() {
        None | Some("no") => When::No,
        Some("on-failure") => When::OnFailure,
        Some("always") => When::Always,
        Some(written) => {
            report.problem(one_of("restart", written, &["no", "on-failure", "always"]));
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
