//! /etc/libmap.conf, by which FreeBSD's loader takes another library than the one asked for. libmap.conf(5), and `libmap.c`
//! of rtld.
//!
//! A line `FROM TO` maps a name, or a directory of a search path. `[CONSTRAINT]` says for which objects the lines that
//! follow hold: a path, a directory with a slash at its end, or the last name of a path. `include FILE` and `includedir
//! DIRECTORY` read more.

use std::collections::BTreeMap;

/// Where rtld looks for it.
pub const PATH: &str = "/etc/libmap.conf";
/// The same for 32-bit programs on a 64-bit system.
pub const PATH_32: &str = "/etc/libmap32.conf";
/// A larger file is not read.
pub const MAX: u64 = 1 << 20;

/// `MAXPATHLEN` and a keyword: rtld looks at no more of a line.
const LINE_MAX: usize = 1024 + 12;

/// The constraint of what is under none.
const DEFAULT: &str = "$DEFAULT$";

/// A line that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// `[CONSTRAINT]`.
    Constraint(&'a str),
    /// `FROM TO`.
    Map(&'a str, &'a str),
    /// `include FILE`.
    Include(&'a str),
    /// `includedir DIRECTORY`, of which files that end in `.conf` are read.
    IncludeDirectory(&'a str),
}

/// The lines of a file. What rtld passes over is passed over, and so is what is not UTF-8.
pub fn lines(file: &[u8]) -> impl Iterator<Item = Line<'_>> {
    file.split(|&byte| byte == b'\n').filter_map(|line| {
        let line = line.get(..LINE_MAX).unwrap_or(line);
        let end = line.iter().position(|byte| matches!(byte, b'#' | b'\0' | b'\r')).unwrap_or(line.len());
        let line = std::str::from_utf8(line.get(..end)?).ok()?.trim_matches(BLANK);
        if let Some(selector) = line.strip_prefix('[') {
            let selector = selector.strip_suffix(']')?.trim_matches(BLANK);
            let one = !selector.is_empty() && !selector.contains(BLANK) && !selector.contains(']');
            return one.then_some(Line::Constraint(selector));
        }
        let mut words = line.split(BLANK).filter(|word| !word.is_empty());
        match (words.next()?, words.next()?, words.next()) {
            ("include", path, None) => Some(Line::Include(path)),
            ("includedir", path, None) => Some(Line::IncludeDirectory(path)),
            (from, to, None) => Some(Line::Map(from, to)),
            _ => None,
        }
    })
}

const BLANK: [char; 2] = [' ', '\t'];

/// What the value of `LD_LIBMAP` says in the words of a file: `FROM=TO,FROM=TO`.
#[must_use]
pub fn variable(value: &str) -> String {
    value.replace('=', " ").replace(',', "\n")
}

/// The mappings in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibMap {
    /// The last one made is the first.
    blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    constraint: String,
    /// Of those from one name the last one made counts.
    maps: BTreeMap<String, String>,
}

impl Block {
    fn is_for(&self, path: &str) -> bool {
        if self.constraint.ends_with('/') {
            path.starts_with(&self.constraint)
        } else if self.constraint.contains('/') {
            path == self.constraint
        } else {
            path.rsplit('/').next() == Some(&self.constraint)
        }
    }

    fn find(&self, from: &str) -> Option<&str> {
        self.maps.get(from).map(String::as_str)
    }
}

impl LibMap {
    /// Whether nothing is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Adds one mapping, which from now on comes before those that are there.
    pub fn add(&mut self, constraint: Option<&str>, from: &str, to: &str) {
        let constraint = constraint.unwrap_or(DEFAULT);
        // As rtld does: a block that fits the constraint takes it, though it may be called otherwise.
        let at = self.blocks.iter().position(|block| block.is_for(constraint)).unwrap_or_else(|| {
            self.blocks.insert(0, Block { constraint: constraint.into(), maps: BTreeMap::new() });
            0
        });
        if let Some(block) = self.blocks.get_mut(at).filter(|block| block.find(from) != Some(to)) {
            block.maps.insert(from.into(), to.into());
        }
    }

    /// What `from` stands for when the object at `path` asks for it. The first block that fits the object decides, and
    /// what it says then holds for all objects.
    pub fn find(&mut self, path: &str, from: &str) -> Option<String> {
        let own = self.blocks.iter().find(|block| block.is_for(path)).and_then(|block| block.find(from));
        if let Some(to) = own.map(str::to_owned) {
            self.add(None, from, &to);
            return Some(to);
        }
        let default = self.blocks.iter().find(|block| block.is_for(DEFAULT))?;
        default.find(from).map(Into::into)
    }
}

/// A file that maps what these objects ask for as it was mapped: the object's path, and the two names. An object whose path
/// can't stand in such a file is left out.
#[must_use]
pub fn write<S: AsRef<str>>(maps: &[(S, S, S)]) -> String {
    let mut out = String::new();
    for (by, from, to) in maps {
        let text = format!("[{}]\n{} {}\n", by.as_ref(), from.as_ref(), to.as_ref());
        if lines(text.as_bytes()).count() == 2 {
            out.push_str(&text);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(file: &str) -> Vec<Line<'_>> {
        lines(file.as_bytes()).collect()
    }

    fn map(file: &str) -> LibMap {
        let mut map = LibMap::default();
        let mut constraint = None;
        for line in all(file) {
            match line {
                Line::Constraint(name) => constraint = Some(name),
                Line::Map(from, to) => map.add(constraint, from, to),
                _ => {}
            }
        }
        map
    }

    #[test]
    fn lines_are_read_as_rtld_reads_them() {
        assert_eq!(all("a b\n\t a\tb  # more\na b\r\n"), [Line::Map("a", "b"); 3]);
        assert_eq!(all("[x]\n[ /usr/bin/ ] # y\n"), [Line::Constraint("x"), Line::Constraint("/usr/bin/")]);
        assert_eq!(all("include /a\nincludedir /b\n"), [Line::Include("/a"), Line::IncludeDirectory("/b")]);
        for nothing in ["", "# a b", "a", "a #b", "a b c", "[]", "[a", "[a] b", "[a b]", "a\0b c", "include a b"] {
            assert_eq!(all(nothing), [], "{nothing:?}");
        }
        assert_eq!(all(&variable("a=b,c=d")), [Line::Map("a", "b"), Line::Map("c", "d")]);
    }

    #[test]
    fn a_longer_line_is_cut() {
        let line = format!("a {}", "b".repeat(2000));
        assert_eq!(all(&line), [Line::Map("a", &line[2..LINE_MAX])]);
    }

    #[test]
    fn the_last_line_counts_and_constraints_come_before_all() {
        let mut map = map("a one\na two\nb b2\n[prog]\na three\n[/opt/bin/]\na four\n[/bin/exact]\na five\n");
        let find = |path: &str, from: &str| map.clone().find(path, from);
        assert_eq!(find("/bin/other", "a").as_deref(), Some("two"));
        assert_eq!(find("/bin/prog", "a").as_deref(), Some("three"));
        assert_eq!(find("/bin/prog", "b").as_deref(), Some("b2"));
        assert_eq!(find("/opt/bin/x/y", "a").as_deref(), Some("four"));
        assert_eq!(find("/bin/exact", "a").as_deref(), Some("five"));
        assert_eq!(find("/sbin/exact", "a").as_deref(), Some("two"));
        assert_eq!(find("/bin/prog", "c"), None);
        // What a block said holds for all from then on.
        assert_eq!(map.find("/bin/prog", "a").as_deref(), Some("three"));
        assert_eq!(map.find("/lib/libother.so", "a").as_deref(), Some("three"));
    }

    #[test]
    fn what_is_written_maps_the_same() {
        let mut map = map(&write(&[("/bin/a b", "libz.so", "y"), ("/bin/prog", "liba.so", "/opt/libb.so")]));
        assert_eq!(map.find("/bin/prog", "liba.so").as_deref(), Some("/opt/libb.so"));
        assert_eq!(map.find("/bin/other", "libz.so"), None);
    }
}
