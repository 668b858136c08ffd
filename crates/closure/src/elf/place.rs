//! Where in a file its symbols and its data are: the headers say it by address, and partly not at all.

use object::elf as raw;
use object::endian::{Endian as _, Endianness};
use object::read::elf::{FileHeader, ProgramHeader};

use super::Headed;
use crate::uses::Symbols;

/// Where in the file an address is, and how much of its segment is left there.
pub(super) fn place<H: FileHeader<Endian = Endianness>>(
    endian: Endianness,
    segments: &[H::ProgramHeader],
    address: u64,
) -> Option<(u64, u64)> {
    segments.iter().filter(|segment| segment.p_type(endian) == raw::PT_LOAD).find_map(|segment| {
        let skip = address.checked_sub(segment.p_vaddr(endian).into())?;
        let room = Into::<u64>::into(segment.p_filesz(endian)).checked_sub(skip).filter(|&room| room > 0)?;
        Some((Into::<u64>::into(segment.p_offset(endian)).checked_add(skip)?, room))
    })
}

/// What the dynamic section says of where things are.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) symbols: Option<u64>,
    pub(super) hash: Option<u64>,
    /// All that may come behind the symbols, whose number is told nowhere.
    all: [Option<u64>; 12],
}

impl Tables {
    pub(super) fn learn(&mut self, tag: raw::DynamicTag, value: u64) {
        let place = match tag {
            raw::DT_HASH => 0,
            raw::DT_STRTAB => 1,
            raw::DT_RELA => 2,
            raw::DT_REL => 3,
            raw::DT_RELR => 4,
            raw::DT_JMPREL => 5,
            raw::DT_INIT => 6,
            raw::DT_FINI => 7,
            raw::DT_GNU_HASH => 8,
            raw::DT_VERSYM => 9,
            raw::DT_VERNEED => 10,
            raw::DT_VERDEF => 11,
            _ => return,
        };
        self.all[place] = Some(value);
    }

    /// Offset and size of the symbols that may be wanted from others. The hash table begins with the first that is
    /// offered, and linkers put those last; a table without any says 1. What comes next ends the symbols anyway.
    pub(super) fn wanted<H: FileHeader<Endian = Endianness>>(
        &self,
        file: &Headed<'_>,
        endian: Endianness,
        segments: &[H::ProgramHeader],
        at: u64,
    ) -> Option<(u64, u64)> {
        let (offset, room) = place::<H>(endian, segments, at)?;
        let next = self.all.iter().flatten().filter(|&&other| other > at).min();
        let room = next.map_or(room, |next| room.min(next - at)).min(file.file.len().checked_sub(offset)?);
        let hashed = self.hash.and_then(|hash| {
            let (offset, _) = place::<H>(endian, segments, hash)?;
            let first = file.bytes("the hash table", offset.checked_add(4)?, 4, 4).ok()?;
            let first = endian.read_u32(first.get(..4)?.try_into().ok()?);
            (first > 1).then(|| u64::from(first) * size_of::<H::Sym>() as u64)
        });
        Some((offset, room.min(hashed.unwrap_or(room))))
    }
}

/// Where data may be: in what is not for execution, and with the symbols' names, since a linker that does not keep code
/// apart puts both in there.
pub(super) fn data<H: FileHeader<Endian = Endianness>>(
    endian: Endianness,
    segments: &[H::ProgramHeader],
    symbols: Option<&Symbols>,
    len: u64,
) -> Vec<(u64, u64)> {
    let loaded = segments.iter().filter(|segment| segment.p_type(endian) == raw::PT_LOAD);
    let ranges = loaded.filter_map(|segment| {
        let (offset, size): (u64, u64) = (segment.p_offset(endian).into(), segment.p_filesz(endian).into());
        let size = size.min(len.saturating_sub(offset));
        let has_names = symbols.is_some_and(|symbols| (offset..offset + size).contains(&symbols.names.0));
        let code = segment.p_flags(endian).0 & raw::PF_X.0 != 0;
        (!code || has_names).then_some((offset, size))
    });
    ranges.collect()
}
