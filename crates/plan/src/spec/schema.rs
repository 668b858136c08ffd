//! The keys of a profile as a JSON Schema, for editors: made from the table that the parser goes by, so that there is no second one.

use serde_json::{Map, Value, json};

use super::choices::choices;
use super::keys::{KEYS, MOUNT_KEYS, Shape};

/// JSON Schema, draft 7, which every editor has.
#[must_use]
pub fn schema() -> Value {
    let names: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
    let of_system = KEYS.iter().filter(|(_, shape)| *shape != Shape::System);
    let mut mount = object(MOUNT_KEYS.iter());
    mount["required"] = json!(["source"]);
    let mut profile = object(KEYS.iter());
    profile["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    profile["title"] = json!("a profile of thinjail; thinjail.toml(5)");
    profile["definitions"] = json!({
        "system": object(of_system),
        "mount": mount,
        // As the parser has it: a key below the heading of a table was meant for the profile.
        "limits": {
            "type": "object",
            "propertyNames": { "not": { "enum": names } },
            "additionalProperties": { "anyOf": [{ "type": "integer", "minimum": 0 }, text()] },
        },
    });
    profile
}

fn object<'k>(keys: impl Iterator<Item = &'k (&'static str, Shape)>) -> Value {
    let properties: Map<String, Value> = keys.map(|(key, shape)| ((*key).to_owned(), of_key(key, *shape))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// A key whose values are fewer than its shape allows; what only `resolve` can judge, by the host, is not said.
fn of_key(key: &str, shape: Shape) -> Value {
    const PORT: i32 = 0xffff;
    let between = |least: i32, most: i32| json!({ "type": "integer", "minimum": least, "maximum": most });
    let list = |items: Value| json!({ "type": "array", "items": items });
    let like = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match key {
        _ if !choices(key).is_empty() => json!({ "enum": choices(key) }),
        "tcp-bind" | "tcp-connect" => list(between(0, PORT)),
        // 0, 1 and 2 are handed on anyway.
        "descriptors" => json!({ "type": "array", "items": between(3, i32::MAX), "uniqueItems": true }),
        "ready-descriptor" => between(3, i32::MAX),
        "success-exit" => list(json!({ "anyOf": [between(0, 255), text()] })),
        "umask" => like("^0?[0-7]{3}$"),
        "mode" => like("^[0-7]{3,4}$"),
        "start-timeout" | "stop-timeout" | "restart-delay" | "restart-delay-max" | "restart-interval" => like(TIME),
        "log-size" => like(&format!("^unlimited$|{SIZE}")),
        "tmp" => json!({ "anyOf": [{ "type": "boolean" }, { "allOf": [like(SIZE), like("[1-9]")] }] }),
        _ => value(shape),
    }
}

/// From the largest unit to the smallest, or seconds.
const TIME: &str = "^[0-9]+$|^(?=.)([0-9]+h)?([0-9]+m(in)?)?([0-9]+s)?([0-9]+ms)?$";

/// In powers of 1024.
const SIZE: &str = "^[0-9]+[kKmMgGtT]?$";

fn value(shape: Shape) -> Value {
    let list = |items: Value| json!({ "type": "array", "items": items });
    match shape {
        Shape::Text => text(),
        Shape::Switch => json!({ "type": "boolean" }),
        Shape::List | Shape::Lines => list(text()),
        Shape::Words => json!({ "anyOf": [text(), list(text())] }),
        Shape::Number => json!({ "type": "integer", "minimum": 0, "maximum": i32::MAX }),
        Shape::Numbers => list(number()),
        Shape::NumbersAndNames => list(json!({ "anyOf": [number(), text()] })),
        Shape::SwitchOrText => json!({ "anyOf": [{ "type": "boolean" }, text()] }),
        Shape::Texts => json!({ "type": "object", "additionalProperties": text() }),
        Shape::NumbersOrTexts => json!({ "$ref": "#/definitions/limits" }),
        Shape::Mounts => list(json!({ "$ref": "#/definitions/mount" })),
        Shape::System => json!({ "$ref": "#/definitions/system" }),
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX })
}
