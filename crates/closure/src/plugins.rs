//! Where known programs and libraries have plug-ins, which no file names: one table.
//!
//! It says where to look and no more. Whether a program will load any of them is written in its configuration, so what is
//! found is told in [`Closure::plugins`](crate::closure::Closure::plugins) and followed by
//! [`Request::loads`](crate::closure::Request::loads) if the caller wants it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::closure::{Closure, Role};
use crate::tree::{Kind, Resolver};

/// A directory of plug-ins that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugins {
    /// The path of the member that loads them.
    pub by: PathBuf,
    /// The directory.
    pub directory: PathBuf,
}

/// Whose they are, and where they may be.
struct Known {
    /// The name of a program, or of a library up to `.so`; a `*` at its end stands for any more of it.
    of: &'static str,
    /// `{dir}` is the directory of the program or library, without links; a name that is `*` is any name.
    places: &'static [&'static str],
}

const fn known(of: &'static str, places: &'static [&'static str]) -> Known {
    Known { of, places }
}

/// Debian's places, those of distributions with /usr/lib64, and FreeBSD's ports.
const TABLE: &[Known] = &[
    known("apache2", &["/usr/lib/apache2/modules"]),
    known("asterisk", &["/usr/lib/asterisk/modules", "/usr/lib64/asterisk/modules", "/usr/local/lib/asterisk/modules"]),
    known("collectd", &["/usr/lib/collectd", "/usr/lib64/collectd", "/usr/local/lib/collectd"]),
    known("dovecot", &["/usr/lib/dovecot", "/usr/lib64/dovecot", "/usr/local/lib/dovecot"]),
    known("freeradius", &["/usr/lib/freeradius"]),
    known("httpd", &["/usr/lib64/httpd/modules", "/usr/local/libexec/apache24"]),
    known(
        "libMagickCore*",
        &["{dir}/ImageMagick-6.9.11/modules-Q16/coders", "{dir}/ImageMagick-7.1.1/modules-Q16HDRI/coders"],
    ),
    // Character sets that are not built in: iconv_open(3).
    known("libc", &["{dir}/gconv"]),
    // Which of them is loaded is said in openssl.cnf; most of the time none is.
    known("libcrypto", &["{dir}/ossl-modules", "{dir}/engines-3", "{dir}/engines-1.1", "/usr/lib/ossl-modules"]),
    known("libgio-2.0", &["{dir}/gio/modules"]),
    known("libgssapi_krb5", &["{dir}/krb5/plugins", "{dir}/gss"]),
    known("libgstreamer-1.0", &["{dir}/gstreamer-1.0"]),
    known("libpam", &["{dir}/security", "/usr/local/lib/security"]),
    known("libsasl2", &["{dir}/sasl2"]),
    known("libxtables", &["{dir}/xtables", "/usr/lib/xtables"]),
    known("lighttpd", &["/usr/lib/lighttpd", "/usr/lib64/lighttpd", "/usr/local/lib/lighttpd"]),
    known("mariadbd", &["/usr/lib/mysql/plugin", "/usr/lib64/mysql/plugin", "/usr/local/lib/mysql/plugin"]),
    known("mysqld", &["/usr/lib/mysql/plugin", "/usr/lib64/mysql/plugin", "/usr/local/lib/mysql/plugin"]),
    known("named", &["/usr/lib/*/bind", "/usr/lib64/bind", "/usr/local/lib/bind"]),
    known("nginx", &["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/local/libexec/nginx"]),
    known("openvpn", &["/usr/lib/*/openvpn/plugins", "/usr/lib64/openvpn/plugins", "/usr/local/lib/openvpn/plugins"]),
    known("php*", &["/usr/lib/php/*", "/usr/lib64/php/modules", "/usr/local/lib/php/*"]),
    known("postgres", &["{dir}/../lib", "/usr/lib64/pgsql", "/usr/local/lib/postgresql"]),
    known("proftpd", &["/usr/lib/proftpd", "/usr/libexec/proftpd", "/usr/local/libexec/proftpd"]),
    known("qemu-system-*", &["/usr/lib/*/qemu", "/usr/lib64/qemu-kvm", "/usr/local/lib/qemu"]),
    known("redis-server", &["/usr/lib/redis/modules"]),
    known("rsyslogd", &["/usr/lib/*/rsyslog", "/usr/lib64/rsyslog", "/usr/local/lib/rsyslog"]),
    known("slapd", &["/usr/lib/ldap", "/usr/lib64/openldap", "/usr/local/libexec/openldap"]),
    known("uwsgi*", &["/usr/lib/uwsgi/plugins", "/usr/lib64/uwsgi", "/usr/local/lib/uwsgi"]),
];

/// The directories that are there for the members of a closure.
pub(crate) fn of(closure: &Closure, resolver: &mut Resolver<'_>) -> Vec<Plugins> {
    let mut all: Vec<Plugins> = Vec::new();
    for member in closure.members.iter().filter(|member| member.role != Role::Interpreter) {
        let (Some(name), Some(directory)) = (member.path.file_name(), member.resolved.real.parent()) else { continue };
        let name = name.to_str().unwrap_or_default();
        let name = name.split(".so").next().unwrap_or(name);
        for known in TABLE.iter().filter(|known| known.is(name)) {
            for place in known.places {
                for directory in there(place, directory, resolver) {
                    // Two names may lead to one directory.
                    if all.iter().all(|known| known.directory != directory) {
                        all.push(Plugins { by: member.path.clone(), directory });
                    }
                }
            }
        }
    }
    all
}

impl Known {
    fn is(&self, name: &str) -> bool {
        match self.of.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.of,
        }
    }
}

/// The directories of one place, without links.
fn there(place: &str, directory: &Path, resolver: &mut Resolver<'_>) -> Vec<PathBuf> {
    let place = match place.strip_prefix("{dir}/") {
        Some(rest) => directory.join(rest),
        None => place.into(),
    };
    let mut found = vec![PathBuf::new()];
    for part in &place {
        if part != "*" {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let entries = |path: &PathBuf| {
            let real = resolver.resolve(path).ok()?.real;
            let entries = resolver.tree().entries(&real).ok()?;
            Some((path.clone(), entries))
        };
        let listed: Vec<_> = found.iter().filter_map(entries).collect();
        let below = listed.into_iter().flat_map(|(path, entries)| {
            let directories = entries.into_iter().filter(|(_, kind)| *kind == Kind::Directory);
            directories.map(move |(name, _)| path.join(name))
        });
        found = below.collect();
    }
    let real = found.iter().filter_map(|path| resolver.resolve(path).ok());
    real.filter(|found| found.meta.kind == Kind::Directory).map(|found| found.real).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_places_are_absolute() {
        assert!(TABLE.is_sorted_by(|one, next| one.of < next.of));
        let places = TABLE.iter().flat_map(|known| known.places);
        assert!(places.clone().all(|place| place.starts_with('/') || place.starts_with("{dir}/")));
        // One that names a system's library directory itself would bring everything.
        assert!(places.clone().all(|place| !["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib"].contains(place)));
    }
}
