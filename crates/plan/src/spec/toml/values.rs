//! Where each value of a profile stands.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::spec::Spec;
use crate::spec::keys::{KEYS, Shape};

/// One value: of a list each item, of a table each entry.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Value {
    /// The key, with the name in a table behind a point: `env.TZ`.
    pub key: String,
    /// The system's table it is in: `linux`, `freebsd`.
    #[serde(skip)]
    pub system: Option<String>,
    /// As JSON.
    pub value: String,
    /// Where it is written: `/etc/thinjail/nginx.toml:7`, or `flag`.
    pub origin: String,
    /// Whether it takes the place of what was written before under the same key.
    #[serde(skip)]
    pub replaces: bool,
}

impl Value {
    /// What was typed as flags.
    #[must_use]
    pub fn of_flags(flags: &Spec) -> Vec<Self> {
        let mut found = Vec::new();
        let Ok(serde_json::Value::Object(keys)) = serde_json::to_value(flags) else { return found };
        for (key, value) in keys {
            let origin = format!("flag --{key}");
            let mut put = |key: String, value: &serde_json::Value, replaces| {
                found.push(Self { key, system: None, value: value.to_string(), origin: origin.clone(), replaces });
            };
            match &value {
                serde_json::Value::Null | serde_json::Value::Bool(false) => {}
                serde_json::Value::Array(list) => list.iter().for_each(|item| put(key.clone(), item, false)),
                serde_json::Value::Object(table) => {
                    table.iter().for_each(|(name, item)| put(format!("{key}.{name}"), item, true));
                }
                _ => put(key.clone(), &value, true),
            }
        }
        found
    }
}

/// All of a profile.
pub(super) fn of(table: &DeTable<'_>, text: &str, file: &str) -> Vec<Value> {
    let mut found = Vec::new();
    keys(table, None, &mut found);
    found.sort_by_key(|(start, _)| *start);
    let place = |(start, value): (usize, Value)| {
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        Value { origin: format!("{file}:{line}"), ..value }
    };
    found.into_iter().map(place).collect()
}

fn keys(table: &DeTable<'_>, system: Option<&str>, found: &mut Vec<(usize, Value)>) {
    for (key, value) in table.iter() {
        let name = key.get_ref().as_ref();
        let Some((_, shape)) = KEYS.iter().find(|(known, _)| *known == name) else { continue };
        let mut put = |key: String, item: &Spanned<DeValue<'_>>, replaces: bool| {
            let value = json(item.get_ref()).to_string();
            let system = system.map(String::from);
            found.push((item.span().start, Value { key, system, value, origin: String::new(), replaces }));
        };
        match (shape, value.get_ref()) {
            (Shape::System, DeValue::Table(inner)) => keys(inner, Some(name), found),
            (Shape::Texts | Shape::NumbersOrTexts, DeValue::Table(inner)) => {
                inner.iter().for_each(|(entry, item)| put(format!("{name}.{}", entry.get_ref()), item, true));
            }
            // Half of another command's arguments at the end of one would be none.
            (_, DeValue::Array(list)) if name != "command" => {
                list.iter().for_each(|item| put(name.into(), item, false));
            }
            _ => put(name.into(), value, !matches!(shape, Shape::Words) || name == "command"),
        }
    }
}

fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(switch) => (*switch).into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.as_str().into(), serde_json::Value::from),
        DeValue::Float(number) => number.as_str().into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(list) => list.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, item)| (name.get_ref().to_string(), json(item.get_ref()))).collect()
        }
    }
}
