//! /etc/ld.so.cache, which ldconfig(8) writes and glibc's loader reads: sonames and the paths of the libraries.
//!
//! The layout is in glibc's `sysdeps/generic/dl-cache.h`. A header is followed by entries, sorted so that the loader can
//! halve its way to a name, and by the strings. A file may begin with the format of glibc before 2.2, then the newer one
//! follows it.

use std::cmp::Ordering;

use memchr::arch::all::memchr::One;

use crate::machine::Machine;

mod write;

pub use write::{merge, write};

/// Where the loader looks for it.
pub const PATH: &str = "/etc/ld.so.cache";

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;

const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;

/// `FLAG_ELF`, which fits every machine.
const ANY_ELF: u32 = 1;

const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
const EXTENSION_HWCAPS: u32 = 1;
/// A longer string is not read: it is no path.
const STRING_MAX: usize = 1 << 16;
/// Of entries of one name no more are looked at. A library has one for each level of the processor.
const SAME_MAX: usize = 1 << 10;
/// Bit 62 of an entry's `hwcap`: its low half is an index into the names of the `glibc_hwcaps` extension.
const HWCAP_NAMED: u64 = 1 << 62;

/// A cache read into memory. It never fails to be read: the loader takes a damaged one for an empty one.
#[derive(Debug, Default)]
pub struct Cache {
    /// From the header that counts on; offsets of strings begin there.
    bytes: Vec<u8>,
    first: usize,
    entry: usize,
    count: usize,
    /// Where the strings' offsets begin: with the header, and in the old format behind the entries.
    strings: usize,
    big_endian: bool,
    /// What of the file came before the header.
    skipped: usize,
    /// Place and number of the offsets of the names of the hwcaps.
    hwcaps: (usize, usize),
}

impl Cache {
    /// Finds the block that the loader would use. `big_endian` is the byte order of the machine.
    #[must_use]
    pub fn parse(bytes: Vec<u8>, big_endian: bool) -> Self {
        if let Some(start) = new_format(&bytes, big_endian) {
            let mut cache = Self { bytes, big_endian, entry: ENTRY, ..Self::default() };
            cache.bytes.drain(..start);
            cache.skipped = start;
            cache.first = HEADER;
            cache.count = cache.u32(20).unwrap_or(0) as usize;
            cache.hwcaps = cache.find_hwcaps().unwrap_or_default();
            return cache;
        }
        let mut cache = Self { bytes, big_endian, entry: OLD_ENTRY, first: OLD_HEADER, ..Self::default() };
        match cache.bytes.starts_with(OLD_MAGIC).then(|| cache.u32(12)).flatten() {
            Some(count) if fits(cache.bytes.len(), OLD_HEADER, OLD_ENTRY, count) => {
                cache.count = count as usize;
                cache.strings = OLD_HEADER + OLD_ENTRY * cache.count;
                cache
            }
            _ => Self::default(),
        }
    }

    /// The path for a soname, as `_dl_load_cache_lookup` picks it. `flags` are [`flags`] of the machine; `hwcaps` the
    /// names of the processor's levels, the best first, asked for if an entry has one.
    #[must_use]
    pub fn lookup<'h>(&self, name: &str, flags: u32, hwcaps: impl Fn() -> &'h [String]) -> Option<&str> {
        self.lookup_with(name, flags, hwcaps, || None)
    }

    /// The same for glibc before 2.37, for which entries of directories such as `tls` count too: `legacy` gives the bits
    /// that an entry may have.
    #[must_use]
    pub fn lookup_with<'h>(
        &self,
        name: &str,
        flags: u32,
        hwcaps: impl Fn() -> &'h [String],
        legacy: impl Fn() -> Option<u64>,
    ) -> Option<&str> {
        let name = name.as_bytes();
        // Halved exactly as there: in a cache that is out of order another way would lead elsewhere.
        let (mut left, mut end) = (0, self.count);
        while left < end {
            let middle = (left + end - 1) / 2;
            match self.order(name, self.key(middle)?)? {
                // The names go down.
                Ordering::Less => left = middle + 1,
                Ordering::Greater => end = middle,
                Ordering::Equal => return self.pick(name, middle, flags, hwcaps, legacy),
            }
        }
        None
    }

    /// The best among the entries of one name, of which `at` is one.
    fn pick<'h>(
        &self,
        name: &[u8],
        at: usize,
        flags: u32,
        hwcaps: impl Fn() -> &'h [String],
        legacy: impl Fn() -> Option<u64>,
    ) -> Option<&str> {
        let same = |at: usize| self.key(at).and_then(|key| self.order(name, key)) == Some(Ordering::Equal);
        let mut first = at;
        while first > 0 && at - first < SAME_MAX && same(first - 1) {
            first -= 1;
        }
        let mut plain: Option<&[u8]> = None;
        let mut named: Option<(usize, &[u8])> = None;
        for at in (first..self.count).take(2 * SAME_MAX).take_while(|&at| at <= first || same(at)) {
            let Some((entry, value)) = self.usable(at, flags) else { continue };
            match self.hwcap(at) {
                // The machine's own ends the search; one that fits every machine does not.
                0 if entry == flags => {
                    plain = Some(value);
                    break;
                }
                0 => plain = plain.or(Some(value)),
                hwcap if hwcap & HWCAP_NAMED != 0 => {
                    let name = self.hwcap_name(hwcap);
                    let rank = hwcaps().iter().position(|known| Some(known.as_bytes()) == name);
                    if let Some(rank) = rank.filter(|&rank| named.is_none_or(|(best, _)| rank < best)) {
                        named = Some((rank, value));
                    }
                }
                // Those with more bits come first.
                hwcap if legacy().is_some_and(|bits| hwcap & !bits == 0) => {
                    plain = plain.or(Some(value));
                    if entry == flags {
                        break;
                    }
                }
                _ => {}
            }
        }
        let best = named.map(|(_, value)| value).or(plain)?;
        std::str::from_utf8(best).ok()
    }

    fn usable(&self, at: usize, flags: u32) -> Option<(u32, &[u8])> {
        let entry = self.u32(self.place(at))?;
        if entry != flags && entry != ANY_ELF {
            return None;
        }
        Some((entry, self.string(self.u32(self.place(at) + 8)?)?))
    }

    fn place(&self, at: usize) -> usize {
        self.first + at * self.entry
    }

    fn key(&self, at: usize) -> Option<u32> {
        self.u32(self.place(at) + 4)
    }

    fn hwcap(&self, at: usize) -> u64 {
        if self.entry != ENTRY {
            return 0;
        }
        let half = |at| u64::from(self.u32(at).unwrap_or(0));
        let (low, high) = if self.big_endian { (20, 16) } else { (16, 20) };
        half(self.place(at) + low) | half(self.place(at) + high) << 32
    }

    fn hwcap_name(&self, hwcap: u64) -> Option<&[u8]> {
        let index = (hwcap & 0xffff_ffff) as usize;
        let (start, count) = self.hwcaps;
        if index >= count {
            return None;
        }
        let name = (self.u32(start.checked_add(index.checked_mul(4)?)?)? as usize).checked_sub(self.skipped)?;
        self.string(name.try_into().ok()?)
    }

    /// Unlike those of other strings, these offsets count from the start of the file, and those of the names too.
    fn find_hwcaps(&self) -> Option<(usize, usize)> {
        let start = (self.u32(32).filter(|&start| start != 0)? as usize).checked_sub(self.skipped)?;
        if self.u32(start)? != EXTENSION_MAGIC {
            return None;
        }
        let count = self.u32(start + 4)? as usize;
        // A section takes 16 bytes, so a count that the file can't hold ends where the file does.
        let mut sections = (0..count).map_while(|at| {
            let place = start.checked_add(8)?.checked_add(at.checked_mul(16)?)?;
            Some((self.u32(place)?, self.u32(place + 8)? as usize, self.u32(place + 12)? as usize))
        });
        let (_, place, size) = sections.find(|&(tag, ..)| tag == EXTENSION_HWCAPS)?;
        Some((place.checked_sub(self.skipped)?, size / 4))
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// `name` beside the string at `offset`, as [`compare`] has it. Where they first differ decides, unless digits are there;
    /// only then all of it is looked at.
    fn order(&self, name: &[u8], offset: u32) -> Option<Ordering> {
        let rest = self.bytes.get(self.strings.checked_add(offset as usize)?..)?;
        let same = name.iter().zip(rest).take_while(|(a, b)| a == b && **a != 0).count();
        let plain = |byte: u8| byte != 0 && !byte.is_ascii_digit();
        match (name.get(same).copied(), *rest.get(same)?) {
            (None, 0) => Some(Ordering::Equal),
            (None, b) if plain(b) => Some(Ordering::Less),
            (Some(a), b) if plain(a) && (b == 0 || plain(b)) => Some(a.cmp(&b)),
            _ => Some(compare(name, self.string(offset)?)),
        }
    }

    fn string(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.bytes.get(self.strings.checked_add(offset as usize)?..)?;
        let seen = rest.get(..STRING_MAX).unwrap_or(rest);
        seen.get(..One::new(0).find(seen)?)
    }
}

fn fits(len: usize, header: usize, entry: usize, count: u32) -> bool {
    len.checked_sub(header).is_some_and(|room| room / entry >= count as usize)
}

/// Where the newer format begins.
fn new_format(bytes: &[u8], big_endian: bool) -> Option<usize> {
    let number = |at: usize| {
        let bytes = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let start = if bytes.starts_with(OLD_MAGIC) {
        let count = number(12)?;
        if !fits(bytes.len(), OLD_HEADER, OLD_ENTRY, count) {
            return None;
        }
        (OLD_HEADER + OLD_ENTRY * count as usize).next_multiple_of(8)
    } else {
        0
    };
    let block = bytes.get(start..)?;
    // The low bits of the flags say the byte order, if anything.
    let order = block.get(28)? & 3;
    let fits = block.starts_with(MAGIC) && fits(block.len(), HEADER, ENTRY, number(start + 20)?);
    (fits && (order == 0 || order == if big_endian { 3 } else { 2 })).then_some(start)
}

/// `_DL_CACHE_DEFAULT_ID`: what the loader of a machine wants to read in an entry's flags. `header` is `e_flags` of the
/// program, which tells the floating-point conventions of 32-bit ARM and of RISC-V apart.
#[must_use]
pub fn flags(machine: Machine, header: u32) -> u32 {
    use object::elf;
    // FLAG_ELF_LIBC6, and above it FLAG_X8664_LIB64 and its like from glibc's ldconfig.h.
    let above = match (elf::Machine(machine.number), machine.wide) {
        (elf::EM_X86_64, true) => 0x03,
        (elf::EM_X86_64, false) => 0x08,
        (elf::EM_S390, true) => 0x04,
        (elf::EM_PPC64, true) => 0x05,
        (elf::EM_SPARCV9, true) => 0x01,
        (elf::EM_MIPS, true) => 0x07,
        (elf::EM_ARM, false) if header & 0x400 != 0 => 0x09,
        (elf::EM_ARM, false) if header & 0x200 != 0 => 0x0b,
        (elf::EM_AARCH64, true) => 0x0a,
        (elf::EM_RISCV, true) if header & 0x6 == 0x4 => 0x10,
        (elf::EM_RISCV, true) => 0x0f,
        (elf::EM_LOONGARCH, true) if header & 0x7 == 0x3 => 0x12,
        (elf::EM_LOONGARCH, true) => 0x11,
        _ => 0,
    };
    above << 8 | 3
}

/// `_dl_cache_libcmp`: runs of digits are compared as numbers, and a digit is more than anything else.
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    // What is the same in both decides nothing, but for digits that may go on.
    let same = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let digits = left.iter().take(same).rev().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = |text| <[u8]>::get(text, same - digits..).unwrap_or_default();
    let (mut left, mut right) = (rest(left), rest(right));
    loop {
        let (&a, &b) = match (left.first(), right.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            // glibc looks for a digit before it looks for an end.
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => (a, b),
        };
        let order = match (a.is_ascii_digit(), b.is_ascii_digit()) {
            (true, true) => number(&mut left).cmp(&number(&mut right)),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                left = left.get(1..).unwrap_or_default();
                right = right.get(1..).unwrap_or_default();
                a.cmp(&b)
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Takes the digits off the beginning; the number overflows as glibc's `int` does.
fn number(text: &mut &[u8]) -> i32 {
    let mut value = 0i32;
    while let Some((&digit, rest)) = text.split_first().filter(|(digit, _)| digit.is_ascii_digit()) {
        value = value.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'));
        *text = rest;
    }
    value
}

#[cfg(test)]
mod tests;
