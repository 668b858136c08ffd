//! A service as text, for people: what is put where, and what is done then.

use std::fmt;

use super::{Command, Content, Placed, Text, quote::sh};

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::File { text, mode } => write!(f, "==> {} ({mode:04o})\n{text}", self.path),
            Content::Link { to } => writeln!(f, "==> {} -> {to}", self.path),
        }
    }
}

/// A command as a shell takes it.
#[must_use]
pub fn line(command: &Command) -> String {
    command.iter().map(|word| sh(word)).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for placed in self.placed.iter().chain(&self.rotation).chain(&self.switch) {
            writeln!(f, "{placed}")?;
        }
        let done = [
            ("to enable", [&self.load[..], &self.enable].concat()),
            ("to start", self.start.iter().cloned().collect()),
            ("to stop", self.stop.iter().cloned().collect()),
            ("to disable", self.disable.clone()),
            ("after the files are gone", self.forget.clone()),
        ];
        for (what, commands) in done.iter().filter(|(_, commands)| !commands.is_empty()) {
            writeln!(f, "==> {what}")?;
            commands.iter().try_for_each(|command| writeln!(f, "{}", line(command)))?;
        }
        Ok(())
    }
}
