//! `links = "follow"`, from inside: what a Debian's own links lead to, and what nobody gets in by a link of theirs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

const NOBODY: u32 = 65534;

fn run(dir: &TempDir, lines: &str) -> String {
    let profile = dir.file("links.toml", lines);
    thinjail(["run", "--profile", profile.to_str().unwrap()]).run().expect_code(0).stdout.clone()
}

fn shown(dir: &TempDir, verb: &str, lines: &str) -> String {
    let profile = dir.file("links.toml", lines);
    thinjail([verb, "--profile", profile.to_str().unwrap()]).run().expect_code(0).stdout.clone()
}

/// A link of the system's own, of a directory, that leads to a file elsewhere.
fn one_of(directory: &str, to: &str) -> String {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let leads = |path: &std::path::PathBuf| {
        fs::read_link(path).is_ok_and(|said| said.starts_with(to))
            && fs::canonicalize(path).is_ok_and(|end| end.is_file())
    };
    entries.into_iter().find(leads).expect(directory).display().to_string()
}

#[test]
fn a_debians_links_lead_where_they_do_on_the_host() {
    need!(skip::namespaces());
    let dir = TempDir::new();
    let links = [
        one_of("/etc/ssl/certs", "/usr/share/ca-certificates"),
        one_of("/etc/nginx/sites-enabled", "/etc/nginx/sites-available"),
        one_of("/etc/alternatives", "/usr/share"),
    ];
    let lines = format!(
        "user = \"nobody\"\nread = [\"/etc/ssl/certs\", \"/etc/nginx/sites-enabled\", \"/etc/alternatives\"]\n\
         command = ['/bin/sh', '-c', 'for f in {}; do test -s $f && echo there || echo gone; done']\n",
        links.join(" ")
    );
    assert_eq!(run(&dir, &lines), "gone\ngone\ngone\n");
    let checked = shown(&dir, "check", &lines);
    for link in &links {
        let to = fs::read_link(link).unwrap();
        let note = format!("the link {link} leads to {}, which is not inside: write read = [{to:?}]", to.display());
        assert!(checked.contains(&note), "{note}: {checked}");
    }
    let follow = format!("links = \"follow\"\n{lines}");
    assert_eq!(run(&dir, &follow), "there\nthere\nthere\n");
    let plan = shown(&dir, "plan", &follow);
    for link in &links {
        let to = fs::read_link(link).unwrap().display().to_string();
        let line = plan.lines().find(|line| line.contains(&format!("bind     {to} "))).expect(&to);
        assert!(line.contains("read-only") && line.contains("# links = \"follow\": /etc/"), "{line}");
    }
}

#[test]
fn a_daemon_that_writes_brings_nothing_in_by_its_next_start() {
    need!(skip::namespaces());
    let dir = TempDir::new();
    for name in ["conf", "conf/data", "conf/named", "elsewhere", "keys"] {
        dir.dir(name);
    }
    let at = |name: &str| dir.path().join(name).display().to_string();
    dir.file("keys/key", "top-secret\n");
    // The second place that it writes to is met at the end of a link, and the third has another name inside.
    symlink(at("elsewhere"), at("conf/all")).unwrap();
    symlink(at("elsewhere/key"), at("conf/one")).unwrap();
    let lines = format!(
        "user = \"root\"\nprograms = [\"ln\"]\nlinks = \"follow\"\nread = [{conf:?}]\nwrite = [{data:?}, {elsewhere:?}]\n\
         command = ['/bin/sh', '-c', 'for d in {data} {elsewhere} /named; do ln -sfn {key} $d/key; done; \
         read -r line 2>/dev/null <{key} && echo $line; test -e {keys} && echo keys; echo done']\n\
         [[mount]]\nsource = {named:?}\ntarget = \"/named\"\nwrite = true\n",
        conf = at("conf"),
        data = at("conf/data"),
        elsewhere = at("elsewhere"),
        named = at("conf/named"),
        key = at("keys/key"),
        keys = at("keys"),
    );
    assert_eq!(run(&dir, &lines), "done\n");
    assert_eq!(fs::read_link(at("conf/named/key")).unwrap().display().to_string(), at("keys/key"));
    assert_eq!(run(&dir, &lines), "done\n");
    let plan = shown(&dir, "plan", &lines);
    assert!(
        plan.contains(&format!("no link below {} is followed: the program may write there", at("conf/data"))),
        "{plan}"
    );
}

#[test]
fn a_user_of_the_host_brings_nothing_in() {
    need!(skip::namespaces());
    let dir = TempDir::new();
    for name in ["conf", "conf/theirs", "conf/sticky", "conf/group", "home", "other", "keys"] {
        dir.dir(name);
    }
    let at = |name: &str| dir.path().join(name).display().to_string();
    dir.file("keys/key", "top-secret\n");
    for name in ["conf/theirs/key", "conf/sticky/key", "conf/group/key", "conf/key", "home/key", "other/key"] {
        symlink(at("keys/key"), at(name)).unwrap();
    }
    // One of root's that was there before is as bad: they give it the name of another. And through their home.
    lchown(at("conf/sticky/key"), Some(NOBODY), None).unwrap();
    lchown(at("conf/key"), Some(NOBODY), None).unwrap();
    symlink(at("home"), at("conf/home")).unwrap();
    symlink(at("other/key"), at("conf/way")).unwrap();
    for name in ["conf/theirs", "home", "other"] {
        chown(at(name), Some(NOBODY), None).unwrap();
    }
    fs::set_permissions(at("conf/sticky"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::set_permissions(at("conf/group"), fs::Permissions::from_mode(0o775)).unwrap();
    let lines = format!(
        "user = \"games\"\nlinks = \"follow\"\nread = [{:?}]\n\
         command = ['/bin/sh', '-c', 'read -r line 2>/dev/null <{} && echo $line; test -e {} && echo keys; echo done']\n",
        at("conf"),
        at("keys/key"),
        at("keys"),
    );
    assert_eq!(run(&dir, &lines), "done\n");
    let plan = shown(&dir, "plan", &lines);
    for name in ["conf/theirs", "conf/sticky", "conf/group", "home"] {
        let note = format!("no link below {} is followed: a user other than root may write there", at(name));
        assert!(plan.contains(&note), "{note}: {plan}");
    }
    for name in ["conf/key", "conf/way"] {
        assert!(plan.contains(&format!("the link {} -> ", at(name))), "{name}: {plan}");
    }
}
