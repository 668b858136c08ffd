//! Profile -> text of an init system, as the golden files in tests/service_text have it; and what no name may do to it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use thinjail_plan::init::{Content, Init, Service, Text, text};
use thinjail_plan::path::HostPath;
use thinjail_plan::spec::{Spec, layers, toml};

const BINARY: &str = "/usr/local/bin/thinjail";

/// Profiles whose text is kept: what is shipped, and what is not usual.
const QUIET: &str = "command = \"/opt/q\"\nuser = \"nobody\"\nnetwork = \"none\"\nstop-timeout = \"1500ms\"\n";
const INSTANCE: &str = "command = \"/usr/bin/redis-server /etc/redis/%i.conf\"\nuser = \"redis\"\n\
                        log-dir = \"redis-%i\"\npidfile = \"/run/redis-%i.pid\"\nstop-signal = \"INT\"\n";

fn shipped(name: &str) -> String {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    std::fs::read_to_string(Path::new(&root).join("../../profiles").join(format!("{name}.toml"))).unwrap()
}

fn service(profile: &str, toml: &str, init: Init) -> Service {
    let spec = toml::parse(toml, profile).unwrap();
    let spec = match profile.split_once('@') {
        Some((_, instance)) => layers::instance(&spec, instance),
        None => spec,
    };
    let spec: Spec = layers::stack([spec], init.system());
    Service::of(init.service_name(profile), profile, &spec, HostPath::new(BINARY).unwrap(), init.system())
}

fn files(text: &Text) -> impl Iterator<Item = (&str, &str)> {
    text.placed.iter().chain(&text.rotation).filter_map(|placed| match &placed.content {
        Content::File { text, .. } => Some((placed.path.as_str(), text.as_str())),
        Content::Link { .. } => None,
    })
}

#[test]
fn the_text_of_an_init_system_is_what_it_was() {
    let folder = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/service_text");
    let profiles = [
        ("nginx", shipped("nginx")),
        ("redis", shipped("redis")),
        ("redis@6380", INSTANCE.into()),
        ("quiet", QUIET.into()),
    ];
    for (profile, toml) in &profiles {
        for init in Init::ALL {
            let text = text(init, &service(profile, toml, init));
            insta::with_settings!({ snapshot_path => &folder, prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("{profile}.{init}"), text.to_string());
            });
        }
    }
}

#[test]
fn the_init_system_waits_longer_than_the_supervisor_does() {
    for init in [Init::Systemd, Init::OpenRc] {
        let text = text(init, &service("redis", &shipped("redis"), init)).to_string();
        let written = match init {
            Init::Systemd => "TimeoutStopSec=70\n",
            _ => "retry=\"TERM/70/KILL/5\"\n",
        };
        assert!(text.contains(written), "{text}");
    }
}

/// A service whose every word is what somebody would like to run.
fn hostile(init: Init, odd: &str) -> Service {
    let mut service = service("quiet", QUIET, init);
    service.profile = odd.to_owned();
    service.thinjail = HostPath::new(&format!("/opt/{}", odd.replace('/', ""))).unwrap();
    service.pidfile = HostPath::new(&format!("/run/{}", odd.replace('/', ""))).ok();
    service.logs = HostPath::new(&format!("/var/log/{}", odd.replace('/', ""))).into_iter().collect();
    service
}

const ODD: [&str; 8] = [
    "x\nExecStartPre=touch PWNED",
    "x\ntouch PWNED\n",
    "x; touch PWNED",
    "x`touch PWNED`",
    "x$(touch PWNED)",
    "x\" && touch PWNED \"",
    "x' && touch PWNED '",
    "x\\\ntouch PWNED",
];

#[test]
fn no_name_begins_a_line_of_its_own_where_lines_count() {
    for odd in ODD {
        for init in Init::ALL {
            let text = text(init, &hostile(init, odd));
            for (path, text) in files(&text).filter(|(_, text)| !text.starts_with("#!")) {
                let begins = |line: &str| ["touch", "ExecStartPre", "PWNED"].iter().any(|word| line.starts_with(word));
                assert!(!text.lines().any(|line| begins(line.trim_start())), "{init} {odd:?}: {path}\n{text}");
            }
        }
    }
}

#[test]
fn a_shell_takes_every_odd_name_for_one_word() {
    let dir = std::env::temp_dir().join(format!("thinjail-init-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    // What the scripts source and call is not here; whatever else they run would be found.
    let stubs = "log_daemon_msg() { :; }; log_end_msg() { :; }; load_rc_config() { :; }; run_rc_command() { :; }; \
                 ebegin() { :; }; eend() { :; }; set +e\n";
    for odd in ODD {
        for init in [Init::RcD, Init::OpenRc, Init::SysV, Init::Runit] {
            let text = text(init, &hostile(init, odd));
            for (path, script) in files(&text).filter(|(_, text)| text.starts_with("#!")) {
                let script = script.replace("\n. /", "\n: /").replace("\nexec ", "\necho ");
                let done = std::process::Command::new("sh")
                    .args(["-c", &format!("{stubs}{script}"), "x", "start"])
                    .current_dir(&dir)
                    .output()
                    .unwrap();
                let made = std::fs::read_dir(&dir).unwrap().count();
                assert_eq!(made, 0, "{init} {odd:?}: {path}: {done:?}\n{script}");
                let errors = String::from_utf8_lossy(&done.stderr);
                assert!(!errors.contains("yntax error"), "{init} {odd:?}: {path}: {errors}\n{script}");
            }
        }
    }
    std::fs::remove_dir(&dir).unwrap();
}
