//! No system call takes a NUL byte, so no value may have one. TOML can spell it as `\u0000`.

use serde_json::Value;

use super::Spec;

impl Spec {
    /// The key of the first value, or of a table the first name, that has a NUL byte in it.
    pub(crate) fn nul(&self) -> Option<String> {
        // Hardly ever is there one, and a text is made sooner than a tree. In JSON a NUL is \u0000; what else looks like that has
        // its backslash twice, and is told apart below.
        if !serde_json::to_string(self).is_ok_and(|text| text.contains("\\u0000")) {
            return None;
        }
        let Ok(Value::Object(keys)) = serde_json::to_value(self) else { return None };
        keys.into_iter().find(|(_, value)| has_nul(value)).map(|(key, _)| key)
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(list) => list.iter().any(has_nul),
        Value::Object(table) => table.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
