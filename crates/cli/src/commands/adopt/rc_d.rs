//! A service of rc.d(8) on this host: its script, as rc.subr(8) sees it, and its rc.conf.d.

use std::path::{Path, PathBuf};

use thinjail_plan::adopt::rc_conf::{ASK, describe, hooked};
use thinjail_plan::init::Command;

use super::Found;
use crate::init::command::said;
use crate::init::place::State;
use crate::report::Failure;

/// Where it is looked for before the other one: rc.conf(5).
const HOOKS: &str = "/usr/local/etc/rc.conf.d";

/// All that is known of it.
pub(super) fn find(name: &str) -> Result<Found, Failure> {
    let scripts = ["/etc/rc.d", "/usr/local/etc/rc.d"].map(|dir| format!("{dir}/{name}"));
    let script = scripts.into_iter().find(|path| Path::new(path).is_file()).ok_or_else(|| {
        Failure::new(format!("there is no service {name} of rc.d(8)")).help("`service -l` lists them")
    })?;
    let words = ["/bin/sh", "-c", ASK, "sh", &script];
    let described = describe(name, &said(&words.map(str::to_owned).to_vec()))?;
    let path = Path::new(HOOKS).join(name);
    // A directory has as many files as one likes.
    let path: PathBuf = if path.is_dir() { path.join("thinjail") } else { path };
    let failed = |cause: String| Failure::new(format!("read {}", path.display())).cause(cause);
    let (before, mode, owner) = match State::at(&path).map_err(|error| failed(error.to_string()))? {
        State::Absent => (String::new(), 0o644, None),
        State::File { text, mode, owner } => (text, mode, owner),
        State::Link { .. } => return Err(failed("it is a link, and stays one".to_owned())),
    };
    let pidfile = described.pidfile.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
    let of = described.clone();
    // Also where it is not enabled.
    let act = |action: &str| -> Command { ["service", name, action].map(str::to_owned).to_vec() };
    Ok(Found {
        described,
        hook: Box::new(move |service| {
            Some((path.clone(), State::File { text: hooked(&before, service, &of), mode, owner }))
        }),
        load: Vec::new(),
        runs: act("onestatus"),
        stop: act("onestop"),
        start: act("onestart"),
        said: None,
        pid: pidfile.and_then(|text| text.trim().parse().ok()),
    })
}
