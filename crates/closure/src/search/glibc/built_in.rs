//! The directories that were compiled into an interpreter: `/lib64` as glibc comes, `/lib/x86_64-linux-gnu` at Debian.
//!
//! They stand in its read-only data as `system_dirs`: names that begin and end with a slash, one NUL after each.

use crate::machine::Machine;
use crate::tree::ReadAt;

const DIRECTORY_MAX: usize = 128;

/// What an interpreter has in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BuiltIn {
    /// The default directories, each with a slash at its end.
    pub(crate) directories: Vec<String>,
    /// What `$LIB` stands for.
    pub(crate) lib: String,
    /// glibc 2.N, if it is known.
    pub(crate) minor: Option<u32>,
}

impl BuiltIn {
    /// Reads them from the interpreter; none where nothing in it looks like them.
    pub(crate) fn read(file: &dyn ReadAt) -> Option<Self> {
        let bytes = super::super::whole(file)?;
        Some(Self { minor: minor(&bytes), ..Self::search(&bytes)? })
    }

    /// Whether it knows directories called `glibc-hwcaps`, as glibc since 2.33.
    pub(crate) fn has_levels(&self) -> bool {
        self.minor.is_none_or(|minor| minor >= 33)
    }

    /// Whether it knows directories such as `tls`, as glibc before 2.37.
    pub(crate) fn has_legacy(&self) -> bool {
        self.minor.is_some_and(|minor| minor < 37)
    }

    fn search(bytes: &[u8]) -> Option<Self> {
        // Each place where one such name may end and a second one begins; a longer run is met more than once.
        let seam = memchr::memmem::find_iter(bytes, b"/\0/");
        let runs = seam.filter_map(|at| run(bytes, at));
        let mut best: Vec<String> = Vec::new();
        for run in runs {
            if run.len() > best.len() {
                best = run;
            }
        }
        Self::of(best)
    }

    /// As configured by glibc itself.
    pub(crate) fn usual(machine: Machine) -> Self {
        let lib = if machine.wide { "lib64" } else { "lib" };
        Self { directories: vec![format!("/{lib}/"), format!("/usr/{lib}/")], lib: lib.into(), minor: None }
    }

    /// `is_trusted_path_normalize`: whether a path, its `.` and `..` taken as written, is below a default directory.
    pub(crate) fn is_trusted(&self, path: &str) -> bool {
        let mut names: Vec<&str> = Vec::new();
        for name in path.split('/') {
            match name {
                "" | "." => {}
                ".." => _ = names.pop(),
                name => names.push(name),
            }
        }
        let path = format!("/{}/", names.join("/"));
        self.directories.iter().any(|directory| path.starts_with(directory.as_str()))
    }

    fn of(directories: Vec<String>) -> Option<Self> {
        let first = directories.first()?.trim_matches('/');
        // It is the directory of libc itself, without the prefix.
        let lib = first.strip_prefix("usr/").unwrap_or(first).to_owned();
        Some(Self { directories, lib, minor: None })
    }
}

/// The version says itself, since 2.33: `stable release version 2.36.` An older one is told by its symbols' versions.
fn minor(bytes: &[u8]) -> Option<u32> {
    const BANNER: &[u8] = b" release version 2.";
    let Some(at) = memchr::memmem::find(bytes, BANNER) else {
        return memchr::memmem::find(bytes, b"\0GLIBC_PRIVATE\0").map(|_| 32);
    };
    let rest = bytes.get(at + BANNER.len()..)?;
    let digits = rest.get(..rest.iter().position(|byte| !byte.is_ascii_digit())?)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The names from the one that ends in the slash at `seam` on.
fn run(bytes: &[u8], seam: usize) -> Option<Vec<String>> {
    let before = bytes.get(..=seam)?;
    let start = before.iter().rposition(|&byte| byte == 0).map_or(0, |at| at + 1);
    let mut rest = bytes.get(start..)?;
    let mut names = Vec::new();
    while let Some(end) = rest.iter().take(DIRECTORY_MAX).position(|&byte| byte == 0) {
        let (name, more) = rest.split_at(end);
        let graphic = name.iter().all(u8::is_ascii_graphic);
        if name.len() < 3 || !name.starts_with(b"/") || !name.ends_with(b"/") || !graphic {
            break;
        }
        names.push(String::from_utf8_lossy(name).into_owned());
        rest = more.get(1..).unwrap_or_default();
    }
    // Programs have other such names; these are where libraries are.
    names.first().is_some_and(|name| name.contains("/lib")).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_run_of_directories_is_taken() {
        let bytes = b"\x01\x02\0/etc/\0/proc/\0junk\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0\0\0/lib/\0/x/\0";
        let found = BuiltIn::search(bytes);
        let directories = ["/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib/", "/usr/lib/"];
        let expected = BuiltIn {
            directories: directories.map(Into::into).into(),
            lib: "lib/x86_64-linux-gnu".into(),
            minor: None,
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_trusted_path_is_below_a_default_directory_once_its_dots_are_gone() {
        let built_in = BuiltIn::usual(Machine::X86_64);
        for trusted in ["/lib64", "/usr/lib64/x/", "//usr/./bin/../lib64/own", "/lib64/.."] {
            assert_eq!(built_in.is_trusted(trusted), !trusted.ends_with(".."), "{trusted}");
        }
        for other in ["", "/", "/lib64x", "/usr/lib", "/usr/lib64/../../tmp"] {
            assert!(!built_in.is_trusted(other), "{other}");
        }
    }

    #[test]
    fn the_version_is_what_the_interpreter_says() {
        assert_eq!(minor(b"ld.so (Debian GLIBC 2.36-9) stable release version 2.36.\nCopyright"), Some(36));
        assert_eq!(minor(b"\0GLIBC_2.4\0GLIBC_PRIVATE\0"), Some(32), "older than the words");
        assert_eq!(minor(b"something else"), None);
        let of = |minor| BuiltIn { minor, ..BuiltIn::usual(Machine::X86_64) };
        let known = [None, Some(32), Some(33), Some(36), Some(37)]
            .map(|minor| (of(minor).has_levels(), of(minor).has_legacy()));
        assert_eq!(known, [(true, false), (false, true), (true, true), (true, true), (true, false)]);
    }

    #[test]
    fn an_interpreter_without_them_has_the_usual_ones() {
        assert_eq!(BuiltIn::search(b"\0/etc/\0/var/\0lib/\0/"), None);
        assert_eq!(BuiltIn::usual(Machine::X86_64).directories, ["/lib64/", "/usr/lib64/"]);
    }
}
