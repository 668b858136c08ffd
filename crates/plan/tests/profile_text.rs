//! TOML -> Spec: what is understood, and what each fault says.
#![allow(clippy::unwrap_used, clippy::panic)]

use thinjail_plan::spec::toml::{MAX_BYTES, ParseError, parse};
use thinjail_plan::spec::{LimitValue, TmpSize, Words};

fn fault(text: &str) -> ParseError {
    match parse(text, "x.toml") {
        Ok(spec) => panic!("understood: {spec:?}"),
        Err(error) => error,
    }
}

/// The message with its line, and the help.
fn said(text: &str) -> String {
    let error = fault(text);
    match &error.help {
        Some(help) => format!("{error}\nhelp: {help}"),
        None => error.to_string(),
    }
}

fn help(text: &str) -> String {
    fault(text).help.unwrap_or_default()
}

#[test]
fn every_shape_is_understood() {
    let spec = parse(
        r#"
command = 'nginx -g "daemon off;"'
user = "root"
capabilities = ["setuid", "setgid"]
read = ["/etc/nginx"]
tmp = "64M"
tty = true
descriptors = [3, 0x4]
env.TZ = "UTC"
limits = { openfiles = 1_024, filesize = "1G" }
[[mount]]
source = "/srv"
target = "/www"
write = true
[freebsd]
user = "www"
params = { "allow.mlock" = "" }
"#,
        "x.toml",
    )
    .unwrap();
    assert_eq!(spec.command, Words::Line("nginx -g \"daemon off;\"".into()));
    assert_eq!(spec.tmp, Some(TmpSize::Size("64M".into())));
    assert_eq!(spec.descriptors, [3, 4]);
    assert_eq!(spec.env["TZ"], "UTC");
    assert_eq!(spec.limits["openfiles"], LimitValue::Number(1024));
    assert_eq!(spec.mount[0].target.as_deref(), Some("/www"));
    assert!(spec.mount[0].write && !spec.mount[0].optional);
    let freebsd = spec.freebsd.unwrap();
    assert_eq!(freebsd.user.as_deref(), Some("www"));
    assert_eq!(freebsd.params["allow.mlock"], "");
}

#[test]
fn an_unknown_key_is_shown_with_its_line_and_the_nearest_key() {
    assert_eq!(
        said("user = \"www\"\n\nraed = [\"/a\"]\n"),
        "x.toml:3:1: unknown key `raed`\n  3 | raed = [\"/a\"]\n    | ^^^^\nhelp: did you mean `read`?"
    );
}

#[test]
fn an_underscore_for_a_dash_is_understood() {
    assert_eq!(help("run_dir = \"x\""), "did you mean `run-dir`?");
}

#[test]
fn an_unknown_key_like_no_other_lists_the_keys() {
    assert!(
        help("frobnicate = 1").starts_with("the keys are abstract-sockets allow-syscalls before-reload before-start")
    );
}

#[test]
fn the_words_of_jail_are_known() {
    assert_eq!(help("exec.jail_user = \"www\""), "exec.jail_user is jail(8)'s word; here it is `user`");
    assert_eq!(help("exec.start = \"x\""), "exec.start is jail(8)'s word; here it is `command`");
    assert_eq!(
        help("path = \"/jail\""),
        "path is jail(8)'s word; here the jail's root is made in memory, and needs no path"
    );
    assert_eq!(help("ip4 = \"inherit\""), "ip4 is jail(8)'s word; here it is `network`");
    assert_eq!(
        help("\"allow.mlock\" = true"),
        "allow.mlock is jail(8)'s word; here it goes into [freebsd.params], by the same name"
    );
    assert_eq!(fault("exec.start = \"x\"").what, "unknown key `exec.start`");
}

#[test]
fn the_words_of_systemd_are_known() {
    assert_eq!(help("BindReadOnlyPaths = \"/a\""), "BindReadOnlyPaths is systemd's word; here it is `read`");
    assert_eq!(help("RuntimeDirectory = \"a\""), "RuntimeDirectory is systemd's word; here it is `run-dir`");
    assert_eq!(help("LoadCredential = \"a\""), "LoadCredential is systemd's word; here it is `secrets`");
    assert_eq!(help("PIDFile = \"a\""), "PIDFile is systemd's word; here it is `pidfile`");
    assert_eq!(help("PrivateNetwork = true"), "PrivateNetwork is systemd's word; here it is `network = \"none\"`");
}

#[test]
fn the_words_of_bwrap_and_docker_are_known() {
    assert_eq!(help("--ro-bind = \"/a\""), "--ro-bind is bwrap's word; here it is `read`");
    assert_eq!(help("--unshare-net = true"), "--unshare-net is bwrap's word; here it is `network = \"none\"`");
    assert_eq!(help("--cap-add = []"), "--cap-add is docker's word; here it is `capabilities`");
    assert_eq!(
        help("volumes = []"),
        "volumes is docker's word; here a [[mount]] with source and target, or read and write"
    );
}

#[test]
fn a_wrong_type_names_the_key_and_what_it_takes() {
    assert_eq!(
        said("read = \"/etc\""),
        "x.toml:1:8: `read` takes a list of strings, such as [\"one\", \"two\"]; this is a string\n  1 | read = \"/etc\"\n    |        ^^^^^^\nhelp: write read = [\"/etc\"]"
    );
    for (text, what) in [
        ("user = 33", "`user` takes a string, such as \"text\"; this is a number"),
        ("tty = \"yes\"", "`tty` takes true or false; this is a string"),
        ("read = [1]", "`read` takes a list of strings, such as [\"one\", \"two\"]; this is a number"),
        ("descriptors = [99999999999]", "`descriptors` takes a list of numbers, such as [3, 4]; this is a number"),
        ("tmp = 64", "`tmp` takes true, false or a size, such as \"64M\"; this is a number"),
        ("env = { A = 1 }", "`env` takes a table of strings, such as { NAME = \"value\" }; this is a number"),
        ("linux = 1", "`linux` takes a table of keys; this is a number"),
        ("[linux]\nuser = true", "`linux.user` takes a string, such as \"text\"; this is true or false"),
        ("[[mount]]\nsource = 1", "`mount.source` takes a string, such as \"text\"; this is a number"),
        ("mount = [1]", "`mount` takes tables, each beginning with [[mount]]; this is a number"),
    ] {
        assert_eq!(fault(text).what, what, "{text}");
    }
    assert!(fault("limits.openfiles = -1").what.ends_with("this is a negative number"));
    assert!(fault("limits.openfiles = 1.5").what.ends_with("this is a number with a point"));
}

#[test]
fn keys_below_a_table_are_checked_too() {
    assert_eq!(fault("[linux]\nuesr = \"a\"").what, "unknown key `uesr` in [linux]");
    assert_eq!(
        help("[[mount]]\nsource = \"/a\"\nread-only = true"),
        "the keys are create exec group mode optional owner source target write"
    );
    assert_eq!(fault("[linux.freebsd]\nuser = \"a\"").what, "`linux` can't hold `freebsd`");
}

#[test]
fn a_mount_needs_a_source_and_two_brackets() {
    assert_eq!(fault("[[mount]]\ntarget = \"/a\"").what, "a [[mount]] without `source`");
    assert_eq!(help("[mount]\nsource = \"/a\""), "write [[mount]] with two brackets");
}

#[test]
fn what_is_no_toml_says_where() {
    let error = fault("user = \"a\"\nuser = \"b\"");
    assert_eq!((error.line, error.column), (2, 1));
    assert_eq!(error.what, "duplicate key");
    assert_eq!((fault("a = ").line, fault("a = ").column), (1, 5));
}

#[test]
fn a_string_without_quotes_is_written_with_them() {
    assert_eq!(
        said("user = www-data  # who\n"),
        "x.toml:1:8: the value of `user` can't be understood; a string stands in quotes\n  1 | user = www-data  # who\n    |        ^^^^^^^^\nhelp: write user = \"www-data\""
    );
    assert_eq!(help("umask = 022"), "write umask = \"022\"");
    assert_eq!(help("tmp = 64M"), "write tmp = \"64M\"");
    assert_eq!(help("User=nobody"), "User is systemd's word; here it is `user`");
    assert!(help("nginx {").starts_with("a profile is TOML"));
    assert!(help("user = \"x").starts_with("a profile is TOML"));
    assert_eq!(help("user = \"a\"\nuser = \"b\""), "write it once");
}

#[test]
fn a_wrong_type_is_written_right_where_brackets_or_quotes_are_missing() {
    assert_eq!(help("read = \"/etc\""), "write read = [\"/etc\"]");
    assert_eq!(help("[linux]\nuser = 33"), "write user = \"33\"");
    assert_eq!(help("tty = \"yes\""), "");
}

#[test]
fn a_key_below_the_heading_of_a_table_is_told_to_move_up() {
    let text = "[limits]\nopenfiles = 20\nuser = \"www\"\n";
    assert_eq!(fault(text).what, "`user` stands below the heading of `limits`, and is taken for a part of that");
    assert_eq!(help(text), "move `user` up, above the first line in [brackets]");
    assert_eq!((fault(text).line, fault(text).column), (3, 1));
    assert!(help("[[mount]]\nsource = \"/a\"\nread = [\"/b\"]").starts_with("move `read` up"));
}

#[test]
fn a_command_that_can_not_be_split_is_found_at_once() {
    let error = fault("\ncommand = \"sh -c 'x\"");
    assert_eq!((error.line, error.column), (2, 11));
    assert_eq!(error.what, "`command` can't be split into words: the ' quote is never closed");
}

#[test]
fn a_nul_byte_is_refused_wherever_it_stands() {
    for text in [
        r#"user = "a\u0000""#,
        r#"read = ["/a", "/b\u0000"]"#,
        r#"command = "a\u0000b""#,
        r#"env = { "A\u0000" = "x" }"#,
        r#"env = { A = "x\u0000" }"#,
        "[[mount]]\nsource = \"/a\\u0000\"",
        "[linux]\nuser = \"\\u0000\"",
    ] {
        let what = fault(text).what;
        assert!(what.ends_with("has a NUL byte in it, which no system call takes"), "{text}: {what}");
    }
}

#[test]
fn a_file_over_256_kib_is_refused_before_it_is_read() {
    let mut text = String::from("user = [[[[");
    text.extend(std::iter::repeat_n('#', MAX_BYTES + 1 - text.len()));
    assert_eq!(fault(&text).what, "the file has 262145 bytes; a profile has 262144 at most");
    assert_eq!(fault(&text).line, 0);
    let fits = format!("user = \"a\"{}", "#".repeat(MAX_BYTES - 10));
    assert!(parse(&fits, "x.toml").is_ok());
}

#[test]
fn a_hostile_line_does_not_reach_the_terminal_as_it_is() {
    let text = said("\"a\\u001b[2J\" = 1 # \u{7f}\t");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    let long = format!("x{} = 1", "y".repeat(100_000));
    assert!(said(&long).lines().all(|line| line.len() < 1000));
}

#[test]
fn columns_count_characters() {
    assert_eq!(fault("env = { A = \"äöü\", B = 1 }").column, 24);
}

/// The literal blocks of a man page's EXAMPLES.
fn examples(page: &str) -> Vec<String> {
    let section = page.split("\n.Sh EXAMPLES\n").nth(1).unwrap().split("\n.Sh ").next().unwrap();
    let blocks = section.split(".Bd -literal -offset indent\n").skip(1).map(|block| block.split(".Ed").next().unwrap());
    // In text a hyphen and a quotation mark may be written by name.
    blocks.map(|block| block.replace("\\-", "-").replace("\\(dq", "\"").replace("\\e", "\\")).collect()
}

#[test]
fn every_profile_of_the_man_page_is_one() {
    let examples = examples(include_str!("../../../man/thinjail.toml.5"));
    for daemon in ["/usr/sbin/nginx", "/usr/bin/redis-server", "use = \"postgresql\"", "/usr/local/bin/cardano-node"] {
        assert_eq!(examples.iter().filter(|text| text.contains(daemon)).count(), 1, "{daemon}");
    }
    for text in &examples {
        let parsed = thinjail_plan::spec::toml::parse_all(text, "the man page");
        assert_eq!(parsed.faults, [], "{text}");
        let spec = parsed.spec.for_system(thinjail_plan::facts::SystemKind::Linux);
        assert!(spec.r#use.is_some() || (spec.user.is_some() && !spec.command.is_empty()), "{text}");
    }
}
