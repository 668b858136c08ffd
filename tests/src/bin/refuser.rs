//! `refuser PLAN MILLISECONDS [MILLISECONDS]`: starts a jail by a plan in a file, as `thinjail run` does, but the last look at what is inside takes
//! that long and is against the start. Says `looks` when it begins. With the second time it begins what needs no plan before it has
//! one, says `early`, and takes that time to go on.
#![allow(clippy::print_stdout, reason = "the test reads what it prints")]

use std::time::Duration;

use thinjail_jail::run::{Early, Observer, RunError, Timings, run};

struct Refuser {
    takes: Duration,
}

impl Observer for Refuser {
    fn check(&mut self) -> Result<(), RunError> {
        println!("looks");
        std::thread::sleep(self.takes);
        Err(RunError::setup("look at what is inside".into(), std::io::Error::other("it is not what was meant")))
    }

    fn started(&mut self, _timings: &Timings) {
        println!("started");
    }

    fn ready(&mut self) {}

    fn told(&mut self, what: &str) {
        println!("{what}");
    }

    fn background(&mut self) {}

    fn limit(&mut self, _what: &str) {}

    fn left(&mut self, what: &str) {
        println!("left: {what}");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (plan, takes, early) = match &words[..] {
        [plan, takes] => (plan, takes, None),
        [plan, takes, early] => (plan, takes, Some(early)),
        _ => return Err("refuser PLAN MILLISECONDS [MILLISECONDS]".into()),
    };
    let early = match early {
        Some(takes) => {
            let early = Early::begin();
            println!("early");
            std::thread::sleep(Duration::from_millis(takes.parse()?));
            early
        }
        None => None,
    };
    let plan = serde_json::from_slice(&std::fs::read(plan)?)?;
    let mut again = || Err(RunError::setup("plan again".into(), std::io::Error::other("it is not to be asked for")));
    let ended = run(&plan, early, &mut again, &mut Refuser { takes: Duration::from_millis(takes.parse()?) });
    println!("ended: {}", ended.map_or_else(|error| error.to_string(), |outcome| format!("{outcome:?}")));
    Ok(())
}
