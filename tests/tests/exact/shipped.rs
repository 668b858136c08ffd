//! The same for the shipped profiles, while their daemons serve; and how many files each of them needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use thinjail_closure::tree::Kind;
use thinjail_plan::plan::Plan;
use thinjail_plan::step::Step;
use thinjail_tests::client::{ask, listens, port_free};
use thinjail_tests::host::alone;
use thinjail_tests::jail::thinjail;
use thinjail_tests::restore::{Restored, unbound_anchor};
use thinjail_tests::skip::Lack;
use thinjail_tests::{need, profiles, skip};

use super::PROBE;
use super::listing::{assert_equal, parse, planned, seen};

/// A shipped profile, by what it lets in.
struct Shape {
    name: &'static str,
    program: &'static str,
    port: u16,
    /// The directories of the host that the profile names, by their places inside, and those that its runtime names.
    directories: &'static [&'static str],
    /// The files that it names.
    files: &'static [&'static str],
    /// What the daemon itself makes in memory once it runs.
    makes: &'static [&'static str],
    /// Program, interpreter and libraries on Debian 12: the snapshot. An update of a package changes a version, not what
    /// a program is linked with, so a new number is a reason to look: `thinjail plan NAME` shows the files and why each is
    /// there. Renew it here.
    closure: usize,
}

const SHAPES: [Shape; 9] = [
    Shape {
        name: "dnsmasq",
        program: "dnsmasq",
        port: 53,
        directories: &["/etc/dnsmasq.d"],
        files: &["/etc/dnsmasq.conf"],
        makes: &[],
        closure: 23,
    },
    Shape {
        name: "haproxy",
        program: "haproxy",
        port: 0,
        directories: &["/etc/haproxy", "/run/haproxy", "/var/lib/haproxy"],
        files: &[],
        makes: &[],
        closure: 20,
    },
    Shape {
        name: "memcached",
        program: "memcached",
        port: 11211,
        directories: &[],
        files: &[],
        makes: &[],
        closure: 7,
    },
    Shape {
        name: "nginx",
        program: "nginx",
        port: 80,
        directories: &[
            "/etc/nginx",
            "/usr/lib/nginx/modules",
            "/usr/share/nginx",
            "/var/lib/nginx",
            "/var/log/nginx",
            "/var/www/html",
        ],
        files: &[],
        makes: &["/run/nginx.pid"],
        closure: 9,
    },
    Shape {
        name: "php-fpm",
        program: "php-fpm8.2",
        port: 0,
        directories: &[
            "/etc/php/8.2/fpm",
            "/run/php",
            "/usr/lib/php",
            "/usr/share/php/8.2",
            "/usr/share/zoneinfo",
            "/var/lib/php/sessions",
            "/var/log",
            "/var/www/html",
        ],
        files: &[],
        makes: &[],
        closure: 48,
    },
    Shape {
        name: "postgresql",
        program: "/usr/lib/postgresql/15/bin/postgres",
        port: 5432,
        directories: &[
            "/etc/postgresql/15/main",
            "/run/postgresql",
            "/usr/lib/locale",
            "/usr/lib/postgresql/15/lib",
            "/usr/share/postgresql/15",
            "/usr/share/zoneinfo",
            "/var/lib/postgresql/15/main",
        ],
        files: &["/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/ssl/private/ssl-cert-snakeoil.key"],
        makes: &[],
        // Eleven of them for what is in its directory of plug-ins: libpq, libLLVM.
        closure: 54,
    },
    Shape {
        name: "redis",
        program: "redis-server",
        port: 6379,
        directories: &["/etc/redis", "/var/lib/redis", "/var/log/redis"],
        files: &[],
        makes: &["/run/redis-server.pid"],
        closure: 18,
    },
    Shape {
        name: "sftp",
        program: "sshd",
        port: 22,
        directories: &["/etc/ssh", "/run/sshd", "/srv/sftp"],
        files: &[],
        makes: &[],
        closure: 28,
    },
    Shape {
        name: "unbound",
        program: "unbound",
        port: 53,
        directories: &["/etc/unbound", "/var/lib/unbound"],
        files: &[],
        makes: &["/run/unbound.ctl"],
        closure: 20,
    },
];

/// The files of /etc that a jail has by itself; which of them depends on what the host has.
const USUAL: [&str; 8] = [
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs/ca-certificates.crt",
];

fn shape(name: &str) -> &'static Shape {
    SHAPES.iter().find(|shape| shape.name == name).unwrap()
}

impl Shape {
    fn plan(&self) -> Plan {
        let shipped = profiles::shipped();
        thinjail(["plan", "--json", self.name]).profiles(&shipped.dir).plan()
    }
}

/// The tree of a daemon at work is the plan's, name by name, and what it has written itself.
fn exact(shape: &Shape) -> Result<(), Lack> {
    skip::namespaces()?;
    skip::program(shape.program)?;
    let _alone = alone();
    port_free(shape.port)?;
    let shipped = profiles::shipped();
    let mut jail = thinjail(["run", shape.name]).profiles(&shipped.dir).spawn();
    jail.wait_until("it serves", |_| listens(shape.port).then_some(()));
    let main = jail.wait_until("its main process", |jail| {
        jail.inside().into_iter().find(|process| process.inner_pid() == Some(2))
    });
    let entries = jail.wait_until("all that it makes itself", |_| {
        let entries = parse(&ask(Path::new(PROBE), &[&main.pid.to_string()]));
        let made = |path: &&str| entries.iter().any(|entry| entry.path == **path);
        shape.makes.iter().all(made).then_some(entries)
    });
    // Now that it runs: it has made what it makes in those directories of the host that it may write.
    let plan = shape.plan();
    let mut seen = seen(&entries, &plan);
    for path in shape.makes {
        seen.remove(*path);
    }
    assert_equal(&planned(&plan), &seen);
    jail.stop().expect_code(0);
    Ok(())
}

#[test]
fn inside_memcached_is_exactly_its_plan() {
    need!(exact(shape("memcached")));
}

#[test]
fn inside_nginx_is_exactly_its_plan() {
    need!(exact(shape("nginx")));
}

#[test]
fn inside_redis_is_exactly_its_plan() {
    let _dump = Restored::new("/var/lib/redis/dump.rdb");
    need!(exact(shape("redis")));
}

#[test]
fn inside_dnsmasq_is_exactly_its_plan() {
    need!(exact(shape("dnsmasq")));
}

#[test]
fn inside_unbound_is_exactly_its_plan() {
    let _anchor = need!(unbound_anchor());
    need!(exact(shape("unbound")));
}

#[test]
fn no_directory_is_inside_that_the_profile_did_not_name() {
    need!(skip::namespaces());
    for shape in &SHAPES {
        need!(skip::program(shape.program));
        let plan = shape.plan();
        let directories = plan.inside.iter().filter_map(|planned| match &planned.step {
            Step::Bind { source, at, .. } if source.kind == Kind::Directory => Some(at.as_str()),
            _ => None,
        });
        let (named, inside): (BTreeSet<_>, BTreeSet<_>) =
            (shape.directories.iter().copied().collect(), directories.collect());
        assert_eq!(inside, named, "{}", shape.name);
    }
}

#[test]
fn the_files_of_each_shipped_profile_are_counted() {
    need!(skip::namespaces());
    for shape in &SHAPES {
        need!(skip::program(shape.program));
        let plan = shape.plan();
        let named = |at: &str| shape.files.contains(&at);
        let files: Vec<(&str, bool)> = plan
            .inside
            .iter()
            .filter_map(|planned| match &planned.step {
                Step::Bind { source, at, access } if source.kind == Kind::File => Some((at.as_str(), access.exec)),
                Step::PutFile { at, .. } => Some((at.as_str(), false)),
                _ => None,
            })
            .filter(|(at, _)| !named(at))
            .collect();
        for (path, _) in files.iter().filter(|(_, executable)| !executable) {
            assert!(USUAL.contains(path) || path.starts_with("/usr/share/zoneinfo/"), "{} has {path}", shape.name);
        }
        let closure: Vec<_> = files.iter().filter(|(_, executable)| *executable).map(|(path, _)| *path).collect();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        if !release.contains("VERSION_ID=\"12\"") {
            skip!("the numbers are Debian 12's");
        }
        assert_eq!(closure.len(), shape.closure, "{}: {closure:#?}", shape.name);
    }
}
