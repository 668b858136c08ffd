//! Reads of an ELF file what the loader reads before it maps anything: a few hundred bytes at a few places, whatever the
//! size of the file. elf(5).
//!
//! Files are hostile: every offset and size is checked against the file, sizes are capped, and nothing is allocated that
//! the file does not hold.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::io;
use std::rc::Rc;

use memchr::arch::all::memchr::One;
use object::elf::{self as raw, FileHeader32, FileHeader64};
use object::endian::{Endian as _, Endianness};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};

use crate::machine::Machine;
use crate::tree::ReadAt;
use crate::uses::{self, Signs, Symbols};

mod notes;
mod place;

pub use notes::{Dlopen, Priority};
use place::{Tables, data, place};

/// As many bytes of program headers as the Linux kernel takes.
const PROGRAM_HEADERS_MAX: u64 = 65536;
/// 65,536 entries; the largest seen in the wild have a few hundred.
const DYNAMIC_MAX: u64 = 1 << 20;
/// That of most objects fits.
const USUAL_DYNAMIC: usize = 640;
/// PATH_MAX, for names, with room for a search path of many directories.
const STRING_MAX: u64 = 1 << 16;
/// All names of one object together. Thousands of entries may share one long string, and each would be a copy of it.
const NAMES_MAX: usize = 1 << 20;
/// Far more than all the notes of any object. Many segments may be the same piece of the file.
const NOTES_MAX: u64 = 1 << 16;
/// What one read brings in of the string table: the names of the libraries stand close together.
const WINDOW: u64 = 4096;

/// Why a file is not read as ELF.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// No `\x7fELF`, or too short for a header.
    #[error("not an ELF file")]
    NotElf,
    /// A class, byte order or version that does not exist.
    #[error("an ELF header with an unknown {0}")]
    Unknown(&'static str),
    /// An offset or a size points outside of the file or of its segments.
    #[error("a damaged ELF file: {0} outside of the file")]
    Outside(&'static str),
    /// Larger than anything a loader meets.
    #[error("a damaged ELF file: {0} too large")]
    TooLarge(&'static str),
    /// A name without its NUL, or not UTF-8.
    #[error("a damaged ELF file: {0} is no string")]
    NoString(&'static str),
    /// The file can't be read.
    #[error("read it")]
    Io(#[from] io::Error),
}

/// How an object asks for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedKind {
    /// `DT_NEEDED`.
    Needed,
    /// `DT_AUXILIARY`: loaded if it is there.
    Auxiliary,
    /// `DT_FILTER`.
    Filter,
}

/// An object asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// How.
    pub kind: NeedKind,
    /// Its soname, or a path.
    pub name: String,
}

/// What is in the header and the dynamic section of a program or a library.
#[derive(Debug)]
pub struct Object {
    /// The processor it is for.
    pub machine: Machine,
    /// `e_type`: `ET_EXEC` is 2, `ET_DYN` 3.
    pub kind: u16,
    /// `EI_OSABI`.
    pub osabi: u8,
    /// `e_flags`; tells hard from soft floating point on some machines.
    pub flags: u32,
    /// `PT_INTERP`.
    pub interpreter: Option<String>,
    /// `DT_NEEDED`, `DT_AUXILIARY` and `DT_FILTER`, in their order.
    pub needs: Vec<Need>,
    /// `DT_SONAME`.
    pub soname: Option<String>,
    /// `DT_RPATH`.
    pub rpath: Option<String>,
    /// `DT_RUNPATH`.
    pub runpath: Option<String>,
    /// `DF_1_NODEFLIB`: default directories are not for it.
    pub no_default_lib: bool,
    /// What it says that it loads when it runs.
    pub dlopens: Vec<Dlopen>,
    /// Its symbols; none where it has none, or they can't be found.
    symbols: Option<Symbols>,
    /// Offset and size of the parts in which data may be.
    data: Vec<(u64, u64)>,
    /// Boxed, since they are large, and not wanted by those who only list.
    functions: OnceCell<Box<Signs>>,
    paths: OnceCell<Box<Signs>>,
}

impl Object {
    /// Reads headers, dynamic section and the strings these name.
    pub fn parse(file: &dyn ReadAt) -> Result<Self, ElfError> {
        // One read brings in the ELF header, the program headers and mostly the interpreter's name.
        let mut buffer = [0; 1024];
        let len = usize::try_from(file.len()).unwrap_or(usize::MAX).min(buffer.len());
        let head = buffer.get_mut(..len).unwrap_or_default();
        file.read_exact_at(head, 0)?;
        if head.get(..4) != Some(&raw::ELFMAG[..]) {
            return Err(ElfError::NotElf);
        }
        let file = Headed { file, head };
        match head.get(4) {
            Some(&class) if class == raw::ELFCLASS32.0 => parse::<FileHeader32<Endianness>>(&file),
            Some(&class) if class == raw::ELFCLASS64.0 => parse::<FileHeader64<Endianness>>(&file),
            Some(_) => Err(ElfError::Unknown("class")),
            None => Err(ElfError::NotElf),
        }
    }

    /// Whether a loader would map it: not so an object file or a core dump.
    #[must_use]
    pub fn is_loadable(&self) -> bool {
        self.kind == raw::ET_EXEC.0 || self.kind == raw::ET_DYN.0
    }

    /// What the functions that this object names ask for. `file` is the file this was parsed from; it is read once.
    pub fn functions(&self, file: impl FnOnce() -> io::Result<Rc<dyn ReadAt>>) -> &Signs {
        self.functions.get_or_init(|| {
            let Some(symbols) = &self.symbols else { return Box::default() };
            file().and_then(|file| uses::functions(&*file, symbols)).unwrap_or_else(|_| Signs::unreadable()).into()
        })
    }

    /// What the paths that are in its data ask for; likewise.
    pub fn paths(&self, file: impl FnOnce() -> io::Result<Rc<dyn ReadAt>>) -> &Signs {
        self.paths.get_or_init(|| {
            file().and_then(|file| uses::paths(&*file, &self.data)).unwrap_or_else(|_| Signs::unreadable()).into()
        })
    }
}

/// A file whose beginning is in memory.
struct Headed<'f> {
    file: &'f dyn ReadAt,
    head: &'f [u8],
}

impl<'f> Headed<'f> {
    fn bytes(&self, what: &'static str, offset: u64, size: u64, max: u64) -> Result<Cow<'f, [u8]>, ElfError> {
        self.bytes_in(&mut [], what, offset, size, max)
    }

    /// The same, read to `room` if it fits there.
    fn bytes_in<'b>(
        &self,
        room: &'b mut [u8],
        what: &'static str,
        offset: u64,
        size: u64,
        max: u64,
    ) -> Result<Cow<'b, [u8]>, ElfError>
    where
        'f: 'b,
    {
        if size > max {
            return Err(ElfError::TooLarge(what));
        }
        let end = offset.checked_add(size).filter(|&end| end <= self.file.len()).ok_or(ElfError::Outside(what))?;
        let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
        if let Some(bytes) = range.and_then(|(start, end)| self.head.get(start..end)) {
            return Ok(Cow::Borrowed(bytes));
        }
        let size = usize::try_from(size).map_err(|_| ElfError::TooLarge(what))?;
        if let Some(room) = room.get_mut(..size) {
            self.file.read_exact_at(room, offset)?;
            return Ok(Cow::Borrowed(room));
        }
        Ok(Cow::Owned(self.file.read_vec_at(size, offset)?))
    }
}

fn parse<H: FileHeader<Endian = Endianness>>(file: &Headed<'_>) -> Result<Object, ElfError> {
    let (header, _) = object::pod::from_bytes::<H>(file.head).map_err(|()| ElfError::Outside("the header"))?;
    let endian = header.endian().map_err(|_| ElfError::Unknown("byte order"))?;
    if !header.is_supported() {
        return Err(ElfError::Unknown("version"));
    }
    let machine =
        Machine { number: header.e_machine(endian).0, wide: header.is_class_64(), big_endian: header.is_big_endian() };
    let mut object = Object {
        machine,
        kind: header.e_type(endian).0,
        osabi: header.e_ident().os_abi.0,
        flags: header.e_flags(endian).0,
        interpreter: None,
        needs: Vec::new(),
        soname: None,
        rpath: None,
        runpath: None,
        no_default_lib: false,
        dlopens: Vec::new(),
        symbols: None,
        data: Vec::new(),
        functions: OnceCell::new(),
        paths: OnceCell::new(),
    };
    let count = header.e_phnum(endian);
    if count == 0 {
        return Ok(object);
    }
    if usize::from(header.e_phentsize(endian)) != size_of::<H::ProgramHeader>() {
        return Err(ElfError::Unknown("size of program headers"));
    }
    let size = u64::from(count) * size_of::<H::ProgramHeader>() as u64;
    let table = file.bytes("program headers", header.e_phoff(endian).into(), size, PROGRAM_HEADERS_MAX)?;
    let segments = object::pod::slice_from_all_bytes::<H::ProgramHeader>(&table)
        .map_err(|()| ElfError::Outside("program headers"))?;

    let find = |kind| segments.iter().find(|segment| segment.p_type(endian) == kind);
    if let Some(segment) = find(raw::PT_INTERP) {
        let what = "the interpreter's name";
        let bytes = file.bytes(what, segment.p_offset(endian).into(), segment.p_filesz(endian).into(), WINDOW)?;
        object.interpreter = Some(string(&bytes, what)?);
    }
    if let Some(segment) = find(raw::PT_DYNAMIC) {
        let size: u64 = segment.p_filesz(endian).into();
        let size = size - size % size_of::<H::Dyn>() as u64;
        let mut room = [0; USUAL_DYNAMIC];
        let bytes =
            file.bytes_in(&mut room, "the dynamic section", segment.p_offset(endian).into(), size, DYNAMIC_MAX)?;
        let entries = object::pod::slice_from_all_bytes::<H::Dyn>(&bytes)
            .map_err(|()| ElfError::Outside("the dynamic section"))?;
        dynamic::<H>(&mut object, file, endian, entries, segments)?;
    }
    let mut room = NOTES_MAX;
    for segment in segments.iter().filter(|segment| segment.p_type(endian) == raw::PT_NOTE) {
        let (offset, size) = (segment.p_offset(endian).into(), segment.p_filesz(endian).into());
        // No loader fails for its notes.
        if let Ok(bytes) = file.bytes("notes", offset, size, room) {
            room -= size;
            let number = |bytes| endian.read_u32(bytes);
            object.dlopens.extend(notes::dlopens(&bytes, number, segment.p_align(endian).into()));
        }
    }
    object.data = data::<H>(endian, segments, object.symbols.as_ref(), file.file.len());
    Ok(object)
}

fn dynamic<H: FileHeader<Endian = Endianness>>(
    object: &mut Object,
    file: &Headed<'_>,
    endian: Endianness,
    entries: &[H::Dyn],
    segments: &[H::ProgramHeader],
) -> Result<(), ElfError> {
    let (mut table, mut size) = (None, None);
    let mut tables = Tables::default();
    let (mut soname, mut rpath, mut runpath) = (None, None, None);
    let mut needs = Vec::with_capacity(8);
    for entry in entries {
        let value = entry.val(endian);
        // Where a tag is there twice, the last one counts, as in glibc and in rtld.
        match entry.tag(endian) {
            raw::DT_NULL => break,
            raw::DT_NEEDED => needs.push((NeedKind::Needed, value)),
            raw::DT_AUXILIARY => needs.push((NeedKind::Auxiliary, value)),
            raw::DT_FILTER => needs.push((NeedKind::Filter, value)),
            raw::DT_STRTAB => table = Some(value),
            raw::DT_STRSZ => size = Some(value),
            raw::DT_SONAME => soname = Some(value),
            raw::DT_RPATH => rpath = Some(value),
            raw::DT_RUNPATH => runpath = Some(value),
            raw::DT_FLAGS_1 => object.no_default_lib = value & raw::DF_1_NODEFLIB.0 != 0,
            raw::DT_SYMTAB => tables.symbols = Some(value),
            raw::DT_GNU_HASH => tables.hash = Some(value),
            _ => {}
        }
        tables.learn(entry.tag(endian), value);
    }
    let Some(address) = table else {
        return if needs.is_empty() { Ok(()) } else { Err(ElfError::Outside("the string table")) };
    };
    let (offset, room) = place::<H>(endian, segments, address).ok_or(ElfError::Outside("the string table"))?;
    let size = size.unwrap_or(room).min(room).min(file.file.len().saturating_sub(offset));
    object.symbols = tables.symbols.map(|at| Symbols {
        wide: object.machine.wide,
        endian,
        table: tables.wanted::<H>(file, endian, segments, at),
        names: (offset, size),
    });

    let mut strings = Strings { file, offset, size, window: Vec::new(), at: 0 };
    object.needs.reserve_exact(needs.len());
    let mut room = NAMES_MAX;
    for (kind, at) in needs {
        let name = strings.get(at, "a needed name")?;
        room = room.checked_sub(name.len()).ok_or(ElfError::TooLarge("the needed names"))?;
        object.needs.push(Need { kind, name });
    }
    object.soname = soname.map(|at| strings.get(at, "the soname")).transpose()?;
    object.rpath = rpath.map(|at| strings.get(at, "the rpath")).transpose()?;
    object.runpath = runpath.map(|at| strings.get(at, "the runpath")).transpose()?;
    Ok(())
}

/// The string table, seen through a window that moves.
struct Strings<'f> {
    file: &'f Headed<'f>,
    offset: u64,
    size: u64,
    window: Vec<u8>,
    /// The window's place in the table.
    at: u64,
}

impl Strings<'_> {
    fn get(&mut self, index: u64, what: &'static str) -> Result<String, ElfError> {
        let seen = index.checked_sub(self.at).and_then(|skip| self.window.get(usize::try_from(skip).ok()?..));
        if let Some(found) = seen.and_then(|bytes| ended(bytes, what)) {
            return found;
        }
        let rest = self.size.checked_sub(index).ok_or(ElfError::Outside(what))?;
        // A search path may be longer than the window.
        for size in [WINDOW, STRING_MAX] {
            let size = size.min(rest);
            self.window = self.file.bytes(what, self.offset + index, size, STRING_MAX)?.into_owned();
            self.at = index;
            if let Some(found) = ended(&self.window, what) {
                return found;
            }
        }
        Err(ElfError::NoString(what))
    }
}

/// The text up to the first NUL; none where there is no NUL.
fn ended(bytes: &[u8], what: &'static str) -> Option<Result<String, ElfError>> {
    let text = bytes.get(..One::new(0).find(bytes)?)?;
    Some(std::str::from_utf8(text).map(Into::into).map_err(|_| ElfError::NoString(what)))
}

fn string(bytes: &[u8], what: &'static str) -> Result<String, ElfError> {
    ended(bytes, what).unwrap_or(Err(ElfError::NoString(what)))
}
