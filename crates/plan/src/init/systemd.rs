//! A unit of systemd(1). The jail is the sandbox: no second one is put around it. The supervisor is the main process, is
//! told to stop and to reload by signals, and hands on what the program says to the journal.

use super::fill::fill;
use super::quote::unit;
use super::rotate::logrotate;
use super::{Placed, Service, Text, command};
use crate::facts::SystemKind;
use crate::path::HostPath;
use crate::resolve::signals::name;

/// The administrator's units, which go over those of packages; systemd.unit(5).
const DIR: &str = "/etc/systemd/system";

pub(super) fn text(service: &Service) -> Text {
    let name = format!("{}.service", service.name);
    let packaged =
        ["/usr/local/lib", "/usr/lib", "/lib"].map(|lib| HostPath::new(&format!("{lib}/systemd/system/{name}")));
    Text {
        over: packaged.into_iter().flatten().collect(),
        placed: Placed::file(&format!("{DIR}/{name}"), 0o644, unit_text(service)).into_iter().collect(),
        rotation: logrotate(service, &[]),
        enabled: Some(command(&["systemctl", "--quiet", "is-enabled", &name])),
        load: vec![command(&["systemctl", "daemon-reload"])],
        enable: vec![command(&["systemctl", "enable", &name])],
        runs: Some(command(&["systemctl", "--quiet", "is-active", &name])),
        start: Some(command(&["systemctl", "restart", &name])),
        stop: Some(command(&["systemctl", "stop", &name])),
        disable: vec![command(&["systemctl", "disable", &name])],
        forget: vec![command(&["systemctl", "daemon-reload"])],
        ..Text::default()
    }
}

fn unit_text(service: &Service) -> String {
    let network = if service.network {
        "Wants=network-online.target\nAfter=network-online.target remote-fs.target nss-lookup.target\n"
    } else {
        "After=remote-fs.target\n"
    };
    let signal = service.stop_signal;
    let kill = match service.supervised {
        true => format!(
            "# The supervisor stops the program, in the profile's own way and time.\nKillMode=mixed\n\
             # The end by the stop signal is no failure.\nSuccessExitStatus={}",
            128 + signal
        ),
        // The program is the main process, and the unit's cgroup holds all that it has started.
        false => {
            format!("KillSignal={signal}\nSuccessExitStatus={}", name(signal, SystemKind::Linux).unwrap_or("TERM"))
        }
    };
    // A supervisor says when the program is ready, whether that one can or not. Without one only the program could.
    let kind = if service.supervised { "notify\nNotifyAccess=main" } else { "exec" };
    fill(
        UNIT,
        &[
            ("ORIGIN", &service.origin()),
            ("TITLE", &service.title()),
            ("TYPE", kind),
            ("AFTER", network),
            ("THINJAIL", &unit(service.thinjail.as_str())),
            ("PROFILE", &unit(&service.profile)),
            ("STOP", &service.stop_seconds().to_string()),
            ("KILL", &kill),
            ("NAME", &unit(&service.name)),
        ],
    )
}

const UNIT: &str = r"%%ORIGIN%%

[Unit]
Description=%%TITLE%%
Documentation=man:thinjail(8) man:thinjail.toml(5)
%%AFTER%%
[Service]
Type=%%TYPE%%
ExecStart=%%THINJAIL%% run %%PROFILE%%
ExecReload=/bin/kill -HUP $MAINPID
%%KILL%%
TimeoutStopSec=%%STOP%%
Restart=on-failure
RestartSec=1
SyslogIdentifier=%%NAME%%

[Install]
WantedBy=multi-user.target
";
