//! What comes of each event in each state, printed: from every state every event leads to a listed state.
#![allow(clippy::panic)]

use std::fmt::Write as _;
use std::time::Duration;

use thinjail_plan::plan::{Restart, Stop, Success, Wait, When};

use super::{Action, Event, Past, Rules, Stage, State, next, signal};
use crate::run::Outcome;

const NOW: Duration = Duration::from_secs(1000);
const SOON: Duration = Duration::from_secs(1005);
const FAILED: Outcome = Outcome::Exited(3);
const STOP: Stop = Stop { signal: signal::QUIT, timeout: Duration::from_secs(10), wait: Wait::All };
const RESTART: Restart = Restart {
    when: When::OnFailure,
    delay: Duration::from_secs(1),
    delay_max: Duration::from_secs(60),
    limit: Some(5),
    interval: Duration::from_secs(600),
};

fn stages() -> Vec<Stage> {
    vec![
        Stage::Building,
        Stage::Starting { deadline: SOON },
        Stage::Running { told: false },
        Stage::Running { told: true },
        Stage::Stopping { deadline: SOON },
        Stage::Draining { main: FAILED, deadline: None, told: false },
        Stage::Draining { main: FAILED, deadline: Some(SOON), told: true },
        Stage::Killed { main: None, told: false },
        Stage::Killed { main: None, told: true },
        Stage::Waiting { until: SOON, last: FAILED },
        Stage::Ended(FAILED),
    ]
}

fn events() -> Vec<(&'static str, Event, Duration)> {
    let sent = |signal| Event::Signal { signal, by_kernel: false };
    vec![
        ("TERM", sent(signal::TERM), NOW),
        ("INT", sent(signal::INT), NOW),
        ("HUP", sent(signal::HUP), NOW),
        ("WINCH of the terminal", Event::Signal { signal: signal::WINCH, by_kernel: true }, NOW),
        ("built", Event::Built, NOW),
        ("not built", Event::Failed, NOW),
        ("ready", Event::Ready, NOW),
        ("main exits with 0", Event::MainEnded(Outcome::Exited(0)), NOW),
        ("main fails", Event::MainEnded(FAILED), NOW),
        ("jail is gone", Event::JailGone, NOW),
        ("time passes", Event::Time, NOW),
        ("time is up", Event::Time, SOON),
    ]
}

/// The state as it is listed; with the numbers left out that do not tell one from another.
fn name(stage: Stage) -> String {
    let why = |told| if told { ", as asked" } else { "" };
    match stage {
        Stage::Building => "building".into(),
        Stage::Starting { .. } => "starting".into(),
        Stage::Running { told } => format!("running{}", if told { ", asked to end" } else { "" }),
        Stage::Stopping { .. } => "stopping".into(),
        Stage::Draining { told, .. } => format!("draining{}", why(told)),
        Stage::Killed { told, .. } => format!("killed{}", why(told)),
        Stage::Waiting { .. } => "waiting".into(),
        Stage::Ended(_) => "ended".into(),
    }
}

fn action(action: Action) -> String {
    match action {
        Action::SignalMain(number) => format!("signal {number} to main"),
        Action::SignalAll(number) => format!("signal {number} to all"),
        Action::Kill => "kill all".into(),
        Action::TellLate => "say that it was not ready in time".into(),
        Action::TellDeaf => "say that it did not end in time".into(),
        Action::TellReady => "say that it is ready".into(),
        Action::TellRestart(wait) => format!("say that it starts again in {} s", wait.as_secs()),
        Action::TellGivenUp => "say that it is given up".into(),
        Action::Build => "build".into(),
    }
}

fn table() -> String {
    let mut text = String::from(
        "Stop signal 3, wait = \"all\", restart = \"on-failure\", restart-delay = \"1s\", ready by a word of its own.\n\
         Printed and compared by supervise/machine/table.rs; an event that is not here changes nothing and does nothing.\n",
    );
    let listed: Vec<String> = stages().into_iter().map(name).collect();
    let rules = Rules {
        stop: &STOP,
        restart: &RESTART,
        success: &Success::default(),
        ready_within: Some(Duration::from_secs(90)),
        tty: false,
    };
    for stage in stages() {
        let _ = writeln!(text, "\n{}", name(stage));
        for (what, event, now) in events() {
            let past = Past { ready: true, recent: vec![NOW], restarts: 1 };
            let (state, actions) = next(rules, State { stage, past }, event, now);
            assert!(listed.contains(&name(state.stage)), "{stage:?} and {what} lead to {:?}", state.stage);
            if state.stage == stage && actions.is_empty() {
                continue;
            }
            let done: Vec<String> = actions.into_iter().map(action).collect();
            let _ = writeln!(text, "  {:<22} {:<24} {}", what, name(state.stage), done.join(", "));
        }
    }
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn from_every_state_every_event_leads_where_the_table_says() {
    let table = table();
    let committed = include_str!("../table.txt");
    assert!(table == committed, "supervise/table.txt says otherwise; this is what is done now:\n{table}");
}
