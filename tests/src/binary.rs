//! Where the `thinjail` binary under test is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The binary that `cargo xtask test` built and named by `THINJAIL_BIN`; else the one that lies beside this test's own
/// profile directory, where `cargo build` puts it.
///
/// # Panics
///
/// If there is none: a test of a binary that was never built must not pass.
#[must_use]
pub fn thinjail() -> PathBuf {
    let path = std::env::var_os("THINJAIL_BIN").map_or_else(|| beside(&own_path()), PathBuf::from);
    assert!(path.is_file(), "no thinjail at {}: run `cargo build` first, or `cargo xtask test`", path.display());
    path
}

/// The program `inmate`, which lies beside thinjail.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn inmate() -> String {
    let path = thinjail().with_file_name("inmate");
    assert!(path.is_file(), "no inmate at {}: run `cargo build -p thinjail-tests` first", path.display());
    // Its real path, which is the one it has inside.
    path.canonicalize().unwrap_or(path).display().to_string()
}

fn own_path() -> PathBuf {
    std::env::current_exe().unwrap_or_default()
}

/// target/TRIPLE/debug/deps/tests-0123 -> target/TRIPLE/debug/thinjail.
fn beside(test: &Path) -> PathBuf {
    let dir = test.parent().unwrap_or(test);
    let dir = if dir.file_name() == Some(OsStr::new("deps")) { dir.parent().unwrap_or(dir) } else { dir };
    dir.join("thinjail")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_looked_for_beside_the_directory_of_the_tests() {
        let test = Path::new("target/x/debug/deps/tidy-0123");
        assert_eq!(beside(test), Path::new("target/x/debug/thinjail"));
        assert_eq!(beside(Path::new("pack/tests-0123")), Path::new("pack/thinjail"));
    }
}
