//! Every key of a profile against the list of those that there are, and every value against the shape that its key wants.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::fault::{Fault, shortened};
use crate::nearest::nearest;
use crate::spec::keys::{KEYS, MOUNT_KEYS, Shape};
use crate::spec::{foreign, words};

/// Checks every key of a table and the shape of its value; `under` is the path of the table, for messages.
pub(super) fn check(table: &DeTable<'_>, keys: &[(&str, Shape)], under: &str, faults: &mut Vec<Fault>) {
    // In the order of the file, so that the first fault is the first one that is read.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let name = key.get_ref().as_ref();
        let path = path(under, name);
        match keys.iter().find(|(known, _)| *known == name) {
            Some((_, Shape::Mounts)) => mounts(&path, value, faults),
            Some((_, Shape::System)) => system(&path, value, faults),
            Some((_, shape @ (Shape::Texts | Shape::NumbersOrTexts))) => names(&path, value, *shape, faults),
            Some((_, shape)) => faults.extend(fits(&path, value, *shape).err().map(|fault| fault.about(&path))),
            None => faults.push(unknown(key.span(), name, value, keys, under).about(&path)),
        }
    }
}

/// The table without what has a fault.
pub(super) fn without<'t>(mut table: Spanned<DeTable<'t>>, faults: &[Fault]) -> Spanned<DeTable<'t>> {
    let bad: Vec<&str> = faults.iter().filter_map(Fault::path).collect();
    *table.get_mut() = kept(std::mem::take(table.get_mut()), "", &bad);
    table
}

fn kept<'t>(table: DeTable<'t>, under: &str, bad: &[&str]) -> DeTable<'t> {
    let mut left = DeTable::new();
    for (key, mut value) in table {
        let path = path(under, key.get_ref());
        let below = |fault: &&str| fault.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'));
        if let DeValue::Table(inner) = value.get_mut() {
            *inner = kept(std::mem::take(inner), &path, bad);
        } else if bad.iter().any(below) {
            // Of several mounts it is not told which one has the fault.
            continue;
        }
        if !bad.contains(&path.as_str()) {
            left.insert(key, value);
        }
    }
    left
}

fn is_system(name: &str) -> bool {
    matches!(name, "linux" | "freebsd")
}

fn mounts(key: &str, value: &Spanned<DeValue<'_>>, faults: &mut Vec<Fault>) {
    let DeValue::Array(list) = value.get_ref() else {
        let fault = match value.get_ref() {
            DeValue::Table(_) => {
                Fault::new(value.span(), "`mount` is a list of tables").help("write [[mount]] with two brackets")
            }
            _ => wrong(key, value, Shape::Mounts),
        };
        return faults.push(fault.about(key));
    };
    for item in list.iter() {
        let DeValue::Table(table) = item.get_ref() else {
            faults.push(wrong(key, item, Shape::Mounts).about(key));
            continue;
        };
        check(table, MOUNT_KEYS, key, faults);
        if !table.keys().any(|name| name.get_ref() == "source") {
            let fault = Fault::new(item.span(), "a [[mount]] without `source`");
            faults.push(fault.help("write source = \"/path/on/the/host\"").about(key));
        }
    }
}

/// A table of names that are no keys of ours.
fn names(key: &str, value: &Spanned<DeValue<'_>>, shape: Shape, faults: &mut Vec<Fault>) {
    let DeValue::Table(table) = value.get_ref() else {
        return faults.push(wrong(key, value, shape).about(key));
    };
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    for (name, item) in entries {
        let fault = entry(key, name, item, shape).err();
        faults.extend(fault.map(|fault| fault.about(&path(key, name.get_ref()))));
    }
}

fn entry(key: &str, name: &Spanned<DeString<'_>>, item: &Spanned<DeValue<'_>>, shape: Shape) -> Result<(), Fault> {
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
        // What others write for no limit.
        (Shape::NumbersOrTexts, DeValue::Integer(number)) if number.as_str().starts_with('-') => {
            Err(wrong(key, item, shape).help(format!("write {} = \"unlimited\"", shortened(name.get_ref()))))
        }
        _ => Err(wrong(key, item, shape)),
    }
}

fn system(key: &str, value: &Spanned<DeValue<'_>>, faults: &mut Vec<Fault>) {
    let DeValue::Table(table) = value.get_ref() else {
        return faults.push(wrong(key, value, Shape::System).about(key));
    };
    if let Some((inner, _)) = table.iter().find(|(name, _)| is_system(name.get_ref())) {
        let fault = Fault::new(inner.span(), format!("`{key}` can't hold `{}`", inner.get_ref()));
        return faults.push(fault.help("write each system's table by itself").about(key));
    }
    check(table, KEYS, key, faults);
}

fn wrong(key: &str, at: &Spanned<DeValue<'_>>, shape: Shape) -> Fault {
    let (expected, found) = (shape.expected(), article(at.get_ref()));
    let fault = Fault::new(at.span(), format!("`{key}` takes {expected}; this is {found}"));
    match instead(at.get_ref(), shape) {
        Some(text) => fault.help(format!("write {} = {text}", key.rsplit('.').next().unwrap_or(key))),
        None => fault,
    }
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
    if !under.is_empty() && !is_system(under) && is_key(name) {
        return below(span, name, under);
    }
    let place = if under.is_empty() { String::new() } else { format!(" in [{under}]") };
    let fault = Fault::new(span, format!("unknown key `{}`{place}", shortened(&written)));
    let known = keys.iter().map(|(key, _)| *key);
    match foreign::hint(&written).or_else(|| foreign::hint(name)) {
        Some(hint) => fault.help(hint),
        None => match nearest(name, known.clone()) {
            Some(near) => fault.help(format!("did you mean `{near}`?")).meant(near),
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

/// Whether a value has the shape that its key wants.
fn fits(key: &str, value: &Spanned<DeValue<'_>>, shape: Shape) -> Result<(), Fault> {
    match (shape, value.get_ref()) {
        (Shape::Text | Shape::Words | Shape::SwitchOrText, DeValue::String(text)) => {
            no_nul(key, value.span(), text)?;
            match shape {
                Shape::Words => splits(key, value.span(), text),
                _ => Ok(()),
            }
        }
        (Shape::Switch | Shape::SwitchOrText, DeValue::Boolean(_)) => Ok(()),
        (Shape::Number, DeValue::Integer(number))
            if u32::from_str_radix(number.as_str(), number.radix()).is_ok_and(|number| number <= i32::MAX as u32) =>
        {
            Ok(())
        }
        (Shape::List | Shape::Words, DeValue::Array(list)) => list.iter().try_for_each(|item| match item.get_ref() {
            DeValue::String(text) => no_nul(key, item.span(), text),
            _ => Err(wrong(key, item, shape)),
        }),
        (Shape::Lines, DeValue::Array(list)) => list.iter().try_for_each(|item| match item.get_ref() {
            DeValue::String(text) => {
                no_nul(key, item.span(), text)?;
                splits_one(key, item.span(), text)
            }
            _ => Err(wrong(key, item, shape)),
        }),
        (Shape::Numbers, DeValue::Array(list)) => list.iter().try_for_each(|item| match item.get_ref() {
            DeValue::Integer(number) if i32::from_str_radix(number.as_str(), number.radix()).is_ok() => Ok(()),
            _ => Err(wrong(key, item, shape)),
        }),
        (Shape::NumbersAndNames, DeValue::Array(list)) => list.iter().try_for_each(|item| match item.get_ref() {
            DeValue::String(text) => no_nul(key, item.span(), text),
            DeValue::Integer(number) if i32::from_str_radix(number.as_str(), number.radix()).is_ok() => Ok(()),
            _ => Err(wrong(key, item, shape)),
        }),
        _ => Err(wrong(key, value, shape)),
    }
}

/// The value as it has to be written, where only the brackets or the quotes are missing.
fn instead(value: &DeValue<'_>, shape: Shape) -> Option<String> {
    match (shape, value) {
        (Shape::List | Shape::Lines | Shape::NumbersAndNames, DeValue::String(text)) => {
            Some(format!("[{:?}]", shortened(text)))
        }
        (Shape::Numbers | Shape::NumbersAndNames, DeValue::Integer(number)) if number.radix() == 10 => {
            Some(format!("[{}]", number.as_str()))
        }
        // One of a kind that there is one of.
        (Shape::Text | Shape::SwitchOrText, DeValue::Array(list)) if list.len() == 1 => {
            list.iter().find_map(|item| item.get_ref().as_str()).map(|text| format!("{:?}", shortened(text)))
        }
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

/// One line of several, which has no form as a list.
fn splits_one(key: &str, span: Range<usize>, text: &str) -> Result<(), Fault> {
    if let Err(error) = words::split(text) {
        let fault = Fault::new(span, format!("`{key}` can't be split into words: {error}"));
        return Err(fault.help("put it into other quotes: '/bin/program \"one argument\"'"));
    }
    match words::shell(text) {
        Some(word) => Err(Fault::new(
            span,
            format!("`{key}` has no line of a shell, and {} would be handed to the program as it is", shortened(word)),
        )
        .help(format!("write {:?}; or put the word into quotes", shortened(&words::by_shell(text))))),
        None => Ok(()),
    }
}

fn splits(key: &str, span: Range<usize>, text: &str) -> Result<(), Fault> {
    if let Err(error) = words::split(text) {
        let fault = Fault::new(span, format!("`{key}` can't be split into words: {error}"));
        return Err(fault.help("write a list instead: [\"program\", \"argument\"]"));
    }
    match words::shell(text) {
        Some(word) => Err(Fault::new(
            span,
            format!("`{key}` is no line of a shell, and {} would be handed to the program as it is", shortened(word)),
        )
        .help(format!("write {key} = [\"/bin/sh\", \"-c\", {:?}]; or put the word into quotes", shortened(text)))),
        None => Ok(()),
    }
}
