//! What a test does that lacks something: it says so, is counted, and fails where skips are forbidden.
//!
//! ```no_run
//! # use thinjail_tests::{need, skip};
//! # fn test() {
//! need!(skip::root());
//! let nginx = need!(skip::program("nginx"));
//! if !nginx.starts_with("/usr") {
//!     skip!("{} is not Debian's", nginx.display());
//! }
//! # }
//! ```
//!
//! `cargo xtask test` names a file in `THINJAIL_SKIPS`, where each skip adds a line `test: why`; `THINJAIL_NO_SKIPS=1`, set
//! by `cargo xtask test --no-skips`, makes each of them a failure.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is missing, in words that stand in the list of skips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack(String);

impl Lack {
    /// A lack that the functions here don't know.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Leaves the test and says why: `skip!("no {thing} here")`. Fails it where skips are forbidden.
#[macro_export]
macro_rules! skip {
    ($($why:tt)+) => {{
        fn here() {}
        $crate::skip::note(::std::any::type_name_of_val(&here), &::std::format!($($why)+));
        return;
    }};
}

/// The value of a `Result<_, Lack>`, or the test is skipped.
#[macro_export]
macro_rules! need {
    ($need:expr) => {
        match $need {
            ::std::result::Result::Ok(have) => have,
            ::std::result::Result::Err(lack) => $crate::skip!("{lack}"),
        }
    };
}

/// Runs as root.
pub fn root() -> Result<(), Lack> {
    let id = Command::new("id").arg("-u").output().map_err(|error| Lack::new(format!("can't run id(1): {error}")))?;
    if id.stdout == b"0\n" { Ok(()) } else { Err(Lack::new("needs root")) }
}

/// Not every root may make namespaces and mount in them: an ordinary container refuses.
pub fn namespaces() -> Result<(), Lack> {
    root()?;
    let made = Command::new("unshare")
        .args(["--mount", "--pid", "--ipc", "--uts", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match made {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Lack::new("this host refuses namespaces or mounts")),
    }
}

/// This host lets us make jails: by namespaces on Linux; on FreeBSD every root may.
pub fn jails() -> Result<(), Lack> {
    if cfg!(target_os = "linux") { namespaces() } else { root() }
}

/// This program is installed; its path. Those of the system's own directories are found with any PATH.
pub fn program(name: &str) -> Result<PathBuf, Lack> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| Lack::new(format!("{name} is not installed")))
}

/// This file or directory is there.
pub fn path(path: impl AsRef<Path>) -> Result<PathBuf, Lack> {
    let path = path.as_ref();
    if path.exists() { Ok(path.to_owned()) } else { Err(Lack::new(format!("no {} here", path.display()))) }
}

/// Writes the skip down; what [`skip!`](crate::skip!) calls. `here` is the name of a function inside the test.
///
/// # Panics
///
/// Where skips are forbidden, and where the skip can't be written down: it would not be counted.
pub fn note(here: &str, why: &str) {
    let line = line(here, why);
    let forbidden = std::env::var_os("THINJAIL_NO_SKIPS").is_some_and(|value| value == "1");
    assert!(!forbidden, "skipped, which THINJAIL_NO_SKIPS forbids: {line}");
    if let Some(list) = std::env::var_os("THINJAIL_SKIPS") {
        // One write of one line in append mode: tests of many processes and threads share the file.
        let noted = OpenOptions::new().create(true).append(true).open(&list).and_then(|mut file| {
            file.write_all(format!("{line}\n").as_bytes())?;
            file.flush()
        });
        assert!(noted.is_ok(), "note a skip in {}: {noted:?}", Path::new(&list).display());
    }
    println_skip(&line);
}

#[expect(clippy::print_stdout, reason = "the skip stands in the test's own output")]
fn println_skip(line: &str) {
    println!("skipped: {line}");
}

fn line(here: &str, why: &str) -> String {
    let test = here.trim_end_matches("::here").trim_end_matches("::{{closure}}");
    format!("{test}: {}", why.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_one_line_with_the_name_of_the_test() {
        fn here() {}
        let name = std::any::type_name_of_val(&here);
        assert_eq!(
            line(name, "no\nluck"),
            "thinjail_tests::skip::tests::a_skip_is_one_line_with_the_name_of_the_test: no luck"
        );
        assert_eq!(line("daemons::nginx::{{closure}}::here", "why"), "daemons::nginx: why");
    }

    #[test]
    fn a_program_that_is_not_installed_is_named() {
        let lack = program("no-such-program-anywhere").err();
        assert_eq!(lack, Some(Lack::new("no-such-program-anywhere is not installed")));
        assert!(program("sh").is_ok());
    }

    #[test]
    fn a_skipping_test_says_so_and_is_counted_and_fails_where_that_is_forbidden() {
        let Ok(own) = std::env::current_exe() else { return };
        let list = std::env::temp_dir().join(format!("thinjail-skips-{}", std::process::id()));
        let inner = |forbid: &str| {
            Command::new(&own)
                .args(["--exact", "skip::tests::inner_test_that_skips_when_asked"])
                .env("THINJAIL_TEST_SKIPS", "1")
                .env("THINJAIL_SKIPS", &list)
                .env("THINJAIL_NO_SKIPS", forbid)
                .output()
                .map(|output| output.status.success())
                .ok()
        };
        assert_eq!(inner("0"), Some(true));
        let noted = std::fs::read_to_string(&list).unwrap_or_default();
        assert_eq!(noted, "thinjail_tests::skip::tests::inner_test_that_skips_when_asked: asked to\n");
        assert_eq!(inner("1"), Some(false));
        let _ = std::fs::remove_file(&list);
    }

    #[test]
    fn inner_test_that_skips_when_asked() {
        let asked = std::env::var_os("THINJAIL_TEST_SKIPS").map_or(Ok(()), |_| Err(Lack::new("asked to")));
        need!(asked);
    }
}
