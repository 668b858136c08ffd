//! Which known word was meant.

/// The nearest of `known`, if it is near enough to be meant: a third of its letters may differ.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A word of a thousand letters is near to nothing, and the distance takes the product of both lengths.
    if written.len() > 64 {
        return None;
    }
    let written = written.to_lowercase().replace('_', "-");
    let scored = known.map(|word| {
        let letters = word.to_lowercase().replace('_', "-");
        (strsim::osa_distance(&written, &letters), letters.len().max(written.len()), word)
    });
    let (far, length, word) = scored.min_by_key(|(far, _, word)| (*far, *word))?;
    (far * 3 <= length).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = ["read", "write", "run-dir", "capabilities"];
        assert_eq!(nearest("raed", known.into_iter()), Some("read"));
        assert_eq!(nearest("run_dir", known.into_iter()), Some("run-dir"));
        assert_eq!(nearest("capabilites", known.into_iter()), Some("capabilities"));
        assert_eq!(nearest("volumes", known.into_iter()), None);
        assert_eq!(nearest(&"x".repeat(100_000), known.into_iter()), None);
    }
}
