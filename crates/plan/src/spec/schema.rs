//! The keys of a profile as a JSON Schema, for editors: made from the table that the parser goes by, so that there is no second one.

use serde_json::{Map, Value, json};

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
    let properties: Map<String, Value> = keys.map(|(key, shape)| ((*key).to_owned(), value(*shape))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

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
