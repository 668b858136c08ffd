//! The file that names musl's library directories, one a line or with colons: /etc/ld-musl-x86_64.path.

use std::path::{Path, PathBuf};

/// A larger one is not read.
pub const MAX: u64 = 1 << 20;

/// Where the file is, which depends on where the interpreter is: below the same prefix. None for an interpreter that is not
/// called as musl calls its own.
#[must_use]
pub fn place(interpreter: &Path) -> Option<PathBuf> {
    let name = interpreter.file_name()?.to_str()?;
    let arch = name.strip_prefix("ld-musl-")?.strip_suffix(".so.1")?;
    let prefix = interpreter.parent()?.parent()?;
    Some(prefix.join("etc").join(format!("ld-musl-{arch}.path")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_below_the_prefix_of_the_interpreter() {
        let place = |path: &str| place(Path::new(path)).map(|place| place.to_str().unwrap_or_default().to_owned());
        assert_eq!(place("/lib/ld-musl-x86_64.so.1").as_deref(), Some("/etc/ld-musl-x86_64.path"));
        assert_eq!(place("/opt/m/lib/ld-musl-armhf.so.1").as_deref(), Some("/opt/m/etc/ld-musl-armhf.path"));
        assert_eq!(place("/lib/ld-linux.so.2"), None);
    }
}
