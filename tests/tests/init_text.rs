//! The text of every init system, as `enable --print` gives it: clean by the checkers of those who know, for every shipped profile.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, profiles, skip};

const INITS: [&str; 5] = ["rc.d", "systemd", "openrc", "sysv", "runit"];

/// The files that are printed, by their paths.
fn printed(init: &str, name: &str) -> BTreeMap<String, String> {
    let shipped = profiles::shipped();
    let done = thinjail(["enable", "--print", "--init", init, name]).profiles(&shipped.dir).run();
    done.expect_code(0);
    let mut files = BTreeMap::new();
    for part in done.stdout.split("==> ").skip(1) {
        let (head, text) = part.split_once('\n').unwrap();
        if let Some((path, _mode)) = head.split_once(" (0") {
            // What follows a file is a line of ours.
            files
                .insert(path.to_owned(), text.strip_suffix("\n\n").map_or(text.to_owned(), |text| format!("{text}\n")));
        }
    }
    assert!(!files.is_empty(), "{}", done.stdout);
    files
}

fn all(init: &str) -> impl Iterator<Item = (String, String)> {
    profiles::ALL.into_iter().flat_map(move |(name, _)| printed(init, name))
}

#[track_caller]
fn clean(checker: &mut Command, of: &str, text: &str) {
    let done = checker.output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(done.status.success() && said.trim().is_empty(), "{of}:\n{said}\n{text}");
}

#[test]
fn every_script_is_clean_to_shellcheck() {
    need!(skip::program("shellcheck"));
    let temp = TempDir::new();
    for init in INITS {
        for (path, text) in all(init).filter(|(_, text)| text.starts_with("#!")) {
            // rclint wants it so.
            let file = temp.file("script", text.replace("load_rc_config $name\n", "load_rc_config \"$name\"\n"));
            let mut shellcheck = Command::new("shellcheck");
            // rc.subr(8), openrc-run(8) and the functions of the LSB are not here; what they read looks unused, and what they
            // set looks unset.
            shellcheck.args(["--shell=sh", "--severity=style", "--exclude=SC1091,SC2034,SC2154"]);
            clean(shellcheck.arg(&file), &format!("{init} {path}"), &text);
            clean(Command::new("sh").arg("-n").arg(&file), &format!("{init} {path}"), &text);
        }
    }
}

#[test]
fn every_unit_is_clean_to_systemd() {
    need!(skip::program("systemd-analyze"));
    // It looks for the program of a unit and for manual pages.
    let temp = TempDir::new();
    for (path, text) in all("systemd").filter(|(path, _)| path.ends_with(".service")) {
        let text = text.replace("Documentation=man:thinjail(8) man:thinjail.toml(5)\n", "");
        let file = temp.file(Path::new(&path).file_name().unwrap().to_str().unwrap(), &text);
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--recursive-errors=yes"]).arg(&file).env("SYSTEMD_LOG_LEVEL", "warning");
        clean(&mut verify, &path, &text);
    }
}

#[test]
fn a_fault_in_a_unit_is_seen() {
    need!(skip::program("systemd-analyze"));
    let temp = TempDir::new();
    let (_, text) = printed("systemd", "nginx").into_iter().find(|(path, _)| path.ends_with(".service")).unwrap();
    let file = temp.file("nginx.service", text.replace("KillMode=", "KilMode="));
    let done = Command::new("systemd-analyze").arg("verify").arg(&file).output().unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains("KilMode"), "{done:?}");
}

/// The rules of rclint, as far as a text can be asked: the order of the parts, the words and the tabs.
#[test]
fn every_rc_d_script_is_in_the_order_of_its_system() {
    for (path, text) in all("rc.d").filter(|(path, _)| path.contains("/rc.d/")) {
        let name = PathBuf::from(&path).file_name().unwrap().to_str().unwrap().to_owned();
        let parts = [
            "#!/bin/sh\n\n# PROVIDE: ".to_owned() + &name,
            "\n# REQUIRE: LOGIN".into(),
            "\n# KEYWORD: nojail shutdown\n".into(),
            "\n. /etc/rc.subr\n".into(),
            format!("\nname=\"{name}\"\n"),
            "\ndesc=\"".into(),
            format!("\nrcvar=\"{name}_enable\"\n"),
            "\nload_rc_config $name\n".into(),
            "_enable:=".into(),
            "pidfile".into(),
            "_svcj=".into(),
            "\nprocname=\"".into(),
            "\nstop_cmd=\"".into(),
            "\nstatus_cmd=\"".into(),
            "\nextra_commands=\"reload".into(),
            format!("\n{name}_stop()\n{{\n\t"),
            "\nrun_rc_command \"$1\"\n".into(),
        ];
        let mut from = 0;
        for part in &parts {
            let at = text[from..].find(part.as_str()).unwrap_or_else(|| panic!("{path}: no {part:?} behind:\n{text}"));
            from += at + 1;
        }
        assert!(text.ends_with("\nrun_rc_command \"$1\"\n"), "{text}");
        assert!(text.lines().all(|line| !line.starts_with(' ') && !line.ends_with([' ', '\t'])), "{text}");
    }
}

#[test]
fn a_name_that_could_be_more_than_a_name_is_refused() {
    for name in ["x;touch y", "x y", "x$(y)", "../x", "x\n[Service]", "-x", "x%n", "x`y`", "a@b@c", "ä"] {
        for args in [vec!["enable", "--print", "--init", "sysv", "--", name], vec!["disable", "--", name]] {
            thinjail(args).run().expect_code(2).expect_stderr(&["can't be the name of a profile"]);
        }
        let shipped = profiles::shipped();
        let named = format!("--as={name}");
        let args = ["enable", "--print", "--init", "openrc", "nginx", &named];
        thinjail(args).profiles(&shipped.dir).run().expect_code(2).expect_stderr(&["can't be the name"]);
    }
}

#[test]
fn a_service_may_have_another_name_than_its_profile() {
    let shipped = profiles::shipped();
    let args = ["enable", "--print", "--init", "rc.d", "nginx", "--as", "web-1"];
    let done = thinjail(args).profiles(&shipped.dir).run();
    let said = ["/usr/local/etc/rc.d/web_1 (0555)", "name=\"web_1\"", "usual=\"nginx\"", "disable nginx --as web_1"];
    done.expect_code(0);
    for said in said {
        assert!(done.stdout.contains(said), "{said}: {}", done.stdout);
    }
}

#[test]
fn a_sysv_script_hands_on_what_is_not_installed_and_not_configured() {
    need!(skip::path("/lib/lsb/init-functions"));
    let text = printed("sysv", "nginx").into_values().next().unwrap();
    let line = text.lines().find(|line| line.starts_with("THINJAIL=")).unwrap();
    let temp = TempDir::new();
    let run = |thinjail: &str, verb: &str| {
        let script = temp.file("script", text.replace(line, &format!("THINJAIL={thinjail}")));
        Command::new("/bin/sh").arg(script).arg(verb).output().unwrap().status.code()
    };
    assert_eq!(run("/nowhere/thinjail", "start"), Some(5));
    assert_eq!(run("/nowhere/thinjail", "status"), Some(4));
    assert_eq!(run("/nowhere/thinjail", "stop"), Some(5));
    // What thinjail says of itself is what the script says.
    for (verb, code) in
        [("start", 5), ("start", 6), ("status", 3), ("status", 1), ("status", 0), ("stop", 0), ("reload", 7)]
    {
        let stand_in = temp.program("stand-in", format!("#!/bin/sh\nexit {code}\n"));
        assert_eq!(run(&stand_in.display().to_string(), verb), Some(code), "{verb}");
    }
    assert_eq!(run("/bin/true", "no-such-verb"), Some(2));
    // What refuses its new configuration is not stopped; what does not run is started.
    let temp = TempDir::new();
    let log = temp.path().join("log");
    for (codes, said, code) in [
        ("reload) exit 0", "reload nginx\n", 0),
        ("reload) exit 1", "reload nginx\nstatus nginx\n", 1),
        ("reload) exit 7;; status) exit 3", "reload nginx\nstatus nginx\nstart --restart on-failure nginx\n", 0),
    ] {
        let _ = std::fs::remove_file(&log);
        let text = format!("#!/bin/sh\necho \"$@\" >>{}\ncase $1 in {codes};; esac\n", log.display());
        let stand_in = temp.program("stand-in", text).display().to_string();
        assert_eq!(run(&stand_in, "force-reload"), Some(code), "{codes}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), said);
        if !codes.contains("status") {
            assert_eq!(run(&stand_in, "reload"), Some(code), "{codes}");
        }
    }
}
