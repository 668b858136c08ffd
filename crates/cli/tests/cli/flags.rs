//! What is wrong with a command line.

use crate::run_thinjail::thinjail;

#[test]
fn usage_errors_are_125_for_run_and_2_for_the_rest() {
    for (verb, code) in [("run", 125), ("plan", 2), ("check", 2), ("facts", 2)] {
        thinjail(&[verb]).fails(code, "neither a profile nor a program is named", "thinjail run NAME");
        thinjail(&[verb, "--raed", "/x", "/bin/true"]).fails(code, "'--raed'", "'--read'");
        thinjail(&[verb, "--qqqq", "/bin/true"]).fails(code, "'--qqqq'", "--help");
        thinjail(&[verb, "--read"]).fails(code, "a value is required for '--read", "--help");
        thinjail(&[verb, "echo", "hi"]).fails(code, "\"echo\" takes no arguments", "thinjail run -- echo hi");
        thinjail(&[verb, "--mount", "/a:rx", "/bin/true"]).fails(code, "\"rx\" is no option of a mount", "--help");
    }
    thinjail(&["plan", "--facts", "/x", "--system", "freebsd", "sh"]).fails(2, "'--system", "--help");
    thinjail(&["explain", "nginx"]).fails(2, "no path is named", "thinjail explain NAME PATH");
    thinjail(&["pln", "nginx"]).fails(2, "'pln'", "'plan'");
}

#[test]
fn the_flags_of_other_tools_are_known() {
    thinjail(&["run", "-v", "/a:/b", "--", "sh"]).fails(125, "'-v'", "here a --mount with source and target");
    thinjail(&["plan", "--ro-bind", "/a", "/a", "sh"]).fails(2, "'--ro-bind'", "here it is `--read`");
    thinjail(&["run", "--name", "x", "--", "sh"]).fails(125, "'--name'", "a jail has the name of its profile");
}

#[test]
fn a_program_that_is_taken_for_a_profile_is_helped() {
    let help = "thinjail run -- python3 -m http.server";
    thinjail(&["run", "python3", "-m", "http.server"]).fails(125, "'-m'", help);
    thinjail(&["run", "nginx", "--raed", "/x"]).fails(125, "'--raed'", "'--read'");
    thinjail(&["nginx"]).fails(2, "'nginx'", "`thinjail run nginx`?");
}

#[test]
fn help_is_a_word_too() {
    assert_eq!(thinjail(&["help"]).works(), thinjail(&["--help"]).works());
    let verbs = [
        "run", "start", "stop", "restart", "reload", "refresh", "kill", "status", "logs", "list", "clean", "exec",
        "shell",
    ];
    for verb in verbs.into_iter().chain(["enable", "disable", "plan", "explain", "check", "ldd", "facts", "doctor"]) {
        let help = thinjail(&[verb, "--help"]);
        assert_eq!(thinjail(&["help", verb]).works(), help.works());
        // Every key of a profile is a flag.
        assert!(help.out.lines().count() < 110, "{} lines:\n{}", help.out.lines().count(), help.out);
    }
}

#[test]
fn help_fits_one_screen_and_has_the_exit_codes() {
    let help = thinjail(&["--help"]);
    let text = help.works();
    assert!(text.lines().count() <= 24, "{} lines:\n{text}", text.lines().count());
    for word in ["125", "126", "127", "thinjail run -- echo Hello from jail"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    assert!(text.lines().all(|line| line.len() < 80), "{text}");
}

#[test]
fn help_names_every_verb() {
    let (completions, help) = (thinjail(&["completions", "fish"]), thinjail(&["--help"]));
    let verb = |line: &str| Some(line.split_once("needs_command\" -f -a \"")?.1.split('"').next()?.to_owned());
    let verbs: Vec<String> = completions.works().lines().filter_map(verb).collect();
    assert!(verbs.iter().any(|verb| verb == "enable"), "{}", completions.out);
    let listed = help.works().lines().filter_map(|line| line.strip_prefix("  "));
    let words: Vec<&str> = listed.flat_map(str::split_whitespace).collect();
    for verb in verbs {
        assert!(words.contains(&verb.as_str()), "{verb} is missing in\n{}", help.out);
    }
}

#[test]
fn a_name_that_is_no_file_name_is_no_profile() {
    for name in [".hidden", "a b", "a\u{e4}", "*"] {
        thinjail(&["run", name]).fails(125, "can't be the name of a profile", "letters, digits");
    }
    thinjail(&["check", "a%b"]).fails(2, "can't be the name of a profile", "letters, digits");
}

#[test]
fn a_profile_that_is_not_there_names_the_places_searched() {
    thinjail(&["run", "nosuch"]).fails(125, "there is no profile \"nosuch\" in /", "thinjail run -- nosuch");
    thinjail(&["run", "x.toml"]).fails(125, "there is no profile \"x.toml\"", "`--profile x.toml`");
    thinjail(&["check", "nosuch", "--profile-dir", "/nonexistent"]).fails(
        1,
        "nosuch",
        "write /nonexistent/nosuch.toml",
    );
    thinjail(&["check", "nosuch"]).fails(1, "there is no profile \"nosuch\" in /", "thinjail run -- nosuch");
}

#[test]
fn an_argument_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let said = thinjail(&["run".as_ref(), "--".as_ref(), std::ffi::OsStr::from_bytes(b"a\xff")]);
    said.fails(125, "UTF-8", "--help");
}
