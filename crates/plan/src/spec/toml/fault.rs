//! One thing that does not fit: where, what, and what to write.

use std::ops::Range;

use super::ParseError;
use crate::spec::foreign;

/// What does not fit, by its place in the text.
pub(super) struct Fault {
    span: Range<usize>,
    what: String,
    help: Option<String>,
    /// The key at the top, or in a table of one system, whose value can't be believed.
    key: Option<String>,
    /// The key that an unknown one was likely to be.
    meant: Option<String>,
}

impl Fault {
    pub(super) fn new(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span, what: what.into(), help: None, key: None, meant: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// About a key.
    pub(super) fn about(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// About one that is not known, and this is the nearest.
    pub(super) fn meant(self, key: &str) -> Self {
        Self { meant: Some(key.to_owned()), ..self }
    }

    /// What it is about, with the table that it is in.
    pub(super) fn path(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The key that can't be believed, whichever table it is in.
    pub(super) fn doubtful(&self) -> Option<&str> {
        let key = self.meant.as_deref().or(self.key.as_deref())?;
        let key = key.strip_prefix("linux.").or_else(|| key.strip_prefix("freebsd.")).unwrap_or(key);
        Some(key.split('.').next().unwrap_or(key))
    }

    pub(super) fn start(&self) -> usize {
        self.span.start
    }

    /// In which line it stands, counted from 0.
    pub(super) fn line(&self, text: &str) -> usize {
        text.bytes().take(self.span.start).filter(|byte| *byte == b'\n').count()
    }

    /// What the TOML parser says.
    pub(super) fn of(error: &toml::de::Error) -> Self {
        Self::new(error.span().unwrap_or(0..0), error.message().trim().replace('\n', ", "))
    }

    /// With what to write instead, where the TOML parser can't read on. Most often that is a string without its quotes.
    pub(super) fn no_toml(self, text: &str) -> Self {
        if self.what == "duplicate key" {
            return self.help("write it once");
        }
        let begin = text.get(..self.span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let (key, value) = line.split_once('=').map_or(("", ""), |(key, value)| (key.trim(), value.trim()));
        let value = value.split(" #").next().unwrap_or_default().trim_end();
        let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if !bare || value.is_empty() || value.starts_with(['"', '\'', '[', '{']) || value.contains(char::is_control) {
            return self.help(
                "a profile is TOML: lines such as user = \"www\" or read = [\"/a\", \"/b\"]; see thinjail.toml(5)",
            );
        }
        let what = format!("the value of `{}` can't be understood; a string stands in quotes", shortened(key));
        let fault = Self { what, ..self }.about(key);
        match foreign::hint(key) {
            Some(hint) => fault.help(hint),
            None => fault.help(format!("write {} = {:?}", shortened(key), shortened(value))),
        }
    }

    pub(super) fn at(self, text: &str, file: &str) -> ParseError {
        let mut start = self.span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_text = text[begin..].lines().next().unwrap_or_default();
        let line = text[..begin].matches('\n').count() + 1;
        let column = text[begin..start].chars().count() + 1;
        let marked = self.span.end.clamp(start, begin + line_text.len().max(start - begin));
        let width = text.get(start..marked).map_or(1, |marked| marked.chars().count()).max(1);
        let excerpt = excerpt(line, line_text, column, width);
        ParseError { file: file.into(), line, column, what: self.what, excerpt, help: self.help }
    }
}

/// The line, or what of a long one is near the fault, and a mark below it.
fn excerpt(line: usize, text: &str, column: usize, width: usize) -> String {
    const NEAR: usize = 80;
    let skipped = (column - 1).saturating_sub(NEAR);
    // A line of a hostile file must not move the cursor.
    let plain = text.chars().skip(skipped).take(2 * NEAR).map(|c| if c.is_control() { ' ' } else { c });
    let plain: String = plain.collect();
    let before = column - 1 - skipped;
    let mark = width.min(plain.chars().count().saturating_sub(before)).max(1);
    let margin = " ".repeat(line.to_string().len());
    format!("  {line} | {plain}\n  {margin} | {}{}", " ".repeat(before), "^".repeat(mark))
}

/// A name as it is written, but for what would disturb a terminal.
pub(super) fn shortened(name: &str) -> String {
    const MOST: usize = 80;
    let dots = if name.chars().count() > MOST { "..." } else { "" };
    format!("{}{dots}", name.chars().take(MOST).collect::<String>().escape_debug())
}
