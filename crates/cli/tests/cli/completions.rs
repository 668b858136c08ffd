//! Completions, in the shells themselves: they load, and complete a verb, a flag and the name of a profile.

use std::path::Path;
use std::process::Command;

use thinjail_tests::{need, skip};

use crate::run_thinjail::{binary, thinjail};
use crate::scratch::Scratch;

/// Two profiles, and the completions of a shell in a file of this name.
fn prepared(shell: &str, file: &str) -> (Scratch, String, String) {
    let scratch = Scratch::new();
    scratch.file("served.toml", "");
    scratch.file("server@.toml", "");
    scratch.file("watcher.toml", "");
    scratch.file("no profile.toml", "");
    let completions = scratch.file(file, thinjail(&["completions", shell]).works());
    let dir = Path::new(&completions).parent().unwrap().display().to_string();
    (scratch, completions, dir)
}

/// What a shell says that runs a script with our program in its PATH.
#[track_caller]
fn said(shell: &str, args: &[&str], profiles: &str) -> String {
    let path = format!("{}:{}", binary().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("timeout")
        .args(["60", shell])
        .args(args)
        .env("PATH", path)
        .env("THINJAIL_PROFILE_PATH", profiles)
        .env("HOME", profiles)
        .env("TERM", "dumb")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shell}: {:?}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}");
    text
}

#[test]
fn bash_completes_verbs_flags_and_names() {
    need!(skip::program("bash"));
    let (_scratch, file, dir) = prepared("bash", "thinjail.bash");
    let complete = |words: &[&str]| {
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let script = format!(
            "set -u; source {file}; set -- $(complete -p thinjail); while [ \"$1\" != -F ]; do shift; done; \
             COMP_WORDS=({}) COMP_CWORD={} COMPREPLY=(); $2 thinjail '{last}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.iter().map(|word| format!("'{word}' ")).collect::<String>(),
            words.len() - 1,
        );
        let text = said("bash", &["--norc", "-c", &script], &dir);
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["thinjail", "doc"]), ["doctor"]);
    assert_eq!(complete(&["thinjail", "run", "--no-su"]), ["--no-supervisor"]);
    for verb in ["run", "start", "plan", "explain", "check", "facts", "enable"] {
        assert_eq!(complete(&["thinjail", verb, "serv"]), ["served", "server@"], "{verb}");
    }
    assert_eq!(complete(&["thinjail", "run", "--dry-run", "served"]), ["served"]);
    // The value of a flag is no profile; and no place of an argument is typed as the usage has it.
    assert_eq!(complete(&["thinjail", "run", "--user", "serv"]), [""]);
    let all = complete(&["thinjail", "run", ""]);
    assert!(all.contains(&"served".to_owned()) && !all.iter().any(|word| word.contains(['[', '<'])), "{all:?}");
    assert_eq!(complete(&["thinjail", "ldd", "serv"]), [""]);
}

#[test]
fn zsh_completes_verbs_and_names_where_they_are_typed() {
    need!(skip::program("zsh"));
    let (_scratch, _, dir) = prepared("zsh", "_thinjail");
    // A shell in a terminal of its own, as somebody types into one.
    let script = r#"zmodload zsh/zpty; zpty typed zsh -f -i
        zpty -w typed "PS1='> '; fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; echo rea''dy"
        zpty -r typed said '*ready*'
        type() { zpty -w -n typed $'\x15'"$1"$'\t'; zpty -r typed said "*$2*" && print -r -- "$2" }
        type 'thinjail doc' 'thinjail doctor'; type 'thinjail run watc' 'thinjail run watcher'
        type 'thinjail check server' 'thinjail check server@'; zpty -d typed"#;
    let words = said("zsh", &["-f", "-c", script, "zsh", &dir], &dir);
    assert_eq!(words, "thinjail doctor\nthinjail run watcher\nthinjail check server@\n");
}

#[test]
fn fish_completes_verbs_flags_and_names() {
    need!(skip::program("fish"));
    let (_scratch, file, dir) = prepared("fish", "thinjail.fish");
    let complete = |line: &str| {
        let text = said("fish", &["--no-config", "-c", &format!("source {file}; complete -C {line:?}")], &dir);
        text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(complete("thinjail doc"), ["doctor"]);
    assert_eq!(complete("thinjail run --no-su"), ["--no-supervisor"]);
    for verb in ["run", "start", "plan", "check", "enable"] {
        let words = complete(&format!("thinjail {verb} serv"));
        assert!(words.starts_with(&["served".to_owned(), "server@".to_owned()]), "{verb}: {words:?}");
    }
    assert!(complete("thinjail stop serv").is_empty());
}
