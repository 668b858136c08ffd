//! What `adopt` writes for the services of Debian's packages, from the units and scripts that are installed here.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use thinjail_plan::adopt::systemd::{Given, describe, drop_in, environment_files};
use thinjail_plan::adopt::unit::Unit;
use thinjail_plan::adopt::{Base, Described, base, candidates, profile, rc_conf, sysv, without_lines};
use thinjail_plan::facts::SystemKind;
use thinjail_plan::init::{Content, Service};
use thinjail_plan::path::HostPath;
use thinjail_plan::spec::{Spec, layers, toml};
use thinjail_tests::skip::{self, Lack};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, profiles};

/// What stands in for a process that a script has become.
const RUNNING: [(&str, &str); 2] = [
    ("memcached", "/usr/bin/memcached -m 64 -p 11211 -u memcache -l 127.0.0.1 -P /var/run/memcached/memcached.pid"),
    ("dnsmasq", "/usr/sbin/dnsmasq -x /run/dnsmasq/dnsmasq.pid -u dnsmasq -7 /etc/dnsmasq.d,.dpkg-old --local-service"),
];

fn installed(path: &str) -> Result<String, Lack> {
    fs::read_to_string(path).map_err(|_| Lack::new(format!("{path} is not installed")))
}

fn unit(name: &str) -> Result<String, Lack> {
    installed(&format!("/lib/systemd/system/{name}.service"))
}

fn bases() -> Vec<Base> {
    let shipped = profiles::shipped();
    let mut all = Vec::new();
    for entry in fs::read_dir(&shipped.dir).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ext| ext == "toml") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let spec = toml::parse(&fs::read_to_string(&path).unwrap(), &name).unwrap();
            all.push(Base { name, spec: layers::stack([spec], SystemKind::Linux) });
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The profile, and the service that it makes.
fn jailed(described: &Described) -> (String, Service) {
    let bases = bases();
    let base = base(described, &bases);
    let there: BTreeSet<String> = candidates(described).into_iter().filter(|path| Path::new(path).exists()).collect();
    let text = profile(described, base, &there);
    let own = toml::parse(&text, "test").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let spec: Spec = layers::stack(base.map(|base| base.spec.clone()).into_iter().chain([own]), SystemKind::Linux);
    let thinjail = HostPath::new("/usr/local/bin/thinjail").unwrap();
    let name = described.service.clone();
    (text, Service::of(name.clone(), &name, &spec, thinjail, SystemKind::Linux))
}

/// Profile, drop-in and notes as one text; and the drop-in alone.
fn adopted(name: &str, text: &str) -> (String, String) {
    let unit = Unit::parse(text);
    let read = |path: String| Some((path.clone(), fs::read_to_string(path).ok()?));
    let files: BTreeMap<String, String> = environment_files(&unit).into_iter().filter_map(read).collect();
    let running = RUNNING.iter().find(|(known, _)| *known == name);
    let running = running.map(|(_, line)| line.split(' ').map(str::to_owned).collect());
    let described = describe(&unit, &Given { service: name, files, running }).unwrap();
    let (profile, service) = jailed(&described);
    let placed = drop_in(&unit, &described, &service).unwrap();
    let Content::File { text, .. } = &placed.content else { panic!("{placed:?}") };
    let notes: String = described.notes.iter().map(|note| format!("note: {note}\n")).collect();
    (format!("{profile}\n{placed}\n{notes}"), text.clone())
}

fn golden(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adopt_text");
    insta::with_settings!({ snapshot_path => &folder, prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn the_unit_of_nginx_is_adopted_as_it_was() {
    golden("nginx.systemd", &adopted("nginx", &need!(unit("nginx"))).0);
}

#[test]
fn the_unit_of_redis_is_adopted_as_it_was() {
    golden("redis-server.systemd", &adopted("redis-server", &need!(unit("redis-server"))).0);
}

#[test]
fn the_unit_of_memcached_is_adopted_as_it_was() {
    golden("memcached.systemd", &adopted("memcached", &need!(unit("memcached"))).0);
}

#[test]
fn the_unit_of_dnsmasq_is_adopted_as_it_was() {
    golden("dnsmasq.systemd", &adopted("dnsmasq", &need!(unit("dnsmasq"))).0);
}

#[test]
fn the_unit_of_haproxy_is_adopted_as_it_was() {
    golden("haproxy.systemd", &adopted("haproxy", &need!(unit("haproxy"))).0);
}

#[test]
fn every_drop_in_is_clean_to_systemd() {
    need!(skip::program("systemd-analyze"));
    for name in ["nginx", "redis-server", "memcached", "dnsmasq", "haproxy"] {
        let text = need!(unit(name));
        // Nor does the manual page have to be there, nor our binary.
        let lines = |text: &str, no: &str| {
            text.lines().filter(|line| !line.starts_with(no)).map(|line| format!("{line}\n")).collect::<String>()
        };
        let over = adopted(name, &text).1.replace("/usr/local/bin/thinjail", "/bin/true");
        let temp = TempDir::new();
        let file = temp.file(&format!("{name}.service"), lines(&text, "Documentation="));
        fs::create_dir(temp.path().join(format!("{name}.service.d"))).unwrap();
        fs::write(temp.path().join(format!("{name}.service.d/thinjail.conf")), &over).unwrap();
        let done = Command::new("systemd-analyze")
            .args(["verify", "--recursive-errors=yes"])
            .arg(&file)
            .env("SYSTEMD_LOG_LEVEL", "warning")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!said.contains(&format!("{name}.service")), "{said}\n{over}");
    }
}

/// A service that no profile is shipped for.
const OWN: &str = "[Service]\nType=notify\nUser=app\nGroup=app\nEnvironment=A=1 \"B=x y\" PORT=80\nStateDirectory=app\n\
    ExecStart=/opt/app/bin/app --port ${PORT} --config=/etc/hosts $MORE\nEnvironment=MORE=\"-a -b\"\nKillSignal=SIGINT\n\
    ExecReload=/bin/kill -USR2 $MAINPID\nExecStartPre=/opt/app/bin/prepare\nPrivateTmp=yes\nCapabilityBoundingSet=\n\
    ReadWritePaths=-/var/run/app.d\nCapabilityBoundingSet=CAP_CHOWN\nWatchdogSec=5\n";

#[test]
fn a_service_without_a_shipped_profile_has_what_its_unit_says() {
    golden("app.systemd", &adopted("app", OWN).0);
}

#[test]
fn what_only_root_reads_of_a_unit_is_not_copied_into_the_profile() {
    let unit = "[Service]\nUser=app\nEnvironment=KEPT=1 OVER=unit\nEnvironmentFile=/etc/app/secret\n\
        EnvironmentFile=-/etc/app/gone\nEnvironmentFile=/etc/app/args\nEnvironmentFile=/etc/app/path\n\
        ExecStart=/opt/app/bin/app $ARGS\n";
    let files = [
        ("/etc/app/secret", "PASSWORD='s3cret\nof two lines'\nOVER=file\n"),
        ("/etc/app/args", "# what it is started with\nARGS=\"-a -b\"\n"),
        ("/etc/app/path", "PATH=/opt/app/bin\nMORE=2\n"),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    let described = describe(&Unit::parse(unit), &Given { service: "app", files, running: None }).unwrap();
    assert_eq!(described.command, ["/opt/app/bin/app", "-a", "-b"]);
    assert_eq!(described.env_files, ["/etc/app/secret", "/etc/app/args"]);
    let (profile, _) = jailed(&described);
    assert!(!profile.contains("s3cret"), "{profile}");
    golden("secret.systemd", &format!("{profile}\n{}", described.notes.join("\n")));
}

#[test]
fn what_is_no_daemon_of_its_own_is_refused() {
    for (text, why) in [
        ("[Service]\nType=oneshot\nExecStart=/bin/x\n", "Type=oneshot"),
        ("[Service]\nType=dbus\nExecStart=/bin/x\n", "Type=dbus"),
        ("[Service]\nDynamicUser=yes\nExecStart=/bin/x\n", "DynamicUser"),
        ("[Service]\nRootDirectory=/srv\nExecStart=/bin/x\n", "RootDirectory"),
        ("[Service]\nExecStart=/usr/sbin/sshd -D\n", "who logs in"),
        ("[Service]\nExecStart=/usr/bin/thinjail run x\n", "thinjail already"),
        ("[Service]\nExecStart=/bin/x %h\n", "%h"),
        ("[Service]\nExecStart=/bin/x 'a\n", "quote"),
        ("[Unit]\nDescription=x\n", "starts nothing"),
    ] {
        let refused = describe(&Unit::parse(text), &Given { service: "x", ..Given::default() }).unwrap_err();
        assert!(refused.what.contains(why) && refused.help.is_some(), "{refused:?}");
    }
}

#[test]
fn the_scripts_of_nginx_and_redis_are_adopted_as_they_were() {
    for name in ["nginx", "redis-server"] {
        let script = need!(installed(&format!("/etc/init.d/{name}")));
        let defaults = need!(installed(&format!("/etc/default/{name}")));
        let described = sysv::describe(name, &script, &defaults).unwrap();
        let (text, service) = jailed(&described);
        let hooked = sysv::hooked(&defaults, &service, &described);
        let ours = hooked.strip_prefix(&defaults).unwrap();
        golden(&format!("{name}.sysv"), &format!("{text}\n{ours}\n{:?}\n", described.notes));
        assert_eq!(without_lines(&hooked, name).unwrap(), defaults);
        let theirs = format!("# new\n{hooked}A=1\n");
        assert_eq!(without_lines(&theirs, name).unwrap(), format!("# new\n{defaults}A=1\n"));
    }
}

#[test]
fn the_lines_of_a_script_are_clean_to_shellcheck() {
    need!(skip::program("shellcheck"));
    let script = "#!/bin/sh\nDAEMON=/bin/cat\nPIDFILE=/run/x/x.pid\n[ -r /etc/default/x ] && . /etc/default/x\n\
                  case $1 in\nstatus) ;;\nesac\n";
    let described = sysv::describe("x", script, "").unwrap();
    let sysv = sysv::hooked("", &jailed(&described).1, &described);
    // The script would make it, but only behind these lines; /run is empty after each boot.
    assert!(sysv.contains("[ -d \"/run/x\" ] || mkdir -p \"/run/x\"\n"), "{sysv}");
    let rc_d = rc_conf::hooked("", &jailed(&described).1, &described);
    for text in [format!("#!/bin/sh\n{sysv}"), format!("#!/bin/sh\n{rc_d}"), format!("#!/bin/sh\n{}", rc_conf::ASK)] {
        let temp = TempDir::new();
        let mut shellcheck = Command::new("shellcheck");
        // What rc.subr(8) reads and sets is not here; it calls the functions by name.
        shellcheck.args(["--exclude=SC1090,SC1091,SC2034,SC2154,SC2317"]).arg(temp.file("x", &text));
        let done = shellcheck.output().unwrap();
        assert!(done.status.success(), "{}\n{text}", String::from_utf8_lossy(&done.stdout));
    }
}

/// As rc_conf::ASK prints it of syslogd's script.
const SYSLOGD: &str = "name=syslogd\ncommand=/usr/sbin/syslogd\nflags=-s -b 127.0.0.1\nargs=\npidfile=/var/run/syslog.pid\n\
    user=\ngroup=\nchdir=\nchroot=\ninterpreter=\n";

#[test]
fn a_script_of_rc_d_is_adopted_and_its_rc_conf_d_survives() {
    let described = rc_conf::describe("syslogd", SYSLOGD).unwrap();
    assert_eq!(described.command, ["/usr/sbin/syslogd", "-s", "-b", "127.0.0.1"]);
    let (text, service) = jailed(&described);
    golden("syslogd.rc.d", &format!("{text}\n{}", rc_conf::hooked("", &service, &described)));
    for before in ["", "syslogd_oomprotect=NO\n", "# no end of line"] {
        let hooked = rc_conf::hooked(before, &service, &described);
        assert!(hooked.starts_with(before), "{hooked}");
        assert_eq!(without_lines(&hooked, "syslogd").unwrap().trim_end(), before.trim_end());
    }
}

#[test]
fn a_script_of_rc_d_that_starts_its_program_in_another_way_is_refused() {
    for (old, new, why) in [
        ("/usr/sbin/syslogd", "/usr/sbin/daemon", "daemon(8)"),
        ("/usr/sbin/syslogd", "", "no command"),
        ("interpreter=", "interpreter=/bin/sh", "interpreter"),
        ("chroot=", "chroot=/var/x", "chroot"),
        ("name=syslogd", "name=other", "calls itself"),
    ] {
        let refused = rc_conf::describe("syslogd", &SYSLOGD.replacen(old, new, 1)).unwrap_err();
        assert!(refused.what.contains(why) && refused.help.is_some(), "{refused:?}");
    }
}
