//! TOML -> [`super::Spec`], with line, column and hint for what does not fit.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::keys::{KEYS, MOUNT_KEYS, Shape};
use super::{Spec, foreign, words};
use crate::nearest::nearest;

/// A profile is a page or two; what is larger is something else.
pub const MAX_BYTES: usize = 256 * 1024;

/// What does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// The file's name.
    pub file: String,
    /// Counted from 1; 0 if the file as a whole is meant.
    pub line: usize,
    /// Counted from 1, in characters; 0 if the file as a whole is meant.
    pub column: usize,
    /// Lowercase: what does not fit, and why.
    pub what: String,
    /// The line itself, and below it a mark; empty if the file as a whole is meant.
    pub excerpt: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}:{}: {}\n{}", self.file, self.column, self.what, self.excerpt),
        }
    }
}

/// Reads a profile. `file` is only for the message.
pub fn parse(text: &str, file: &str) -> Result<Spec, ParseError> {
    if text.len() > MAX_BYTES {
        return Err(ParseError {
            file: file.into(),
            line: 0,
            column: 0,
            what: format!("the file has {} bytes; a profile has {} at most", text.len(), MAX_BYTES),
            excerpt: String::new(),
            help: Some("check that it is the file that is meant".into()),
        });
    }
    read(text).map_err(|fault| fault.at(text, file))
}

fn read(text: &str) -> Result<Spec, Fault> {
    let table = DeTable::parse(text).map_err(|error| Fault::of(&error).no_toml(text))?;
    check(table.get_ref(), KEYS, "")?;
    Spec::deserialize(Deserializer::from(table)).map_err(|error| Fault::of(&error))
}

/// What does not fit, by its place in the text.
struct Fault {
    span: Range<usize>,
    what: String,
    help: Option<String>,
}

impl Fault {
    fn new(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span, what: what.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What the TOML parser says.
    fn of(error: &toml::de::Error) -> Self {
        Self::new(error.span().unwrap_or(0..0), error.message().trim().replace('\n', ", "))
    }

    /// With what to write instead, where the TOML parser can't read on. Most often that is a string without its quotes.
    fn no_toml(self, text: &str) -> Self {
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
        let fault = Self { what, ..self };
        match foreign::hint(key) {
            Some(hint) => fault.help(hint),
            None => fault.help(format!("write {} = {:?}", shortened(key), shortened(value))),
        }
    }

    fn at(self, text: &str, file: &str) -> ParseError {
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

/// Checks every key of a table and the shape of its value; `under` is the path of the table, for messages.
fn check(table: &DeTable<'_>, keys: &[(&str, Shape)], under: &str) -> Result<(), Fault> {
    // In the order of the file, so that the first fault is the first one that is read.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let name = key.get_ref().as_ref();
        match keys.iter().find(|(known, _)| *known == name) {
            Some((_, shape)) => fits(&path(under, name), value, *shape)?,
            None => return Err(unknown(key.span(), name, value, keys, under)),
        }
    }
    Ok(())
}

fn path(under: &str, name: &str) -> String {
    if under.is_empty() { name.into() } else { format!("{under}.{name}") }
}

fn unknown(span: Range<usize>, name: &str, value: &Spanned<DeValue<'_>>, keys: &[(&str, Shape)], under: &str) -> Fault {
    // `exec.start = "x"` is a table in TOML, and one word to whoever writes it.
    let mut written = name.to_string();
    let mut inner = value.get_ref();
    while let DeValue::Table(table) = inner {
        let Some((key, below)) = table.iter().next().filter(|_| table.len() == 1) else { break };
        written = format!("{written}.{}", key.get_ref());
        inner = below.get_ref();
    }
    if !under.is_empty() && under != "linux" && under != "freebsd" && is_key(name) {
        return below(span, name, under);
    }
    let place = if under.is_empty() { String::new() } else { format!(" in [{under}]") };
    let fault = Fault::new(span, format!("unknown key `{}`{place}", shortened(&written)));
    let known = keys.iter().map(|(key, _)| *key);
    match foreign::hint(&written).or_else(|| foreign::hint(name)) {
        Some(hint) => fault.help(hint),
        None => match nearest(name, known.clone()) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("the keys are {}", known.collect::<Vec<_>>().join(" "))),
        },
    }
}

fn is_key(name: &str) -> bool {
    KEYS.iter().any(|(known, _)| *known == name)
}

/// A key of the profile that was written below the heading of a table, and so belongs to that table.
fn below(span: Range<usize>, name: &str, table: &str) -> Fault {
    Fault::new(span, format!("`{name}` stands below the heading of `{table}`, and is taken for a part of that"))
        .help(format!("move `{name}` up, above the first line in [brackets]"))
}

/// A name as it is written, but for what would disturb a terminal.
fn shortened(name: &str) -> String {
    const MOST: usize = 80;
    let dots = if name.chars().count() > MOST { "..." } else { "" };
    format!("{}{dots}", name.chars().take(MOST).collect::<String>().escape_debug())
}

/// Whether a value has the shape that its key wants.
fn fits(key: &str, value: &Spanned<DeValue<'_>>, shape: Shape) -> Result<(), Fault> {
    let wrong = |at: &Spanned<DeValue<'_>>, expected: &str| {
        let fault = Fault::new(at.span(), format!("`{key}` takes {expected}; this is {}", article(at.get_ref())));
        Err(match instead(at.get_ref(), shape) {
            Some(text) => fault.help(format!("write {} = {text}", key.rsplit('.').next().unwrap_or(key))),
            None => fault,
        })
    };
    match (shape, value.get_ref()) {
        (Shape::Text | Shape::Words | Shape::SwitchOrText, DeValue::String(text)) => {
            no_nul(key, value.span(), text)?;
            match shape {
                Shape::Words => splits(key, value.span(), text),
                _ => Ok(()),
            }
        }
        (Shape::Switch | Shape::SwitchOrText, DeValue::Boolean(_)) => Ok(()),
        (Shape::List | Shape::Words, DeValue::Array(list)) => list.iter().try_for_each(|item| match item.get_ref() {
            DeValue::String(text) => no_nul(key, item.span(), text),
            _ => wrong(item, shape.expected()),
        }),
        (Shape::Numbers, DeValue::Array(list)) => list.iter().try_for_each(|item| match item.get_ref() {
            DeValue::Integer(number) if i32::from_str_radix(number.as_str(), number.radix()).is_ok() => Ok(()),
            _ => wrong(item, shape.expected()),
        }),
        (Shape::Texts | Shape::NumbersOrTexts, DeValue::Table(table)) => table.iter().try_for_each(|(name, item)| {
            // Any name may be a variable's, but no limit has the name of a key.
            if shape == Shape::NumbersOrTexts && is_key(name.get_ref()) {
                return Err(below(name.span(), name.get_ref(), key));
            }
            no_nul(key, name.span(), name.get_ref())?;
            match (shape, item.get_ref()) {
                (_, DeValue::String(text)) => no_nul(key, item.span(), text),
                (Shape::NumbersOrTexts, DeValue::Integer(number))
                    if u64::from_str_radix(number.as_str(), number.radix()).is_ok() =>
                {
                    Ok(())
                }
                _ => wrong(item, shape.expected()),
            }
        }),
        (Shape::Mounts, DeValue::Array(list)) => list.iter().try_for_each(|item| match item.get_ref() {
            DeValue::Table(table) if table.keys().any(|name| name.get_ref() == "source") => {
                check(table, MOUNT_KEYS, "mount")
            }
            DeValue::Table(table) => {
                check(table, MOUNT_KEYS, "mount")?;
                Err(Fault::new(item.span(), "a [[mount]] without `source`")
                    .help("write source = \"/path/on/the/host\""))
            }
            _ => wrong(item, shape.expected()),
        }),
        (Shape::Mounts, DeValue::Table(_)) => {
            Err(Fault::new(value.span(), "`mount` is a list of tables").help("write [[mount]] with two brackets"))
        }
        (Shape::System, DeValue::Table(table)) => {
            if let Some((inner, _)) =
                table.iter().find(|(name, _)| matches!(name.get_ref().as_ref(), "linux" | "freebsd"))
            {
                return Err(Fault::new(inner.span(), format!("`{key}` can't hold `{}`", inner.get_ref()))
                    .help("write each system's table by itself"));
            }
            check(table, KEYS, key)
        }
        _ => wrong(value, shape.expected()),
    }
}

/// The value as it has to be written, where only the brackets or the quotes are missing.
fn instead(value: &DeValue<'_>, shape: Shape) -> Option<String> {
    match (shape, value) {
        (Shape::List, DeValue::String(text)) => Some(format!("[{:?}]", shortened(text))),
        (Shape::Text | Shape::SwitchOrText, DeValue::Integer(number)) if number.radix() == 10 => {
            Some(format!("{:?}", number.as_str()))
        }
        _ => None,
    }
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(number) if number.as_str().starts_with('-') => "a negative number",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn no_nul(key: &str, span: Range<usize>, text: &str) -> Result<(), Fault> {
    if text.contains('\0') {
        return Err(Fault::new(span, format!("`{key}` has a NUL byte in it, which no system call takes")));
    }
    Ok(())
}

fn splits(key: &str, span: Range<usize>, text: &str) -> Result<(), Fault> {
    words::split(text).map(drop).map_err(|error| {
        Fault::new(span, format!("`{key}` can't be split into words: {error}"))
            .help("write a list instead: [\"program\", \"argument\"]")
    })
}
