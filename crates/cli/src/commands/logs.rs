//! `logs`: what a jail has said, from the file that its supervisor writes.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use thinjail_jail::inspect::this_kind;
use thinjail_jail::life;
use thinjail_plan::spec::layers;

use crate::args::Logs;
use crate::exit_code::Exit;
use crate::profile::{self, check_name};
use crate::report::{self, Failure};

/// How often it is looked whether more was said.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes that are read at once.
const PART: u64 = 64 << 10;

/// Shows the last lines, and then perhaps what follows.
pub(super) fn execute(args: &Logs) -> Result<Exit, Failure> {
    check_name(&args.name)?;
    let path = place(&args.name)?;
    let failed = |cause: std::io::Error| Failure::new(format!("read {path}")).cause(cause);
    let mut file = open(&path).map_err(|cause| {
        let absent = cause.kind() == std::io::ErrorKind::NotFound;
        let failure = failed(cause);
        if absent { failure.help("it is there once the jail was started and has said something") } else { failure }
    })?;
    let mut reads = show(&last(&mut file, args.lines).map_err(failed)?)?;
    while args.follow && reads {
        std::thread::sleep(LOOK);
        // What was renamed is read to its end before the new one is begun.
        let renamed =
            std::fs::symlink_metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|ours| now.ino() != ours.ino()));
        reads = rest(&mut file).map_err(failed)?;
        if renamed
            && reads
            && let Ok(new) = open(&path)
        {
            file = new;
            reads = rest(&mut file).map_err(failed)?;
        }
    }
    Ok(Exit::Ok)
}

/// Its directory may be the program's own: nothing is read through a link that it has put there, nor waited for.
fn open(path: &str) -> std::io::Result<File> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, how, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(std::io::Error::other("it is no regular file")),
    }
}

/// Of a jail that there is, where it writes; of another, where its profile says.
fn place(name: &str) -> Result<String, Failure> {
    let elsewhere = |what: &str, help: &str| {
        Failure::new(format!("show what {name} says: it goes to {what}")).help(help.replace("NAME", name))
    };
    let log = match life::find(name)? {
        Some(jail) => jail.log,
        None => match written(name) {
            Some(log) => Some(log),
            None => life::usual_log(name),
        },
    };
    match log.as_deref() {
        Some(log) if log.starts_with("syslog") => {
            Err(elsewhere("syslog", "see `journalctl -t NAME`, or the files of syslogd"))
        }
        None | Some("inherit") => Err(elsewhere("the output of who started it", "write `log`, and where to")),
        Some(path) => Ok(path.to_owned()),
    }
}

/// What its profile says of it.
fn written(name: &str) -> Option<String> {
    let directories = profile::directories(&[], this_kind()).ok()?;
    let profile = profile::by_name(name, &directories).ok()?;
    let instance = profile.instance;
    let specs = profile.layers.into_iter().map(|layer| match &instance {
        Some(instance) => layers::instance(&layer.parsed.spec, instance),
        None => layer.parsed.spec,
    });
    layers::stack(specs, this_kind()).log
}

/// The last lines; the file is at its end then.
fn last(file: &mut File, lines: usize) -> std::io::Result<Vec<u8>> {
    let mut from = file.seek(SeekFrom::End(0))?;
    let mut tail = Vec::new();
    loop {
        let ends = tail.iter().rev().skip(1).filter(|byte| **byte == b'\n').count();
        if from == 0 || ends >= lines {
            break;
        }
        let size = PART.min(from);
        from -= size;
        file.seek(SeekFrom::Start(from))?;
        let mut part = vec![0; usize::try_from(size).unwrap_or(0)];
        file.read_exact(&mut part)?;
        part.append(&mut tail);
        tail = part;
    }
    file.seek(SeekFrom::End(0))?;
    let starts = tail.iter().enumerate().rev().skip(1).filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let start = match lines {
        0 => tail.len(),
        _ => starts.take(lines).nth(lines - 1).unwrap_or(0),
    };
    Ok(tail.split_off(start))
}

/// All that has come since. False if nobody reads any more.
fn rest(file: &mut File) -> std::io::Result<bool> {
    // It was emptied.
    if file.metadata()?.len() < file.stream_position()? {
        file.seek(SeekFrom::Start(0))?;
    }
    let mut part = Vec::new();
    while file.take(PART).read_to_end(&mut part)? > 0 {
        if !show(&part).map_err(|failure| std::io::Error::other(failure.what))? {
            return Ok(false);
        }
        part.clear();
    }
    Ok(true)
}

/// A program may say anything: to a terminal no control character of its goes.
fn show(bytes: &[u8]) -> Result<bool, Failure> {
    if !std::io::stdout().is_terminal() {
        return report::bytes(bytes);
    }
    let plain = |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    report::bytes(String::from_utf8_lossy(bytes).chars().map(plain).collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write as _;

    #[test]
    fn the_last_lines_are_whole_ones() {
        let path = std::env::temp_dir().join(format!("thinjail-logs-{}", std::process::id()));
        let long = "x".repeat(70_000);
        std::fs::write(&path, format!("one\n{long}\nthree\nfour\n")).unwrap();
        let mut file = File::options().read(true).append(true).open(&path).unwrap();
        let mut tail = |lines| String::from_utf8(last(&mut file, lines).unwrap()).unwrap();
        assert_eq!([tail(0), tail(1), tail(2)], ["", "four\n", "three\nfour\n"]);
        assert_eq!(tail(3).len(), 70_012);
        assert_eq!([tail(4), tail(9)], [format!("one\n{long}\nthree\nfour\n"), format!("one\n{long}\nthree\nfour\n")]);
        // A last line that is not at its end yet is a line.
        file.write_all(b"five").unwrap();
        assert_eq!(last(&mut file, 2).unwrap(), b"four\nfive");
        std::fs::remove_file(path).unwrap();
    }
}
