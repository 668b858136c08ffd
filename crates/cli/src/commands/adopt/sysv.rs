//! A service of sysvinit on this host: its script, and its file in /etc/default.

use std::path::PathBuf;

use thinjail_plan::adopt::sysv::{default_file, describe, hooked};

use super::Found;
use crate::init::place::State;
use crate::report::Failure;

/// All that is known of it.
pub(super) fn find(name: &str) -> Result<Found, Failure> {
    let script = format!("/etc/init.d/{name}");
    let text = std::fs::read_to_string(&script).map_err(|error| {
        Failure::new(format!("read {script}")).cause(error).help("`ls /etc/init.d` lists the services")
    })?;
    let path = PathBuf::from(default_file(name));
    let failed = |cause: String| Failure::new(format!("read {}", path.display())).cause(cause);
    let before = State::at(&path).map_err(|error| failed(error.to_string()))?;
    let (defaults, mode, owner) = match before {
        State::Absent => (String::new(), 0o644, None),
        State::File { text, mode, owner } => (text, mode, owner),
        State::Link { .. } => return Err(failed("it is a link, and stays one".to_owned())),
    };
    let described = describe(name, &text, &defaults)?;
    let pidfile = described.pidfile.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
    let pid = pidfile.and_then(|text| text.trim().parse().ok());
    let of = described.clone();
    let act = |action: &str| vec![script.clone(), action.to_owned()];
    let own = std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok());
    Ok(Found {
        described,
        hook: Box::new(move |service| {
            Some((path.clone(), State::File { text: hooked(&defaults, service, &of), mode, owner }))
        }),
        load: Vec::new(),
        runs: act("status"),
        stop: act("stop"),
        start: act("start"),
        said: own.map(|own| [&own, "logs", "-n", "8", name].map(str::to_owned).to_vec()),
        pid,
    })
}
