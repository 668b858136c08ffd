//! Makes ELF files as small as a loader still takes them: headers, one segment, a dynamic section, its strings.

use thinjail_closure::machine::Machine;

pub(crate) const GLIBC: &str = "/lib64/ld-linux-x86-64.so.2";

/// A file to be made.
#[derive(Clone)]
pub(crate) struct Elf {
    machine: Machine,
    kind: u16,
    osabi: u8,
    interpreter: Option<String>,
    dynamic: Vec<(u64, Value)>,
    strings: Vec<u8>,
    /// The names of the symbols that it wants.
    symbols: Vec<u32>,
    section: bool,
    /// The values of notes about dlopen(3).
    note: Option<String>,
}

#[derive(Clone, Copy)]
enum Value {
    String(u64),
    Number(u64),
    Strings,
    StringsSize,
    Symbols,
}

/// A library.
pub(crate) fn library() -> Elf {
    let dynamic = vec![(5, Value::Strings), (10, Value::StringsSize), (6, Value::Symbols)];
    let (machine, strings, symbols) = (Machine::X86_64, vec![0], vec![0]);
    Elf { machine, kind: 3, osabi: 0, interpreter: None, dynamic, strings, symbols, section: true, note: None }
}

/// A program with an interpreter.
pub(crate) fn program(interpreter: &str) -> Elf {
    Elf { interpreter: Some(interpreter.into()), ..library() }
}

/// A program without interpreter and dynamic section.
pub(crate) fn static_program() -> Elf {
    Elf { kind: 2, section: false, ..library() }
}

impl Elf {
    pub(crate) fn machine(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    pub(crate) fn kind(mut self, kind: u16) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn osabi(mut self, osabi: u8) -> Self {
        self.osabi = osabi;
        self
    }

    fn tag(mut self, tag: u64, text: &str) -> Self {
        let at = self.strings.len() as u64;
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        self.dynamic.push((tag, Value::String(at)));
        self
    }

    pub(crate) fn needs(self, name: &str) -> Self {
        self.tag(1, name)
    }

    pub(crate) fn soname(self, name: &str) -> Self {
        self.tag(14, name)
    }

    pub(crate) fn rpath(self, path: &str) -> Self {
        self.tag(15, path)
    }

    pub(crate) fn runpath(self, path: &str) -> Self {
        self.tag(29, path)
    }

    pub(crate) fn auxiliary(self, name: &str) -> Self {
        self.tag(0x7fff_fffd, name)
    }

    pub(crate) fn filter(self, name: &str) -> Self {
        self.tag(0x7fff_ffff, name)
    }

    pub(crate) fn no_default_lib(mut self) -> Self {
        self.dynamic.push((0x6fff_fffb, Value::Number(0x800)));
        self
    }

    /// A symbol that it wants from others.
    pub(crate) fn symbol(mut self, name: &str) -> Self {
        self.symbols.push(self.strings.len() as u32);
        self.text(name)
    }

    /// A text in what is mapped.
    pub(crate) fn text(mut self, name: &str) -> Self {
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        self
    }

    /// A note of the owner `FDO` with this JSON in it.
    pub(crate) fn note(mut self, json: &str) -> Self {
        self.note = Some(json.into());
        self
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let (wide, big) = (self.machine.wide, self.machine.big_endian);
        let mut out = Out { bytes: Vec::new(), wide, big };
        let (header, entry, pair) = if wide { (64, 56, 16) } else { (52, 32, 8) };
        let segments =
            1 + u64::from(self.interpreter.is_some()) + u64::from(self.section) + u64::from(self.note.is_some());
        let name_at = header + entry * segments;
        let name = self.interpreter.as_ref().map(|name| [name.as_bytes(), b"\0"].concat()).unwrap_or_default();
        let dynamic_at = (name_at + name.len() as u64).next_multiple_of(8);
        let dynamic_size = if self.section { pair * (self.dynamic.len() as u64 + 1) } else { 0 };
        let symbols_at = dynamic_at + dynamic_size;
        let symbol = if wide { 24 } else { 16 };
        let strings_at = symbols_at + if self.section { symbol * self.symbols.len() as u64 } else { 0 };
        let note_at = (strings_at + self.strings.len() as u64).next_multiple_of(4);
        let note_size = self.note.as_ref().map_or(0, |json| 16 + (json.len() as u64).next_multiple_of(4));
        let end = if self.note.is_some() { note_at + note_size } else { strings_at + self.strings.len() as u64 };
        // What is mapped stands elsewhere in memory, so that an address is never taken for an offset.
        let base = 0x10000;

        out.bytes.extend_from_slice(b"\x7fELF");
        out.bytes.extend_from_slice(&[if wide { 2 } else { 1 }, if big { 2 } else { 1 }, 1, self.osabi]);
        out.bytes.extend_from_slice(&[0; 8]);
        out.half(self.kind);
        out.half(self.machine.number);
        out.word(1);
        for address in [0, header, 0] {
            out.long(address);
        }
        out.word(0);
        for half in [header as u16, entry as u16, segments as u16, 0, 0, 0] {
            out.half(half);
        }
        if self.interpreter.is_some() {
            out.segment(3, name_at, base, name.len() as u64);
        }
        out.segment(1, 0, base, end);
        if self.section {
            out.segment(2, dynamic_at, base, dynamic_size);
        }
        if self.note.is_some() {
            out.segment(4, note_at, base, note_size);
        }
        out.bytes.extend_from_slice(&name);
        out.bytes.resize(dynamic_at as usize, 0);
        if self.section {
            for &(tag, value) in &self.dynamic {
                out.long(tag);
                out.long(match value {
                    Value::String(at) => at,
                    Value::Number(number) => number,
                    Value::Strings => base + strings_at,
                    Value::StringsSize => self.strings.len() as u64,
                    Value::Symbols => base + symbols_at,
                });
            }
            out.long(0);
            out.long(0);
            for &name in &self.symbols {
                out.word(name);
                // All else of a symbol that is defined elsewhere is nothing.
                out.bytes.resize(out.bytes.len() + symbol as usize - 4, 0);
            }
        }
        out.bytes.extend_from_slice(&self.strings);
        if let Some(json) = &self.note {
            out.bytes.resize(note_at as usize, 0);
            for word in [4, json.len() as u32, 0x407c_0c0a, 0x004f_4446] {
                out.word(word);
            }
            out.bytes.extend_from_slice(json.as_bytes());
            out.bytes.resize(end as usize, 0);
        }
        assert_eq!(out.bytes.len() as u64, end);
        out.bytes
    }
}

struct Out {
    bytes: Vec<u8>,
    wide: bool,
    big: bool,
}

impl Out {
    fn half(&mut self, value: u16) {
        self.bytes.extend_from_slice(&if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn word(&mut self, value: u32) {
        self.bytes.extend_from_slice(&if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn long(&mut self, value: u64) {
        if self.wide {
            self.bytes.extend_from_slice(&if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
        } else {
            self.word(value as u32);
        }
    }

    fn segment(&mut self, kind: u32, offset: u64, base: u64, size: u64) {
        self.word(kind);
        if self.wide {
            self.word(4);
        }
        for value in [offset, base + offset, base + offset, size, size] {
            self.long(value);
        }
        if !self.wide {
            self.word(4);
        }
        self.long(8);
    }
}
