//! The profiles that we ship, where a test can use them: in a directory that no one else may write to.

use crate::temp::TempDir;

/// profiles/dnsmasq.toml.
pub const DNSMASQ: &str = include_str!("../../profiles/dnsmasq.toml");
/// profiles/haproxy.toml.
pub const HAPROXY: &str = include_str!("../../profiles/haproxy.toml");
/// profiles/java.toml.
pub const JAVA: &str = include_str!("../../profiles/java.toml");
/// profiles/memcached.toml.
pub const MEMCACHED: &str = include_str!("../../profiles/memcached.toml");
/// profiles/nginx.toml.
pub const NGINX: &str = include_str!("../../profiles/nginx.toml");
/// profiles/node.toml.
pub const NODE: &str = include_str!("../../profiles/node.toml");
/// profiles/php-fpm.toml.
pub const PHP_FPM: &str = include_str!("../../profiles/php-fpm.toml");
/// profiles/postgresql.toml.
pub const POSTGRESQL: &str = include_str!("../../profiles/postgresql.toml");
/// profiles/redis.toml.
pub const REDIS: &str = include_str!("../../profiles/redis.toml");
/// profiles/sftp.toml.
pub const SFTP: &str = include_str!("../../profiles/sftp.toml");
/// profiles/unbound.toml.
pub const UNBOUND: &str = include_str!("../../profiles/unbound.toml");
/// profiles/wsgi.toml.
pub const WSGI: &str = include_str!("../../profiles/wsgi.toml");

/// Each by its name.
pub const ALL: [(&str, &str); 12] = [
    ("dnsmasq", DNSMASQ),
    ("haproxy", HAPROXY),
    ("java", JAVA),
    ("memcached", MEMCACHED),
    ("nginx", NGINX),
    ("node", NODE),
    ("php-fpm", PHP_FPM),
    ("postgresql", POSTGRESQL),
    ("redis", REDIS),
    ("sftp", SFTP),
    ("unbound", UNBOUND),
    ("wsgi", WSGI),
];

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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use thinjail_plan::facts::SystemKind;
    use thinjail_plan::spec::toml::parse;

    use super::*;

    #[test]
    fn every_shipped_profile_says_on_both_systems_what_runs_and_as_whom() {
        for (name, text) in ALL {
            let spec = parse(text, name).unwrap_or_else(|error| panic!("{error}"));
            for kind in [SystemKind::Linux, SystemKind::FreeBsd] {
                let spec = spec.for_system(kind);
                let command = spec.command.list().unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(command.first().is_some_and(|program| program.starts_with('/')), "{name} on {kind:?}");
                assert!(spec.user.is_some(), "{name} on {kind:?}");
            }
        }
    }

    #[test]
    fn nothing_of_linux_is_left_on_freebsd() {
        for (name, text) in ALL {
            let spec = parse(text, name).unwrap_or_else(|error| panic!("{error}"));
            let spec = spec.for_system(SystemKind::FreeBsd);
            let mounts = spec.mount.iter().map(|mount| &mount.source);
            let sources = spec.read.iter().chain(&spec.write).chain(mounts);
            for path in sources {
                assert!(["/usr/local/", "/var/", "/etc/ssh"].iter().any(|dir| path.starts_with(dir)), "{name}: {path}");
            }
        }
    }

    #[test]
    fn every_profile_of_the_directory_is_tested() {
        let Ok(entries) = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles").read_dir() else {
            // The tests run elsewhere than they were built.
            return;
        };
        let mut names: Vec<String> = entries.flatten().map(|entry| entry.file_name().display().to_string()).collect();
        names.sort();
        assert_eq!(names, ALL.map(|(name, _)| format!("{name}.toml")));
    }
}
