//! Every key and what it takes. The same list as the fields of [`Spec`](super::Spec) and [`Mount`](super::Mount); a test
//! holds them together.

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A string.
    Text,
    /// `true` or `false`.
    Switch,
    /// A list of strings.
    List,
    /// One string, split on spaces and quotes, or a list of strings.
    Words,
    /// A list of lines, each split on spaces and quotes.
    Lines,
    /// A number, which is none below zero.
    Number,
    /// A list of numbers.
    Numbers,
    /// A list of numbers and strings.
    NumbersAndNames,
    /// `true`, `false` or a string.
    SwitchOrText,
    /// A table of strings.
    Texts,
    /// A table of numbers and strings.
    NumbersOrTexts,
    /// `[[mount]]`.
    Mounts,
    /// `[linux]`, `[freebsd]`: the same keys again.
    System,
}

impl Shape {
    /// What is expected, with an example.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Text => "a string, such as \"text\"",
            Self::Switch => "true or false",
            Self::List => "a list of strings, such as [\"one\", \"two\"]",
            Self::Words => "a string or a list of strings, such as [\"one\", \"two\"]",
            Self::Lines => "a list of commands, such as [\"/bin/one -a\", \"/bin/two\"]",
            Self::Number => "a number, such as 10",
            Self::Numbers => "a list of numbers, such as [3, 4]",
            Self::NumbersAndNames => "a list of numbers and strings, such as [143, \"TERM\"]",
            Self::SwitchOrText => "true, false or a size, such as \"64M\"",
            Self::Texts => "a table of strings, such as { NAME = \"value\" }",
            Self::NumbersOrTexts => "a table of numbers and sizes, such as { openfiles = 1024, filesize = \"64M\" }",
            Self::Mounts => "tables, each beginning with [[mount]]",
            Self::System => "a table of keys",
        }
    }
}

/// The keys of a profile.
pub(super) const KEYS: &[(&str, Shape)] = &[
    ("abstract-sockets", Shape::Text),
    ("allow-syscalls", Shape::List),
    ("before-reload", Shape::Lines),
    ("before-start", Shape::Lines),
    ("cache-dir", Shape::Text),
    ("capabilities", Shape::Words),
    ("chdir", Shape::Text),
    ("command", Shape::Words),
    ("daemon-pidfile", Shape::Text),
    ("deny-syscalls", Shape::List),
    ("descriptors", Shape::Numbers),
    ("devices", Shape::List),
    ("env", Shape::Texts),
    ("env-file", Shape::List),
    ("etc", Shape::List),
    ("freebsd", Shape::System),
    ("group", Shape::Text),
    ("groups", Shape::List),
    ("hostname", Shape::Text),
    ("isolation", Shape::Text),
    ("limits", Shape::NumbersOrTexts),
    ("links", Shape::Text),
    ("linux", Shape::System),
    ("listen", Shape::List),
    ("log", Shape::Text),
    ("log-dir", Shape::Text),
    ("log-size", Shape::Text),
    ("mount", Shape::Mounts),
    ("network", Shape::Text),
    ("params", Shape::Texts),
    ("pidfile", Shape::Text),
    ("proc", Shape::Text),
    ("programs", Shape::List),
    ("read", Shape::List),
    ("ready-descriptor", Shape::Number),
    ("reload-command", Shape::Words),
    ("reload-on-change", Shape::Switch),
    ("reload-signal", Shape::Text),
    ("restart", Shape::Text),
    ("restart-delay", Shape::Text),
    ("restart-delay-max", Shape::Text),
    ("restart-interval", Shape::Text),
    ("restart-limit", Shape::Number),
    ("run-dir", Shape::Text),
    ("runtime", Shape::Text),
    ("secrets", Shape::List),
    ("start-timeout", Shape::Text),
    ("state-dir", Shape::Text),
    ("stop-signal", Shape::Text),
    ("stop-timeout", Shape::Text),
    ("success-exit", Shape::NumbersAndNames),
    ("supervisor", Shape::Switch),
    ("tcp-bind", Shape::Numbers),
    ("tcp-connect", Shape::Numbers),
    ("tmp", Shape::SwitchOrText),
    ("tty", Shape::Switch),
    ("type", Shape::Text),
    ("umask", Shape::Text),
    ("use", Shape::Text),
    ("user", Shape::Text),
    ("users", Shape::List),
    ("wait", Shape::Text),
    ("write", Shape::List),
];

/// The keys of a `[[mount]]`.
pub(super) const MOUNT_KEYS: &[(&str, Shape)] = &[
    ("create", Shape::Switch),
    ("exec", Shape::Switch),
    ("group", Shape::Text),
    ("mode", Shape::Text),
    ("optional", Shape::Switch),
    ("owner", Shape::Text),
    ("source", Shape::Text),
    ("target", Shape::Text),
    ("write", Shape::Switch),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spec::{Mount, Spec};

    fn fields(value: &impl serde::Serialize) -> Vec<String> {
        let serde_json::Value::Object(map) = serde_json::to_value(value).unwrap() else { return Vec::new() };
        let mut names: Vec<String> = map.keys().cloned().collect();
        names.sort();
        names
    }

    #[test]
    fn the_list_is_sorted_and_has_every_field() {
        assert_eq!(fields(&Spec::default()), KEYS.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        assert_eq!(fields(&Mount::default()), MOUNT_KEYS.iter().map(|(key, _)| *key).collect::<Vec<_>>());
    }
}
