//! Keys of a profile that no other test is about: what each of them does, seen from inside.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

/// What a profile's program says.
#[track_caller]
fn said(dir: &TempDir, lines: &str) -> String {
    let profile = dir.file("keys.toml", lines);
    let finished = thinjail(["run", "--profile", profile.to_str().unwrap()]).run();
    finished.expect_code(0).stdout.clone()
}

#[test]
fn directories_of_its_own_are_made_and_written() {
    need!(skip::namespaces());
    let _alone = alone();
    let name = format!("thinjail-keys-{}", std::process::id());
    let kept = ["/var/lib", "/var/log", "/var/cache"].map(|base| format!("{base}/{name}"));
    let before = Snapshot::take(&["/run".as_ref(), "/var/log".as_ref()]);
    let dir = TempDir::new();
    let lines = format!(
        "user = \"nobody\"\nusers = [\"games\"]\nprograms = [\"stat\"]\nrun-dir = \"{name}\"\nstate-dir = \"{name}\"\n\
         log-dir = \"{name}\"\ncache-dir = \"{name}\"\n\
         command = ['/bin/sh', '-c', '''for d in /run /var/lib /var/log /var/cache; do \
         stat -c \"%U %a\" $d/{name}; echo x >$d/{name}/x && unset x || echo \"$d is read-only\"; done; rm -f x; \
         stat -c %n /run/{name}/x; : >/run/{name}/x; while IFS=: read -r n r; do echo $n; done </etc/passwd''']\n"
    );
    let lines = lines.replace("programs = [\"stat\"]", "programs = [\"stat\", \"rm\"]");
    let text = said(&dir, &lines);
    let expected = format!("nobody 755\nnobody 750\nnobody 750\nnobody 750\n/run/{name}/x\ngames\nnobody\n");
    assert_eq!(text, expected);
    for path in &kept {
        assert_eq!(fs::read_to_string(format!("{path}/x")).unwrap(), "x\n");
        fs::remove_dir_all(path).unwrap();
    }
    // The file that was left in the directory of its run was the user's own.
    assert!(!Path::new("/run").join(&name).exists());
    before.assert_same_now(&["/run".as_ref(), "/var/log".as_ref()]);
}

#[test]
fn words_of_a_mount_are_as_written() {
    need!(skip::namespaces());
    let dir = TempDir::new();
    dir.dir("tools");
    dir.program("tools/tool", "#!/bin/sh\necho executed\n");
    let lines = format!(
        "user = \"nobody\"\nprograms = [\"stat\"]\n\
         command = ['/bin/sh', '-c', 'stat -c \"%u %g %a\" /new; /tools/tool; test -e /absent || echo absent; echo x >/new/x 2>/dev/null || echo denied']\n\
         [[mount]]\nsource = \"{0}/new\"\ntarget = \"/new\"\nwrite = true\ncreate = true\nowner = \"games\"\ngroup = \"adm\"\nmode = \"0705\"\n\
         [[mount]]\nsource = \"{0}/tools\"\ntarget = \"/tools\"\nwrite = true\nexec = true\n\
         [[mount]]\nsource = \"{0}/not-there\"\ntarget = \"/absent\"\noptional = true\n",
        dir.path().display()
    );
    assert_eq!(said(&dir, &lines), "5 4 705\nexecuted\nabsent\ndenied\n");
    let meta = fs::metadata(dir.path().join("new")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (5, 4, 0o705));
    // Without `exec` what may be written can't be executed.
    let refused =
        lines.replace("exec = true\n", "").replace("/tools/tool;", "/tools/tool 2>/dev/null || echo refused;");
    assert_eq!(said(&dir, &refused), "5 4 705\nrefused\nabsent\ndenied\n");
}

#[test]
fn a_table_of_one_system_holds_there_only() {
    need!(skip::namespaces());
    let dir = TempDir::new();
    let lines = "user = \"nobody\"\ncommand = \"/bin/sh -c 'echo $WHERE $ALL'\"\nenv = { WHERE = \"anywhere\", ALL = \"all\" }\n\
                 [linux]\nenv = { WHERE = \"linux\" }\n[freebsd]\nenv = { WHERE = \"freebsd\" }\ncommand = \"/nowhere\"\n";
    assert_eq!(said(&dir, lines), "linux all\n");
    // And what is laid upon another profile has its program.
    let profiles = dir.profile("one", lines);
    dir.file("profiles/two.toml", "use = \"one\"\nenv = { ALL = \"mine\" }\n");
    let finished = thinjail(["run", "two"]).profiles(&profiles).run();
    assert_eq!(finished.expect_code(0).stdout, "linux mine\n");
}

#[test]
fn secrets_are_read_by_the_user_that_runs_though_only_root_reads_them_outside() {
    need!(skip::namespaces());
    let dir = TempDir::new();
    let key = dir.file("key", "a key\n");
    thinjail_tests::temp::chmod(&key, 0o600);
    let lines = |key: &str| {
        format!(
            "user = \"nobody\"\nprograms = [\"stat\", \"cat\"]\n{key}\n\
         command = ['/bin/sh', '-c', 'stat -c \"%U %a\" {0}; cat {0}; : >{0} || echo kept']\nusers = [\"nobody\"]\n",
            dir.at("key")
        )
    };
    let secrets = format!("secrets = [\"{}\"]", dir.at("key"));
    let text = {
        let profile = dir.file("keys.toml", lines(&secrets));
        thinjail(["run", "--profile", profile.to_str().unwrap()]).run().stdout
    };
    assert_eq!(text.lines().take(2).collect::<Vec<_>>(), ["nobody 400", "a key"]);
    assert_eq!(fs::read_to_string(&key).unwrap(), "a key\n");
    // Mounted, it stays what it is on the host.
    let read = format!("read = [\"{}\"]", dir.at("key"));
    let profile = dir.file("keys.toml", lines(&read));
    let mounted = thinjail(["run", "--profile", profile.to_str().unwrap()]).run();
    assert!(!mounted.stdout.contains("a key") && mounted.stderr.contains("Permission denied"), "{mounted:?}");
}

#[test]
fn variables_of_an_env_file_are_inside_and_their_values_in_no_plan() {
    need!(skip::namespaces());
    let dir = TempDir::new();
    let common = dir.file("common.env", "# all of them\nWHERE=common\nKEPT='a $HOME b'\nMINE=file\n");
    let own = dir.file("own.env", "WHERE=\"own\"\nTOKEN=top-secret\n");
    [&common, &own].into_iter().for_each(|file| thinjail_tests::temp::chmod(file, 0o600));
    let lines = format!(
        "user = \"nobody\"\nenv-file = [{common:?}, {own:?}]\nenv = {{ MINE = \"profile\" }}\n\
         command = ['/bin/sh', '-c', 'echo $WHERE, $KEPT, $MINE, $TOKEN; test -e {} || echo unseen']\n",
        own.display()
    );
    assert_eq!(said(&dir, &lines), "own, a $HOME b, profile, top-secret\nunseen\n");
    let profile = dir.file("keys.toml", &lines);
    for words in [&["plan"][..], &["plan", "--json"], &["facts"]] {
        let words: Vec<&str> = words.iter().copied().chain(["--profile", profile.to_str().unwrap()]).collect();
        let finished = thinjail(&words).run();
        let shown = &finished.expect_code(0).stdout;
        assert!(shown.contains("TOKEN") && !shown.contains("top-secret"), "{shown}");
    }
    // It is read at each start, and not one that others may write.
    dir.file("own.env", "TOKEN=other\n");
    assert_eq!(said(&dir, &lines), "common, a $HOME b, profile, other\nunseen\n");
    thinjail_tests::temp::chmod(&own, 0o606);
    let refused = || thinjail(["run", "--profile", profile.to_str().unwrap()]).run().expect_code(125).stderr.clone();
    let others = refused();
    assert!(others.contains("users other than its owner may write"), "{others}");
    thinjail_tests::temp::chmod(&own, 0o600);
    dir.file("own.env", "TOKEN=1\ntop-secret\n");
    let refused = refused();
    assert!(refused.contains("own.env:2: there is no = in it") && !refused.contains("top-secret"), "{refused}");
}

#[test]
fn links_that_lead_out_are_followed_if_that_is_written() {
    need!(skip::namespaces());
    let dir = TempDir::new();
    for name in ["conf", "conf/enabled", "available", "more"] {
        dir.dir(name);
    }
    dir.file("available/site", "the site\n");
    dir.file("more/last", "the last\n");
    let at = |name: &str| dir.path().join(name);
    symlink("../../available/site", at("conf/enabled/site")).unwrap();
    symlink(at("more"), at("conf/more")).unwrap();
    symlink("/etc/shadow", at("conf/writable")).unwrap();
    // Whose it is says who could point it elsewhere.
    std::os::unix::fs::lchown(at("conf/writable"), Some(65534), None).unwrap();
    let conf = at("conf").display().to_string();
    let lines = format!(
        "user = \"nobody\"\nread = [{conf:?}]\n\
         command = [\"/bin/sh\", \"-c\", \"for f in enabled/site more/last; do read -r line <{conf}/$f && echo $line; done \
         2>/dev/null; test -e {conf}/writable || echo closed\"]\n"
    );
    assert_eq!(said(&dir, &lines), "closed\n");
    let profile = dir.file("check.toml", &lines);
    let checked = thinjail(["check", "--profile", profile.to_str().unwrap()]).run();
    let checked = checked.expect_code(0).stdout.clone();
    for (link, to) in [("conf/enabled/site", "available/site"), ("conf/more", "more")] {
        let (link, to) = (at(link).display().to_string(), at(to));
        let note = format!("the link {link} leads to {}, which is not inside: write read = [{to:?}]", to.display());
        assert!(checked.contains(&note), "{checked}");
    }
    let follow = format!("links = \"follow\"\n{lines}");
    assert_eq!(said(&dir, &follow), "the site\nthe last\nclosed\n");
    let profile = dir.file("follow.toml", &follow);
    let plan = thinjail(["plan", "--profile", profile.to_str().unwrap()]).run();
    let plan = plan.expect_code(0).stdout.clone();
    assert!(plan.contains("conf/writable -> /etc/shadow is not followed"), "{plan}");
}

#[test]
fn an_env_file_reaches_the_program_by_landlock_alone_and_without_a_supervisor() {
    need!(skip::namespaces());
    let dir = TempDir::new();
    let own = dir.file("own.env", "TOKEN=top-secret\n");
    thinjail_tests::temp::chmod(&own, 0o600);
    let script = format!("echo $TOKEN; test -r {} || echo unseen", own.display());
    for keys in ["isolation = \"landlock\"", "supervisor = false", "isolation = \"landlock\"\nsupervisor = false"] {
        let lines =
            format!("user = \"nobody\"\n{keys}\nenv-file = [{own:?}]\ncommand = ['/bin/sh', '-c', '{script}']\n");
        assert_eq!(said(&dir, &lines), "top-secret\nunseen\n", "{keys}");
        let profile = dir.file("keys.toml", &lines);
        for words in [&["plan"][..], &["plan", "--json"], &["facts"]] {
            let words: Vec<&str> = words.iter().copied().chain(["--profile", profile.to_str().unwrap()]).collect();
            let shown = thinjail(&words).run().expect_code(0).stdout.clone();
            assert!(shown.contains("TOKEN") && !shown.contains("top-secret"), "{keys}: {shown}");
        }
        // Nor in what is kept of a jail that runs.
        let lines =
            lines.replace(&script, "echo $TOKEN; exec sleep 1000").replace("user =", "programs = [\"sleep\"]\nuser =");
        let profile = dir.file("keys.toml", &lines);
        let mut jail = thinjail(["run", "--profile", profile.to_str().unwrap()]).spawn();
        jail.wait_for_stdout("top-secret");
        for kept in fs::read_dir("/run/thinjail").into_iter().flatten().flatten() {
            let text = fs::read(kept.path()).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&text).contains("top-secret"), "{kept:?}");
        }
        jail.stop();
    }
}
