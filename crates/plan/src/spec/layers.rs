//! Several profiles laid upon each other: one that is used, the profile itself, its drop-ins, the flags. And `%i`, the name
//! of an instance, in all of them.

use super::Spec;
use super::toml::Value;
use crate::facts::SystemKind;

/// What stands for the instance in the values of `NAME@.toml`.
const INSTANCE: &str = "%i";

/// Lays each upon those before it: scalars replace, lists append. The table of the system goes over the layer it is in, and not
/// over the layers above.
#[must_use]
pub fn stack(layers: impl IntoIterator<Item = Spec>, kind: SystemKind) -> Spec {
    let mut below = Spec::default();
    for layer in layers {
        below.overlay(layer.for_system(kind).into_owned());
    }
    // It has said which one it is built upon.
    below.r#use = None;
    below
}

/// The values that hold in the end, sorted by key and in the order in which they were written, from those of all layers.
#[must_use]
pub fn origins(layers: impl IntoIterator<Item = Vec<Value>>, kind: SystemKind) -> Vec<Value> {
    let mut held: Vec<Value> = Vec::new();
    for layer in layers {
        let system = match kind {
            SystemKind::Linux => "linux",
            SystemKind::FreeBsd => "freebsd",
        };
        let (of_system, plain): (Vec<_>, Vec<_>) = layer.into_iter().partition(|value| value.system.is_some());
        let of_system = of_system.into_iter().filter(|value| value.system.as_deref() == Some(system));
        for value in plain.into_iter().chain(of_system) {
            if value.replaces {
                held.retain(|before| before.key != value.key);
            }
            held.push(value);
        }
    }
    held.retain(|value| value.key != "use");
    held.sort_by(|one, other| one.key.cmp(&other.key));
    held
}

/// The profile of an instance: `%i` in its values is the instance's name, and `%%` is a `%`.
#[must_use]
pub fn instance(spec: &Spec, name: &str) -> Spec {
    let changed = serde_json::to_value(spec).map(|mut value| {
        fill(&mut value, name);
        value
    });
    // What came from a spec is one, whatever its texts say.
    changed.and_then(serde_json::from_value).unwrap_or_else(|_| spec.clone())
}

/// The same for a text.
#[must_use]
pub fn filled(text: &str, name: &str) -> String {
    let parts: Vec<String> = text.split("%%").map(|part| part.replace(INSTANCE, name)).collect();
    parts.join("%")
}

fn fill(value: &mut serde_json::Value, name: &str) {
    use serde_json::Value;
    match value {
        Value::String(text) => *text = filled(text, name),
        Value::Array(list) => list.iter_mut().for_each(|item| fill(item, name)),
        Value::Object(table) => table.values_mut().for_each(|item| fill(item, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spec::toml;

    fn spec(text: &str) -> Spec {
        toml::parse(text, "x.toml").unwrap()
    }

    #[test]
    fn a_table_of_a_system_goes_over_its_own_layer_and_no_other() {
        let layers = || {
            [
                spec("user = \"a\"\nread = [\"/a\"]\n[linux]\nuser = \"b\"\nread = [\"/b\"]"),
                spec("use = \"x\"\nuser = \"c\"\nread = [\"/c\"]"),
            ]
        };
        let linux = stack(layers(), SystemKind::Linux);
        assert_eq!((linux.user.as_deref(), linux.r#use.as_deref()), (Some("c"), None));
        assert_eq!(linux.read, ["/a", "/b", "/c"]);
        assert_eq!(stack(layers(), SystemKind::FreeBsd).read, ["/a", "/c"]);
    }

    #[test]
    fn of_each_value_the_last_line_is_told_and_of_lists_all() {
        let one = "user = \"a\"\nread = [\"/a\",\n \"/b\"]\nenv = { A = \"1\", B = \"2\" }\n[freebsd]\nuser = \"f\"\n[linux]\nuser = \"l\"";
        let two = "read = [\"/c\"]\n[env]\nA = \"3\"";
        let held = origins([toml::values(one, "one"), toml::values(two, "two")], SystemKind::Linux);
        let told: Vec<String> = held.iter().map(|v| format!("{} {} {}", v.key, v.value, v.origin)).collect();
        assert_eq!(
            told,
            [
                "env.A \"3\" two:3",
                "env.B \"2\" one:4",
                "read \"/a\" one:2",
                "read \"/b\" one:3",
                "read \"/c\" two:1",
                "user \"l\" one:8"
            ]
        );
    }

    #[test]
    fn an_instance_is_filled_in_everywhere() {
        let spec =
            spec("command = \"redis --port %i --log 100%%i\"\nread = [\"/etc/%i\"]\n[linux]\nenv = { A = \"%i\" }");
        let spec = stack([instance(&spec, "6380")], SystemKind::Linux);
        assert_eq!(spec.command.list().unwrap(), ["redis", "--port", "6380", "--log", "100%i"]);
        assert_eq!((spec.read[0].as_str(), spec.env["A"].as_str()), ("/etc/6380", "6380"));
    }
}
