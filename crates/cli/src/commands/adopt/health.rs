//! Whether an adopted service is as well as it was: its init system and thinjail say that it runs, it listens where it listened
//! before, and it stays so.

use std::thread::sleep;
use std::time::{Duration, Instant};

use thinjail_jail::life::{self, Condition};
use thinjail_jail::usage;
use thinjail_plan::init::Init;

use crate::init::adopted::Adopted;
use crate::init::command::succeeds;
use crate::report::Failure;

/// How long it has to stay healthy: what dies at once has died by then.
const STEADY: Duration = Duration::from_secs(3);

/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(250);

/// From here on ports are given to those who ask for any, and are others the next time; ip(7).
const EPHEMERAL: u16 = 32_768;

/// Where a service listens by its own choice.
pub(super) fn listens(pid: Option<i32>) -> Vec<String> {
    let all = pid.and_then(usage::listens).unwrap_or_default();
    all.into_iter().filter(|port| number(port).is_some_and(|number| number < EPHEMERAL)).collect()
}

fn number(port: &str) -> Option<u16> {
    port.split('/').next()?.parse().ok()
}

/// Comes back once it is healthy and has stayed so; or says what was wrong at last.
pub(super) fn wait(adopted: &Adopted, ports: &[String], seconds: u32) -> Result<(), Failure> {
    let within = Duration::from_secs(seconds.into());
    let start = Instant::now();
    let mut since: Option<(Instant, u64)> = None;
    loop {
        let wrong = match sick(adopted, ports) {
            Ok(same) => {
                // One that was started again meanwhile has not stayed.
                let (at, _) = *since.filter(|(_, before)| *before == same).get_or_insert((Instant::now(), same));
                since = Some((at, same));
                if at.elapsed() >= STEADY {
                    return Ok(());
                }
                "it does not stay so".to_owned()
            }
            Err(wrong) => {
                since = None;
                wrong
            }
        };
        if start.elapsed() >= within + since.map_or(Duration::ZERO, |_| STEADY) {
            return Err(
                Failure::new(format!("{} is not healthy in its jail after {seconds} s", adopted.service)).cause(wrong)
            );
        }
        sleep(PAUSE);
    }
}

/// What is wrong with it; else what is another one after a start of its own.
fn sick(adopted: &Adopted, ports: &[String]) -> Result<u64, String> {
    let (supervisor, same) = match adopted.init {
        // One in the foreground has no name of its own; systemd knows its pid.
        Init::Systemd => {
            let pid = super::systemd::main_pid(&adopted.service).ok_or("systemd knows no process of it")?;
            (pid, u64::from(pid.unsigned_abs()))
        }
        _ => {
            let found = life::find(&adopted.profile).map_err(|_| "its state can't be read")?;
            let jail = found.filter(|jail| jail.condition == Condition::Running).ok_or("its jail does not run")?;
            (jail.supervisor, jail.restarts)
        }
    };
    // As the host sees it: what listens in a network of its own is no more to be had.
    let now = usage::listens(supervisor).unwrap_or_default();
    if let Some(port) = ports.iter().find(|port| !now.contains(port)) {
        return Err(format!("it does not listen on {port}, as it did before"));
    }
    // Asked last: some init systems take their time.
    if succeeds(&adopted.runs) { Ok(same) } else { Err(format!("{} does not run", adopted.service)) }
}
