//! `stop`, `status`, `list`, `clean`: the jails that there are.

use std::time::Duration;

use thinjail_jail::inspect::this_kind;
use thinjail_jail::life::{self, Cleaned, Condition, Jail};
use thinjail_jail::refresh::by_name;
use thinjail_jail::stale::{self, Stale};
use thinjail_plan::resolve::signal_number;

use crate::args::{Clean, Kill, Life, List, OneRefresh, Status};
use crate::exit_code::Exit;
use crate::profile::check_name;
use crate::report::{self, Failure};

/// Does what was asked for.
#[inline(never)]
pub(super) fn execute(verb: Life) -> Result<Exit, Failure> {
    match verb {
        Life::Stop(args) => stop(&args.name),
        Life::Reload(args) => reload(&args.name),
        Life::Refresh(args) => refresh(&args),
        Life::Status(args) => Ok(status(&args).unwrap_or_else(|failure| {
            report::failure(&failure);
            Exit::Unknown
        })),
        Life::List(args) => list(&args),
        Life::Logs(args) => super::logs::execute(&args),
        Life::Kill(args) => kill(&args),
        Life::Clean(args) => clean(&args),
    }
}

fn stop(name: &str) -> Result<Exit, Failure> {
    check_name(name)?;
    let stopped = life::stop(name, &mut report::say)?;
    if !stopped.ran && stopped.cleaned == Cleaned::Nothing {
        report::say(&format!("{name} does not run"));
    }
    Ok(left(name, stopped.cleaned))
}

fn reload(name: &str) -> Result<Exit, Failure> {
    check_name(name)?;
    if life::reload(name)? {
        return Ok(Exit::Ok);
    }
    report::failure(&Failure::new(format!("{name} does not run")).help(format!("`thinjail start {name}`")));
    Ok(Exit::NoJail)
}

fn refresh(args: &OneRefresh) -> Result<Exit, Failure> {
    check_name(&args.name)?;
    let Some(done) = by_name(&args.name)? else {
        let what = format!("{} does not run", args.name);
        report::failure(&Failure::new(what).help(format!("`thinjail start {}`", args.name)));
        return Ok(Exit::NoJail);
    };
    if args.json {
        report::answer(&report::json(&done)?)?;
    } else {
        done.swapped.iter().try_for_each(|at| report::answer(&(report::plain(at.as_str()) + "\n")))?;
    }
    done.kept.iter().for_each(|why| report::failure(&Failure::new(why.clone())));
    Ok(if done.kept.is_empty() { Exit::Ok } else { Exit::No })
}

fn kill(args: &Kill) -> Result<Exit, Failure> {
    check_name(&args.name)?;
    let number = signal_number(&args.signal, this_kind()).map_err(|problem| {
        let failure = Failure::usage(problem.what);
        problem.help.into_iter().fold(failure, Failure::help)
    })?;
    if life::kill(&args.name, number)? {
        return Ok(Exit::Ok);
    }
    report::say(&format!("{} does not run", args.name));
    Ok(Exit::NoJail)
}

fn clean(args: &Clean) -> Result<Exit, Failure> {
    let all = match &args.name {
        Some(name) => {
            check_name(name)?;
            vec![(name.clone(), life::clean_up(name, &mut report::say)?)]
        }
        None => life::clean_all(&mut report::say)?,
    };
    let mut exit = Exit::Ok;
    for (name, cleaned) in &all {
        if *cleaned == Cleaned::InUse && args.name.is_some() {
            report::say(&format!("{name} runs, and was left alone"));
        }
        if left(name, *cleaned) == Exit::No {
            exit = Exit::No;
        }
    }
    Ok(exit)
}

/// What is to be said of what is left, and whether that is a failure.
fn left(name: &str, cleaned: Cleaned) -> Exit {
    match cleaned {
        Cleaned::Nothing | Cleaned::InUse => Exit::Ok,
        Cleaned::Done => {
            report::say(&format!("{name} had been killed: what it left is taken back"));
            Exit::Ok
        }
        Cleaned::Left => {
            report::failure(
                &Failure::new(format!("{name} has left what could not be taken back"))
                    .help(format!("see what uses it, or is in it; then `thinjail clean {name}`")),
            );
            Exit::No
        }
    }
}

fn status(args: &Status) -> Result<Exit, Failure> {
    check_name(&args.name)?;
    let mut jail = life::find(&args.name)?;
    if let Some(jail) = &mut jail {
        jail.stale = stale::stale(jail)?;
        jail.usage = Some(jail.uses());
    }
    if args.json {
        report::answer(&report::json(&jail)?)?;
    } else {
        let text = jail.as_ref().map_or_else(|| format!("{}: does not run", args.name), sentence);
        report::answer(&format!("{text}\n"))?;
        jail.iter().flat_map(|jail| &jail.stale).try_for_each(|stale| report::answer(&outdated(stale)))?;
    }
    Ok(match jail.map(|jail| jail.condition) {
        Some(Condition::Running) => Exit::Ok,
        Some(Condition::Left) => Exit::No,
        Some(Condition::Waiting) | None => Exit::NotRunning,
        Some(Condition::Changing) => Exit::Unknown,
    })
}

/// How a jail is, and what one may want to know next.
fn sentence(jail: &Jail) -> String {
    let name = &jail.name;
    match (jail.condition, jail.pid) {
        (Condition::Running, Some(pid)) => {
            let uptime = jail.uptime().map(|time| format!(" for {}", span(time))).unwrap_or_default();
            let uid = jail.uid.map(|uid| format!(" as uid {uid}")).unwrap_or_default();
            let uptime = match jail.restarts {
                0 => uptime,
                1 => format!("{uptime}, started again once"),
                times => format!("{uptime}, started again {times} times"),
            };
            let head =
                format!("{name}: runs{uptime}, pid {pid}, supervised by {}: {}{uid}", jail.supervisor, jail.program);
            head + &details(jail)
        }
        (Condition::Running, None) => {
            let uptime = jail.uptime().map(|time| format!(" for {}", span(time))).unwrap_or_default();
            let head =
                format!("{name}: runs{uptime} in the background, supervised by {}: {}", jail.supervisor, jail.program);
            head + &details(jail)
        }
        (Condition::Changing, _) => {
            format!("{name}: is being started or stopped by {}", jail.supervisor)
        }
        (Condition::Waiting, _) => format!("{name}: has ended, and is started again by {}", jail.supervisor),
        (Condition::Left, _) if jail.on_host.is_empty() => {
            format!("{name}: was killed, and has left its journal; `thinjail clean {name}` takes it back")
        }
        (Condition::Left, _) => {
            format!("{name}: has left {}; `thinjail clean {name}` takes it back", jail.on_host.join(", "))
        }
    }
}

/// What it uses, where it writes, and what it says of itself: a line each.
fn details(jail: &Jail) -> String {
    let mut text = String::new();
    if let Some(usage) = &jail.usage {
        let words = [
            usage.user.as_ref().map(|user| format!("user {user}")),
            usage.processes.map(|count| format!("processes {count}")),
            usage.memory.map(|bytes| format!("memory {} KiB", bytes >> 10)),
            usage.files.map(|count| format!("files {count}")),
            usage.ports.as_ref().filter(|ports| !ports.is_empty()).map(|ports| format!("ports {}", ports.join(" "))),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        if !words.is_empty() {
            text += &format!("\n  {}", words.join(", "));
        }
    }
    for (what, value) in [("log", &jail.log), ("says", &jail.status)] {
        if let Some(value) = value {
            text += &format!("\n  {what}: {}", report::plain(value));
        }
    }
    text
}

/// A file that is another one on the host by now.
fn outdated(stale: &Stale) -> String {
    let package = stale.package.as_ref().map(|package| format!(" (package {package})")).unwrap_or_default();
    report::plain(&format!("stale: {}{package}", stale.path)) + "\n"
}

/// As a person says it: the two largest units.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn list(args: &List) -> Result<Exit, Failure> {
    let jails = life::list()?;
    if args.json {
        report::answer(&report::json(&jails)?)?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<[String; 6]> = jails
        .iter()
        .map(|jail| {
            let condition = match jail.condition {
                Condition::Running => "runs",
                Condition::Changing => "changes",
                Condition::Waiting => "waits",
                Condition::Left => "left",
            };
            let number = |number: Option<i32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let pid = jail.pid.filter(|_| jail.condition == Condition::Running);
            [
                jail.name.clone(),
                condition.to_owned(),
                number(pid),
                jail.uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string()),
                jail.uptime().map_or_else(|| "-".to_owned(), span),
                jail.program.clone(),
            ]
        })
        .collect();
    report::answer(&table(&rows))?;
    Ok(Exit::Ok)
}

fn table(rows: &[[String; 6]]) -> String {
    let head = ["NAME", "STATE", "PID", "UID", "FOR", "PROGRAM"].map(String::from);
    let all: Vec<&[String; 6]> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 6]| {
        let mut text = String::new();
        for (column, cell) in row.iter().enumerate() {
            text += &report::plain(cell);
            let pad = widths.get(column).map_or(0, |width| width + 2 - cell.chars().count().min(*width));
            text.extend(std::iter::repeat_n(' ', pad));
        }
        text.trim_end().to_owned() + "\n"
    };
    all.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_two_largest_units() {
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([0, 59, 61, 3600, 90_061].map(said), ["0 s", "59 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]);
    }

    #[test]
    fn a_table_has_its_columns_below_each_other() {
        let row = ["x", "runs", "12", "0", "1 s", "/bin/x"].map(String::from);
        assert_eq!(table(&[row]), "NAME  STATE  PID  UID  FOR  PROGRAM\nx     runs   12   0    1 s  /bin/x\n");
    }
}
