//! `cargo xtask dist order`: which functions a start goes through, for the linker, which then puts them side by side.
//!
//! A start touches a fifth of the program. Scattered over all of it, each function would bring sixteen pages along, by a page
//! fault of its own; side by side they come by a few.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use object::elf::FileHeader64;
use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

use super::{SCRIPT, build_with};
use crate::command;
use crate::error::{Context, Error, Result};
use crate::workspace::Workspace;

/// The section that the linker script makes of them.
const SECTION: &str = ".text.start";

const HEAD: &str = "\
/* The functions that a start goes through, in that order; the linker puts them side by side. Made by
   `cargo xtask dist order`, not by hand. A name that there is no more does no harm, one that is missing costs a page fault. */
";

/// A profile that has something to take back on the host.
const PROFILE: &str =
    "command = \"/bin/true\"\nuser = \"nobody\"\nread = [\"/etc/hostname\"]\npidfile = \"/run/thinjail-order.pid\"\n";

/// Writes the script anew, and builds with it.
pub(super) fn order(workspace: &Workspace) -> Result<bool> {
    let dir = workspace.dir("dist")?.join("order");
    fs::create_dir_all(&dir).context(|| format!("make {}", dir.display()))?;
    let steps = dir.join("steps");
    let source = workspace.root().join("crates/xtask/steps.c");
    command::run(Command::new("cc").args(["-O2", "-Wall", "-Wextra", "-o"]).arg(&steps).arg(source))?;
    let profile = dir.join("start.toml");
    fs::write(&profile, PROFILE).context(|| format!("write {}", profile.display()))?;
    let profile = profile.to_str().ok_or_else(|| Error::new("the project's path is not UTF-8"))?;

    let thinjail = build_with(workspace, Some("none"))?;
    let data = fs::read(&thinjail).context(|| format!("read {}", thinjail.display()))?;
    let names = Names::of(&data).context(|| format!("parse {}", thinjail.display()))?;
    let mut visited = Vec::new();
    for words in [&["run", "/bin/true"][..], &["run", "--profile", profile], &["ldd", "/bin/true"]] {
        println!("one step at a time: thinjail {}", words.join(" "));
        visited.extend(names.visited(&steps, &thinjail, words)?);
    }
    let patterns = patterns(visited);
    if patterns.is_empty() {
        return Err(Error::new("a start went through no function that has a name"));
    }
    // Where a function is marked as cold, which some of a start's are, its section has another name.
    let line = |pattern: &String| format!("    *(.text.{pattern} .text.unlikely.{pattern})\n");
    let lines: String = patterns.iter().map(line).collect();
    let script = workspace.root().join(SCRIPT);
    let text = format!("{HEAD}SECTIONS {{\n  {SECTION} : {{\n{lines}  }}\n}} INSERT BEFORE .text;\n");
    fs::write(&script, text).context(|| format!("write {}", script.display()))?;
    println!("{}: {} functions", script.display(), patterns.len());
    super::build(workspace).map(|_| true)
}

/// Whether a program's starts are side by side.
pub(super) fn is_ordered(data: &[u8]) -> object::Result<bool> {
    let file = ElfFile64::<Endianness>::parse(data)?;
    Ok(file.section_by_name(SECTION).is_some_and(|section| section.size() > 0))
}

/// A program's functions, by their addresses.
struct Names<'a> {
    functions: Vec<(u64, u64, &'a str)>,
}

impl<'a> Names<'a> {
    fn of(data: &'a [u8]) -> object::Result<Self> {
        let file = object::read::elf::ElfFile::<'a, FileHeader64<Endianness>>::parse(data)?;
        let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0);
        let mut functions: Vec<_> =
            functions.filter_map(|symbol| Some((symbol.address(), symbol.size(), symbol.name().ok()?))).collect();
        functions.sort_unstable();
        Ok(Self { functions })
    }

    fn at(&self, address: u64) -> Option<&'a str> {
        let behind = self.functions.partition_point(|(from, ..)| *from <= address);
        let (from, size, name) = self.functions.get(behind.checked_sub(1)?)?;
        (address < from + size).then_some(name)
    }

    /// The functions of one run, each as often as the steps come to a new place of it.
    fn visited(&self, steps: &Path, thinjail: &Path, words: &[&str]) -> Result<Vec<&'a str>> {
        let (Some((low, ..)), Some((last, size, _))) = (self.functions.first(), self.functions.last()) else {
            return Err(Error::new(format!("{} has no names of functions", thinjail.display())));
        };
        let mut run = Command::new(steps);
        run.args([format!("{low:x}"), format!("{:x}", last + size)]).arg(thinjail).args(words);
        let mut visited = Vec::new();
        let ended = command::lines(&mut run, |line| {
            visited.extend(u64::from_str_radix(line, 16).ok().and_then(|address| self.at(address)));
        })?;
        if ended { Ok(visited) } else { Err(Error::new(format!("{} failed", command::words(&run)))) }
    }
}

/// What matches each name in the next build as well, and those that differ in what they are generic over: rustc puts hashes into
/// names, which another rustc or another clone makes anew.
fn patterns<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut known = HashSet::new();
    let names = names.into_iter().map(|name| without_crates(&without_hash(name)));
    names.filter(|pattern| known.insert(pattern.clone())).collect()
}

/// The end of a name of the older mangling: 17h and sixteen digits.
fn without_hash(name: &str) -> String {
    match name.rsplit_once("17h") {
        Some((name, hash)) if hash.len() > 16 && hash.as_bytes()[..16].iter().all(u8::is_ascii_hexdigit) => {
            format!("{name}17h*")
        }
        _ => name.to_owned(),
    }
}

/// The crates in a name of the newer one: Cs, digits and letters, _.
fn without_crates(name: &str) -> String {
    if !name.starts_with("_R") {
        return name.to_owned();
    }
    let mut parts = name.split("Cs");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once('_') {
        Some((hash, rest)) if hash.bytes().all(|byte| byte.is_ascii_alphanumeric()) => format!("{text}Cs*_{rest}"),
        _ => format!("{text}Cs{part}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_without_its_hash_and_there_once() {
        let names = ["memcpy", "_ZN3cli4main17h0123456789abcdefE", "_ZN3cli4main17hfedcba9876543210E.llvm.7", "a17hz"];
        assert_eq!(patterns(names), ["memcpy", "_ZN3cli4main17h*", "a17hz"]);
        let newer = "_RINvNvMs2_NtCs67orfOhZ4lR_5alloc7raw_vecINtB8_11RawVecInnerpE7reserveNtNtCskHbgUpXsNBJ_3std";
        let pattern = "_RINvNvMs2_NtCs*_5alloc7raw_vecINtB8_11RawVecInnerpE7reserveNtNtCs*_3std";
        assert_eq!(patterns([newer, "ACs1_"]), [pattern, "ACs1_"]);
    }

    #[test]
    fn a_function_is_found_by_any_address_in_it() {
        let names = Names { functions: vec![(16, 8, "one"), (32, 4, "two")] };
        let at = |address| names.at(address);
        assert_eq!(
            [at(15), at(16), at(23), at(24), at(35), at(36)],
            [None, Some("one"), Some("one"), None, Some("two"), None]
        );
    }

    #[test]
    fn another_program_is_not_ordered() {
        let data = fs::read("/bin/sh").unwrap_or_default();
        assert_eq!(is_ordered(&data).ok(), Some(false));
    }
}
