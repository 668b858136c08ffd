//! What a host can do, and what a shell completes.

use std::process::Command;

use serde_json::Value;
use thinjail_tests::{need, skip};

use crate::run_thinjail::{binary, said, thinjail};
use crate::scratch::Scratch;

#[test]
fn doctor_says_of_a_host_that_runs_jails_that_they_work() {
    need!(skip::namespaces());
    let told = thinjail(&["doctor"]);
    assert!(told.works().ends_with("jails work here\n") && told.out.contains("ok     mounts"), "{told:?}");
    let found: Vec<Value> = serde_json::from_str(thinjail(&["doctor", "--json"]).works()).unwrap();
    // Whatever is not there has its fix.
    assert!(found.iter().all(|finding| (finding["state"] == "ok") == finding["fix"].is_null()), "{found:?}");
    for name in ["kernel", "landlock", "cgroups", "jails without root", "root file system"] {
        assert!(found.iter().any(|finding| finding["name"] == name), "{name}");
    }
}

#[test]
fn doctor_says_no_to_who_can_make_no_jail_and_how_to() {
    need!(skip::namespaces());
    let forbidden = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$0\" doctor";
    let ids = ["--user", "--map-user=1000", "--map-group=1000", "--keep-caps"];
    let told = said(Command::new("unshare").args(ids).args(["sh", "-c", forbidden]).arg(binary()));
    assert_eq!((told.code, told.err.as_str()), (1, ""), "{told:?}");
    assert!(
        told.out.ends_with("no jail works here\n") && told.out.contains("user.max_user_namespaces=15000"),
        "{told:?}"
    );
}

#[test]
fn doctor_tries_what_an_ordinary_user_would_do() {
    need!(skip::root());
    let told = said(Scratch::new().thinjail_of_another_user().arg("doctor"));
    if cfg!(target_os = "freebsd") {
        assert!(told.code == 1 && told.out.contains("caller             not root\n  help: run it as root"), "{told:?}");
        return;
    }
    assert!(matches!(told.code, 0 | 1) && told.out.contains("jails without root"), "{told:?}");
    assert_eq!(told.code == 0, told.out.contains("ok     mounts"), "{told:?}");
}

#[test]
fn each_shell_understands_its_completions() {
    let scratch = Scratch::new();
    for (shell, word) in
        [("bash", "complete -F _thinjail"), ("zsh", "#compdef thinjail"), ("fish", "complete -c thinjail")]
    {
        let told = thinjail(&["completions", shell]);
        let text = told.works();
        assert!(text.contains(word) && text.contains("stop-timeout") && text.contains("doctor"), "{shell}");
        // Where the shell is installed it parses them.
        if let Ok(path) = skip::program(shell) {
            let checked = Command::new(path).arg("-n").arg(scratch.file(shell, text)).output().unwrap();
            assert!(checked.status.success(), "{shell}: {}", String::from_utf8_lossy(&checked.stderr));
        }
    }
    thinjail(&["completions", "csh"]).fails(2, "invalid value 'csh'", "zsh");
}
