//! Is this file a program that our oldest FreeBSD runs?

use std::fs;
use std::path::Path;

use object::Endianness;
use object::elf::{FileHeader64, NoteType, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::error::{Context, Error, Result};

type Header = FileHeader64<Endianness>;

/// 13.2 by __FreeBSD_version, and the newest symbol version that its libraries have; the next came with 14.0.
const FLOOR: u32 = 1_302_001;
const NEWEST_SYMBOLS: (u32, u32) = (1, 6);
const INTERPRETER: &[u8] = b"/libexec/ld-elf.so.1\0";

/// Checks it and says what it needs.
pub(super) fn check(path: &Path) -> Result<String> {
    let data = fs::read(path).context(|| format!("read {}", path.display()))?;
    let about = about(&data).context(|| format!("parse {}", path.display()))?;
    about.fault().map_or_else(
        || Ok(format!("needs FreeBSD {}, {}", about.version.unwrap_or_default(), about.symbols.join(" "))),
        |fault| Err(Error::new(format!("{}: {fault}", path.display()))),
    )
}

/// What a program says about the system that it is for.
#[derive(Debug, Default, PartialEq, Eq)]
struct About {
    interpreter: Option<Vec<u8>>,
    /// __FreeBSD_version of the start files' note.
    version: Option<u32>,
    /// FBSD_1.0 and so on.
    symbols: Vec<String>,
}

impl About {
    fn fault(&self) -> Option<String> {
        if self.interpreter.as_deref() != Some(INTERPRETER) {
            return Some("its interpreter is not FreeBSD's".into());
        }
        match self.version {
            None => return Some("it has no FreeBSD note, so that the kernel would not run it".into()),
            Some(version) if version > FLOOR => return Some(format!("it is for FreeBSD {version}, after {FLOOR}")),
            Some(_) => {}
        }
        let newer = self.symbols.iter().find(|name| symbol_version(name).is_none_or(|it| it > NEWEST_SYMBOLS));
        newer.map(|name| format!("it needs symbols of {name}, which our oldest FreeBSD lacks"))
    }
}

/// FBSD_1.6 is (1, 6). A version of another library has no order.
fn symbol_version(name: &str) -> Option<(u32, u32)> {
    let (major, minor) = name.strip_prefix("FBSD_")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn about(data: &[u8]) -> object::Result<About> {
    let mut about = About::default();
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, data)? {
        if segment.p_type(endian) == PT_INTERP {
            about.interpreter = segment.interpreter(endian, data)?.map(|path| [path, b"\0"].concat());
        }
        if let Some(mut notes) = segment.notes(endian, data)? {
            while let Some(note) = notes.next()? {
                // NT_FREEBSD_ABI_TAG
                if note.name() == b"FreeBSD" && note.n_type(endian) == NoteType(1) {
                    about.version = note.desc().try_into().ok().map(u32::from_le_bytes);
                }
            }
        }
    }
    let sections = header.sections(endian, data)?;
    if let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        while let Some((_, mut versions)) = libraries.next()? {
            while let Some(version) = versions.next()? {
                about.symbols.push(String::from_utf8_lossy(version.name(endian, strings)?).into_owned());
            }
        }
    }
    about.symbols.sort();
    about.symbols.dedup();
    Ok(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> About {
        let symbols = vec!["FBSD_1.0".into(), "FBSD_1.6".into()];
        About { interpreter: Some(INTERPRETER.into()), version: Some(1_300_500), symbols }
    }

    #[test]
    fn a_program_for_the_oldest_freebsd_passes() {
        assert_eq!(good().fault(), None);
    }

    #[test]
    fn a_program_of_this_system_is_none_for_freebsd() {
        let own = std::env::current_exe().ok().and_then(|path| fs::read(path).ok()).unwrap_or_default();
        let about = about(&own).unwrap_or_default();
        assert_eq!(about.fault().is_some(), std::env::consts::OS != "freebsd");
    }

    #[test]
    fn a_program_that_needs_a_newer_freebsd_is_refused() {
        let newer = About { version: Some(1_400_097), ..good() };
        assert_eq!(newer.fault(), Some("it is for FreeBSD 1400097, after 1302001".into()));
        for symbols in ["FBSD_1.7", "FBSD_2.0", "GLIBC_2.2"] {
            let newer = About { symbols: vec![symbols.into()], ..good() };
            assert!(newer.fault().is_some_and(|fault| fault.contains(symbols)));
        }
        assert!(About { version: None, ..good() }.fault().is_some());
    }
}
