//! `AT_SECURE`, asked of a program that is set-user-ID and run by another user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use thinjail_closure::closure::{Request, System, find};
use thinjail_closure::tree::DirTree;
use thinjail_tests::{need, skip};

use super::set::{GLIBC, Set, object};

/// Prints the files that are mapped.
const SOURCE: &str = r#"
#include <stdio.h>
int main(void) {
    static char line[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) fputs(line, stdout);
    return 0;
}
"#;

#[test]
fn what_a_set_user_id_program_has_mapped_is_what_is_told_for_it() {
    need!(skip::root());
    let setpriv = need!(skip::program("setpriv"));
    let gcc = need!(skip::program("gcc"));
    let set = need!(Set::new(GLIBC));
    if rustix::fs::statvfs(set.dir.path()).unwrap().f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID) {
        skip!("what is set-user-ID has no effect in {}", set.dir.path().display());
    }
    for name in ["liba.so", "libb.so", "libd.so"] {
        let soname = object().soname(name);
        set.library(&format!("link/{name}"), &soname);
        set.library(&format!("l/{name}"), &soname);
    }
    set.library("o/libd.so", &object().soname("libd.so"));
    set.library("n/liba.so", &object().soname("liba.so"));
    // A library may find its own by its origin.
    set.library("n/libb.so", &object().soname("libb.so").needs("libe.so").runpath("$ORIGIN/own"));
    set.libraries(&["n/own/libe.so", "l/libe.so", "p.so"]);
    let source = set.dir.file("main.c", SOURCE);
    let (main, link) = (set.dir.at("main"), set.dir.at("link"));
    let status = Command::new(gcc)
        .args(["-o", &main, source.to_str().unwrap(), "-L", &link, "-Wl,--no-as-needed", "-l:liba.so", "-l:libb.so"])
        .args(["-Wl,--allow-shlib-undefined", &format!("-Wl,--enable-new-dtags,-rpath,{}", set.text("$ORIGIN/o:@/n"))])
        .status()
        .unwrap();
    assert!(status.success());
    fs::create_dir_all(set.dir.path().join("o")).unwrap();
    set.library("o/liba.so", &object().soname("liba.so"));
    chown(&main, Some(2), Some(2)).unwrap();

    for (mode, secure) in [(0o755, false), (0o4755, true), (0o2755, true)] {
        fs::set_permissions(&main, fs::Permissions::from_mode(mode)).unwrap();
        let env = [("LD_LIBRARY_PATH", set.dir.at("l")), ("LD_PRELOAD", set.dir.at("p.so"))];
        let output = Command::new(&setpriv)
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", &main])
            .env_clear()
            .envs(env.clone())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("/main"), "{text}");
        let mut theirs: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(5))
            .filter(|path| path.starts_with('/'))
            .collect();
        theirs.sort_unstable();
        theirs.dedup();
        // A small executable may bring its settings of locale along; they are no objects.
        theirs.retain(|path| path.contains(".so") || *path == main);

        let mut request = Request::new(&main);
        request.env.extend(env.map(|(name, value)| (name.to_owned(), value)));
        request.secure = secure;
        request.implied = false;
        let closure = find(&DirTree::host().unwrap(), System::running(0), &request).unwrap();
        let mut ours: Vec<&str> = closure.members.iter().map(|member| member.resolved.real.to_str().unwrap()).collect();
        ours.sort_unstable();
        assert_eq!(ours, theirs, "mode {mode:o}");
        let trusts = |path: &str| ours.contains(&set.dir.at(path).as_str());
        assert_eq!([trusts("p.so"), trusts("l/liba.so"), trusts("n/own/libe.so")], [!secure, !secure, secure]);
    }
}
