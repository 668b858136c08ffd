//! /var/run/ld-elf.so.hints, in which FreeBSD's ldconfig(8) puts the directories of libraries. elf-hints.h.
//!
//! Six words of 32 bits (magic, version, place and size of the strings, place and length of the list in them), 26 that are
//! unused, and the list: directories with colons between them.

/// Where rtld looks for it.
pub const PATH: &str = "/var/run/ld-elf.so.hints";
/// The same for 32-bit programs on a 64-bit system.
pub const PATH_32: &str = "/var/run/ld-elf32.so.hints";
/// A larger file is not read; rtld before 11 stopped at 16 KiB.
pub const MAX: u64 = 1 << 20;

const MAGIC: u32 = 0x746e_6845;
const HEADER: usize = 128;

/// The list, if the file is what it should be. Its byte order is told by its magic.
#[must_use]
pub fn directories(file: &[u8]) -> Option<&str> {
    let word = |at: usize| -> Option<[u8; 4]> { file.get(at * 4..at * 4 + 4)?.try_into().ok() };
    let magic = word(0)?;
    let number = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
        (MAGIC, _) => u32::from_le_bytes,
        (_, MAGIC) => u32::from_be_bytes,
        _ => return None,
    };
    let word = |at| word(at).map(|bytes| number(bytes) as usize);
    let (version, strings, list, len) = (word(1)?, word(2)?, word(4)?, word(5)?);
    let start = strings.checked_add(list)?;
    let (end, list) = file.get(start..start.checked_add(len)?.checked_add(1)?)?.split_last()?;
    std::str::from_utf8(list).ok().filter(|_| version == 1 && *end == 0)
}

/// A file that leads rtld to the directories.
#[must_use]
pub fn write<D: AsRef<str>>(directories: &[D], big_endian: bool) -> Vec<u8> {
    let list = directories.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(":");
    let len = list.len() as u32;
    let mut out = Vec::with_capacity(HEADER + list.len() + 1);
    for word in [MAGIC, 1, HEADER as u32, len + 1, 0, len] {
        out.extend_from_slice(&if big_endian { word.to_be_bytes() } else { word.to_le_bytes() });
    }
    out.resize(HEADER, 0);
    out.extend_from_slice(list.as_bytes());
    out.push(0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_either_byte_order() {
        for big_endian in [false, true] {
            let file = write(&["/lib", "/usr/local/lib"], big_endian);
            assert_eq!(directories(&file), Some("/lib:/usr/local/lib"));
            assert_eq!(directories(&write::<&str>(&[], big_endian)), Some(""));
        }
    }

    #[test]
    fn the_header_is_128_bytes_and_the_list_ends_with_nul() {
        let bytes = write(&["/usr/local/lib", "/opt"], false);
        assert_eq!(&bytes[..4], b"Ehnt");
        assert_eq!(bytes[8..12], 128_u32.to_le_bytes());
        assert_eq!(bytes[12..16], 20_u32.to_le_bytes());
        assert_eq!(bytes[20..24], 19_u32.to_le_bytes());
        assert_eq!(&bytes[128..], b"/usr/local/lib:/opt\0");
    }

    #[test]
    fn a_damaged_file_names_nothing() {
        let good = write(&["/lib"], false);
        for len in 0..good.len() {
            assert_eq!(directories(&good[..len]), None, "{len} bytes");
        }
        for word in [0, 1, 2, 4, 5] {
            let mut bad = good.clone();
            bad[word * 4..word * 4 + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            assert_eq!(directories(&bad), None, "word {word}");
        }
    }
}
