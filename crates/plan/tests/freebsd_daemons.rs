//! FreeBSD's own daemons, and some of the ports, with the paths that base and the ports install: their plans as text.
#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use std::path::Path;

use thinjail_closure::tree::Kind;
use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::resolve;
use thinjail_plan::spec::toml;
use thinjail_plan::step::Step;
use world::World;

/// A daemon: the profile beside this file, or the shipped one of that name; its program and libraries, what there is of
/// it on the host, and its user.
struct Daemon {
    name: &'static str,
    programs: &'static [(&'static str, &'static [&'static str])],
    directories: &'static [(&'static str, u32, u32)],
    files: &'static [&'static str],
    user: Option<(&'static str, u32, &'static str)>,
}

const DAEMONS: [Daemon; 9] = [
    Daemon {
        name: "syslogd",
        programs: &[("/usr/sbin/syslogd", &["/lib/libutil.so.9", "/lib/libc.so.7"])],
        directories: &[("/etc/syslog.d", 0, 0o755), ("/usr/local/etc/syslog.d", 0, 0o755), ("/var/log", 0, 0o755)],
        files: &["/etc/syslog.conf"],
        user: None,
    },
    Daemon {
        name: "ntpd",
        programs: &[(
            "/usr/sbin/ntpd",
            &["/lib/libm.so.5", "/lib/libmd.so.6", "/lib/libcrypto.so.30", "/lib/libthr.so.3", "/lib/libc.so.7"],
        )],
        directories: &[("/var/db/ntp", 123, 0o750), ("/etc/ntp", 0, 0o755)],
        files: &["/etc/ntp.conf", "/var/db/ntpd.leap-seconds.list"],
        user: Some(("ntpd", 123, "/var/db/ntp")),
    },
    Daemon {
        name: "local_unbound",
        programs: &[(
            "/usr/sbin/local-unbound",
            &[
                "/lib/libutil.so.9",
                "/usr/lib/libprivateunbound.so.5",
                "/usr/lib/libssl.so.30",
                "/lib/libcrypto.so.30",
                "/lib/libthr.so.3",
                "/lib/libc.so.7",
            ],
        )],
        directories: &[("/var/unbound", 59, 0o755)],
        files: &[],
        user: Some(("unbound", 59, "/var/unbound")),
    },
    Daemon {
        name: "inetd",
        programs: &[
            (
                "/usr/sbin/inetd",
                &["/lib/libutil.so.9", "/usr/lib/libwrap.so.6", "/lib/libipsec.so.4", "/lib/libc.so.7"],
            ),
            ("/usr/libexec/tftpd", &["/usr/lib/libwrap.so.6", "/lib/libc.so.7"]),
        ],
        directories: &[("/tftpboot", 0, 0o755)],
        files: &["/etc/inetd.conf", "/etc/hosts.allow", "/etc/netconfig"],
        user: None,
    },
    Daemon {
        name: "nscd",
        programs: &[("/usr/sbin/nscd", &["/lib/libutil.so.9", "/lib/libthr.so.3", "/lib/libc.so.7"])],
        directories: &[],
        files: &["/etc/nscd.conf"],
        user: None,
    },
    Daemon {
        name: "nginx",
        programs: &[(
            "/usr/local/sbin/nginx",
            &[
                "/lib/libcrypt.so.5",
                "/usr/local/lib/libpcre2-8.so.0",
                "/usr/lib/libssl.so.30",
                "/lib/libcrypto.so.30",
                "/lib/libz.so.6",
                "/lib/libc.so.7",
            ],
        )],
        directories: &[
            ("/usr/local/etc/nginx", 0, 0o755),
            ("/usr/local/www/nginx-dist", 0, 0o755),
            ("/var/log/nginx", 80, 0o755),
            ("/var/tmp/nginx", 80, 0o700),
        ],
        files: &[],
        user: None,
    },
    Daemon {
        name: "redis",
        programs: &[(
            "/usr/local/bin/redis-server",
            &["/lib/libm.so.5", "/usr/lib/libssl.so.30", "/lib/libcrypto.so.30", "/lib/libthr.so.3", "/lib/libc.so.7"],
        )],
        directories: &[("/var/db/redis", 535, 0o700), ("/var/log/redis", 535, 0o750)],
        files: &["/usr/local/etc/redis.conf"],
        user: Some(("redis", 535, "/nonexistent")),
    },
    Daemon {
        name: "postgresql",
        programs: &[
            (
                "/usr/local/bin/postgres",
                &[
                    "/usr/local/lib/libintl.so.8",
                    "/usr/lib/libssl.so.30",
                    "/lib/libcrypto.so.30",
                    "/usr/local/lib/libicui18n.so.74",
                    "/lib/libm.so.5",
                    "/lib/libc.so.7",
                ],
            ),
            ("/bin/sh", &["/lib/libedit.so.8", "/lib/libc.so.7"]),
        ],
        directories: &[
            ("/var/db/postgres/data15", 770, 0o700),
            ("/usr/local/share/postgresql", 0, 0o755),
            ("/usr/local/lib/postgresql", 0, 0o755),
        ],
        files: &[],
        user: Some(("postgres", 770, "/var/db/postgres")),
    },
    Daemon {
        name: "cardano_node",
        programs: &[(
            "/usr/local/bin/cardano-node",
            &[
                "/usr/local/lib/libsodium.so.26",
                "/usr/local/lib/libsecp256k1.so.2",
                "/usr/local/lib/libgmp.so.10",
                "/usr/local/lib/liblmdb.so.0",
                "/lib/libz.so.6",
                "/lib/libm.so.5",
                "/lib/libthr.so.3",
                "/lib/libc.so.7",
            ],
        )],
        directories: &[("/var/db/cardano-node", 460, 0o750), ("/usr/local/etc/cardano-node", 0, 0o755)],
        files: &[],
        user: Some(("cardano", 460, "/nonexistent")),
    },
];

fn folder() -> std::path::PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/freebsd_daemons")
}

fn host(daemon: &Daemon, osreldate: u32) -> World {
    let mut world = World::freebsd(osreldate);
    world.user("www", 80, 80, "/nonexistent", "/usr/sbin/nologin").group("www", 80);
    if let Some((name, id, home)) = daemon.user {
        world.user(name, id, id, home, "/usr/sbin/nologin").group(name, id);
    }
    for (at, uid, mode) in daemon.directories {
        world.own(at, Kind::Directory, *uid, *mode);
    }
    for file in daemon.files {
        world.file(file);
    }
    for (program, libraries) in daemon.programs {
        let path = if program.contains('/') { (*program).to_owned() } else { format!("/bin/{program}") };
        let named: Vec<_> = libraries.iter().map(|at| (at.rsplit('/').next().unwrap(), *at)).collect();
        world.program_as(program, &path, &named);
    }
    world
}

fn plan(daemon: &Daemon, osreldate: u32) -> Plan {
    let own = folder().join(format!("{}.toml", daemon.name));
    let shipped = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
        .join("../../profiles")
        .join(format!("{}.toml", daemon.name));
    let path = if own.exists() { own } else { shipped };
    let spec = toml::parse(&std::fs::read_to_string(path).unwrap(), daemon.name).unwrap();
    match resolve(daemon.name, &spec, &host(daemon, osreldate).facts(&spec)) {
        Ok(plan) => plan,
        Err(problems) => panic!("{} on {osreldate}: {problems:#?}", daemon.name),
    }
}

#[test]
fn the_text_of_a_plan_is_what_it_was() {
    for daemon in &DAEMONS {
        insta::with_settings!({ snapshot_path => folder(), prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(daemon.name, plan(daemon, 1_402_000).to_string());
        });
    }
}

/// There a nullfs of a regular file panics the kernel: "free: address ... has not been allocated", seen twice out of two
/// tries.
#[test]
fn no_plan_for_a_host_below_14_mounts_a_single_file() {
    for daemon in &DAEMONS {
        for planned in plan(daemon, 1_302_001).placing() {
            if let Step::Bind { source, .. } = &planned.step {
                assert_eq!(source.kind, Kind::Directory, "{}: {}", daemon.name, source.path);
            }
        }
    }
}
