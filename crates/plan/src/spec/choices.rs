//! The keys that take one of a few words, and these words: for what is said of another one, and for the schema.

/// Sorted by the keys.
pub(super) const CHOICES: &[(&str, &[&str])] = &[
    ("abstract-sockets", &["none", "inherit"]),
    ("isolation", &["namespaces", "landlock"]),
    ("links", &["keep", "follow"]),
    ("network", &["inherit", "none"]),
    ("proc", &["pid", "full", "none"]),
    ("restart", &["no", "on-failure", "always"]),
    ("type", &["simple", "forking", "notify"]),
    ("wait", &["main", "all"]),
];

/// Those of one key; none of one that takes anything.
#[must_use]
pub(crate) fn choices(key: &str) -> &'static [&'static str] {
    CHOICES.iter().find(|(known, _)| *known == key).map_or(&[], |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::super::keys::{KEYS, Shape};
    use super::*;

    #[test]
    fn each_is_a_key_that_takes_a_text() {
        assert!(CHOICES.iter().all(|(key, _)| KEYS.contains(&(key, Shape::Text))));
        assert!(CHOICES.is_sorted_by_key(|(key, _)| *key));
        assert_eq!((choices("wait"), choices("user")), (["main", "all"].as_slice(), [].as_slice()));
    }
}
