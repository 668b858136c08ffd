//! What an object says of itself that it loads by dlopen(3): notes of the owner `FDO`, UAPI.12 "ELF dlopen metadata".
//!
//! The note holds a JSON array of entries, each with the sonames of which the first that is there is loaded, and with how
//! much depends on it.

use serde::Deserialize;

/// `FDO_DLOPEN`.
const KIND: u32 = 0x407c_0c0a;

const OWNER: &[u8] = b"FDO\0";

/// How much depends on a library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Nothing works without it.
    Required,
    /// Something that most users want does not work without it.
    #[default]
    Recommended,
    /// Something that few users want does not work without it.
    Suggested,
}

/// A library that an object loads when it runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Dlopen {
    /// The names it is looked for by, one after the other.
    #[serde(rename = "soname")]
    pub sonames: Vec<String>,
    /// How much depends on it.
    #[serde(default)]
    pub priority: Priority,
    /// What it is for, a word.
    #[serde(default)]
    pub feature: Option<String>,
    /// What it is for, a sentence.
    #[serde(default)]
    pub description: Option<String>,
}

/// The entries of all notes in `segment`, as `PT_NOTE` has them. A note that can't be read says nothing: no loader looks
/// at it.
pub(super) fn dlopens(segment: &[u8], number: impl Fn([u8; 4]) -> u32, align: u64) -> Vec<Dlopen> {
    let align = if align == 8 { 8 } else { 4 };
    let mut all = Vec::new();
    let mut at = 0usize;
    let word = |at: usize| -> Option<u32> { Some(number(segment.get(at..at.checked_add(4)?)?.try_into().ok()?)) };
    while let (Some(name), Some(size), Some(kind)) = (word(at), word(at.saturating_add(4)), word(at.saturating_add(8)))
    {
        let Some((name, value, next)) = parts(segment, at, name as usize, size as usize, align) else { break };
        if kind == KIND && name == OWNER {
            let text = value.split(|&byte| byte == 0).next().unwrap_or_default();
            all.extend(serde_json::from_slice::<Vec<Dlopen>>(text).unwrap_or_default());
        }
        at = next;
    }
    all
}

/// Name and value of the note at `at`, and where the next one is.
fn parts(segment: &[u8], at: usize, name: usize, value: usize, align: usize) -> Option<(&[u8], &[u8], usize)> {
    let start = at.checked_add(12)?;
    let name_end = start.checked_add(name)?;
    let value_start = name_end.checked_next_multiple_of(align)?;
    let value_end = value_start.checked_add(value)?;
    let next = value_end.checked_next_multiple_of(align)?;
    Some((segment.get(start..name_end)?, segment.get(value_start..value_end)?, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(owner: &[u8], kind: u32, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [owner.len() as u32, value.len() as u32, kind] {
            out.extend(word.to_le_bytes());
        }
        for part in [owner, value] {
            out.extend(part);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    fn read(segment: &[u8]) -> Vec<Dlopen> {
        dlopens(segment, u32::from_le_bytes, 4)
    }

    #[test]
    fn entries_of_all_notes_are_read_and_other_notes_passed_over() {
        let one = br#"[{"soname":["libz.so.1","libz.so"],"priority":"required","feature":"zlib","other":1}]"#;
        let two = br#"[{"soname":["a"]},{"soname":["b"],"priority":"suggested","description":"for b"}]"#;
        let mut segment = note(b"GNU\0", 3, &[7; 20]);
        segment.extend(note(OWNER, KIND, &[&one[..], b"\0"].concat()));
        segment.extend(note(OWNER, 1, two));
        segment.extend(note(OWNER, KIND, two));
        let all = read(&segment);
        let names: Vec<_> = all.iter().map(|entry| (entry.sonames.concat(), entry.priority)).collect();
        let expected = [
            ("libz.so.1libz.so".to_owned(), Priority::Required),
            ("a".to_owned(), Priority::Recommended),
            ("b".to_owned(), Priority::Suggested),
        ];
        assert_eq!(names, expected);
        assert_eq!(all.first().and_then(|entry| entry.feature.as_deref()), Some("zlib"));
    }

    #[test]
    fn what_is_damaged_says_nothing() {
        let good = note(OWNER, KIND, br#"[{"soname":["a"]}]"#);
        for len in 0..good.len() - 2 {
            assert_eq!(read(&good[..len]), [], "{len} bytes");
        }
        for json in [&b"{}"[..], b"[{}]", b"[", b"\xff", b"[{\"soname\":\"a\"}]", b""] {
            assert_eq!(read(&note(OWNER, KIND, json)), []);
        }
        let mut huge = good;
        huge[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&huge), []);
    }
}
