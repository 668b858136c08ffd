//! The profiles that we ship, where a test can use them: in a directory that no one else may write to.

use crate::temp::TempDir;

/// profiles/nginx.toml.
pub const NGINX: &str = include_str!("../../profiles/nginx.toml");
/// profiles/redis.toml.
pub const REDIS: &str = include_str!("../../profiles/redis.toml");
/// profiles/memcached.toml.
pub const MEMCACHED: &str = include_str!("../../profiles/memcached.toml");

/// Each by its name.
pub const ALL: [(&str, &str); 3] = [("memcached", MEMCACHED), ("nginx", NGINX), ("redis", REDIS)];

/// All of them in a temporary directory, as a package would install them.
#[must_use]
pub fn shipped() -> Shipped {
    let temp = TempDir::new();
    for (name, text) in ALL {
        temp.profile(name, text);
    }
    let dir = temp.dir("profiles");
    Shipped { _temp: temp, dir }
}

/// The directory they are in.
#[derive(Debug)]
pub struct Shipped {
    _temp: TempDir,
    /// For [`profiles`](crate::jail::Thinjail::profiles).
    pub dir: std::path::PathBuf,
}

/// A profile with one part of its text replaced.
///
/// # Panics
///
/// If that part is not there: the test would then test something else.
#[must_use]
#[track_caller]
pub fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from:?} in the profile:\n{text}");
    text.replace(from, to)
}
