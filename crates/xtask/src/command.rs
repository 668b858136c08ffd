//! Other programs, run and listened to.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::error::{Context, Error, Result};

/// `cargo`, the one that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs it, its output shown. Whether it ended well.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.stdin(Stdio::null()).status().context(|| format!("run {}", words(command)))?;
    Ok(status.success())
}

/// Runs it, its output shown; to fail is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    if succeeds(command)? { Ok(()) } else { Err(Error::new(format!("{} failed", words(command)))) }
}

/// Runs it and gives what it printed; to fail is an error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context(|| format!("run {}", words(command)))?;
    if !output.status.success() {
        return Err(Error::new(format!("{} failed", words(command))));
    }
    String::from_utf8(output.stdout).context(|| format!("read what {} printed", words(command)))
}

/// Runs it and hands each line that it prints to `each`, as it comes. Whether it ended well.
pub(crate) fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> Result<bool> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context(|| format!("run {}", words(command)))?;
    if let Some(out) = child.stdout.take() {
        // What a test prints need not be UTF-8.
        for line in BufReader::new(out).split(b'\n') {
            let line = line.context(|| format!("read what {} prints", words(command)))?;
            each(&String::from_utf8_lossy(&line));
        }
    }
    Ok(child.wait().context(|| format!("wait for {}", words(command)))?.success())
}

/// The command as it would be typed.
pub(crate) fn words(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let mut text = name;
    for word in command.get_args() {
        text.push(' ');
        text.push_str(&word.to_string_lossy());
    }
    text
}
