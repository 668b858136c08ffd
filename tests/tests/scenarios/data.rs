//! The host's data: what a jail reads and writes is there afterwards, whole, and nothing else was touched.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

use crate::{SHELL, sh};

/// Every file below, with a hash of what it holds, and who owns it.
pub(crate) fn hashes(dir: &Path) -> BTreeMap<PathBuf, (u64, u32, u32)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let (path, meta) = (entry.path(), entry.metadata().unwrap());
            let mut hasher = DefaultHasher::new();
            if meta.is_dir() {
                dirs.push(path.clone());
            } else if meta.is_file() {
                fs::read(&path).unwrap().hash(&mut hasher);
            }
            found.insert(path, (hasher.finish(), meta.mode(), meta.uid()));
        }
    }
    found
}

/// A tree of files of many sizes.
pub(crate) fn fill(temp: &TempDir, name: &str) -> PathBuf {
    let dir = temp.dir(name);
    for number in 0..20_u32 {
        temp.dir(&format!("{name}/{}", number % 4));
        let content: Vec<u8> = (0..number * number * 97).map(|byte| byte.to_le_bytes()[0]).collect();
        temp.file(&format!("{name}/{}/{number}", number % 4), content);
    }
    dir
}

#[test]
fn data_is_the_same_after_a_hundred_jails_of_every_end() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let (read, write) = (fill(&temp, "read"), fill(&temp, "write"));
    let before = hashes(temp.path());
    let host = Snapshot::take(&[temp.path()]);
    let flags = ["--read", read.to_str().unwrap(), "--write", write.to_str().unwrap(), "--tmp"];
    let flags: Vec<&str> = ["--user", "root"].into_iter().chain(flags).collect();
    for round in 0..100 {
        let script = match round % 4 {
            0 => "exit 0".to_owned(),
            1 => format!("read -r _ <{}/1/1; exit 3", read.display()),
            2 => "kill -KILL $$".into(),
            _ => "cd /tmp && : >file && exit 0".into(),
        };
        let ended = sh(&flags, &script);
        assert_ne!(ended.code(), Some(125), "round {round}: {}", ended.stderr);
    }
    assert!(hashes(temp.path()) == before, "the data has changed");
    host.assert_same_now(&[temp.path()]);
}

#[test]
fn what_was_written_is_there_and_nothing_else_changed() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let (read, write) = (fill(&temp, "read"), fill(&temp, "write"));
    let mut before = hashes(temp.path());
    let flags = ["--user", "root", "--read", read.to_str().unwrap(), "--write", write.to_str().unwrap()];
    let target = write.join("2/2");
    sh(&flags, &format!("echo new >{}", target.display())).expect_code(0);
    assert_eq!(fs::read_to_string(&target).unwrap(), "new\n");
    let mut after = hashes(temp.path());
    assert!(before.remove(&target).is_some() && after.remove(&target).is_some());
    assert!(before == after, "something else has changed");
}

#[test]
fn a_link_planted_in_a_write_directory_leads_no_mount_elsewhere() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let (write, inner, elsewhere) = (temp.dir("write"), temp.dir("inner"), temp.dir("elsewhere"));
    temp.dir("write/sub");
    temp.file("inner/page", "page\n");
    let mounts = [format!("{}:/data:write", write.display()), format!("{}:/data/sub", inner.display())];
    let flags = ["--user", "root", "--mount", &mounts[0], "--mount", &mounts[1]];
    let first = sh(&flags, "read -r line </data/sub/page && echo \"$line\"");
    assert_eq!(first.expect_code(0).stdout, "page\n");
    // What a hostile program may do there between two runs.
    fs::remove_dir(write.join("sub")).unwrap();
    symlink(&elsewhere, write.join("sub")).unwrap();
    let before = Snapshot::take(&[temp.path()]);
    let planted = sh(&flags, "exit 0");
    planted.expect_code(125).expect_stderr(&["sub"]);
    before.assert_same_now(&[temp.path()]);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_link_planted_in_a_write_directory_makes_no_directory_and_brings_no_file() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let (write, elsewhere) = (temp.dir("write"), temp.dir("elsewhere"));
    let secret = temp.file("elsewhere/key", "of the host\n");
    for (name, to) in [("made", elsewhere.join("new")), ("key", secret), ("way", elsewhere)] {
        symlink(to, write.join(name)).unwrap();
    }
    let before = Snapshot::take(&[temp.path()]);
    let at = |name: &str| write.join(name).display().to_string();
    let made = format!("{}:/made:create,write", at("made"));
    let below = format!("{}:/made:create,write", at("way/new"));
    let (write, key) = (write.display().to_string(), at("key"));
    for more in [["--mount", &made], ["--mount", &below], ["--secrets", &key], ["--read", &key]] {
        let flags = [&["--user", "root", "--write", &write], &more[..]].concat();
        sh(&flags, "exit 0").expect_code(125).expect_stderr(&["stands where the program may write", "help: write "]);
        before.assert_same_now(&[temp.path()]);
    }
}

#[test]
fn a_link_planted_in_a_write_directory_is_a_link_inside_and_leads_nowhere() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let write = temp.dir("write");
    let secret = temp.file("secret", "of the host\n");
    symlink(&secret, write.join("link")).unwrap();
    let before = Snapshot::take(&[temp.path()]);
    let mount = format!("{}:/data:write", write.display());
    let script = "read -r line </data/link && echo \"$line\"; echo changed >/data/link; exit 0";
    let said = sh(&["--user", "root", "--mount", &mount], script);
    assert_eq!(said.expect_code(0).stdout, "");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "of the host\n");
    before.assert_same_now(&[temp.path()]);
}

#[test]
fn a_directory_made_for_the_jail_has_its_owner_and_one_that_holds_data_stays() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let made = temp.path().join("made");
    let mount = format!("{}:create,write,owner=nobody,mode=0700", made.display());
    let script = format!("echo kept >{}/file", made.display());
    sh(&["--mount", &mount], &script).expect_code(0);
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = passwd.lines().find_map(|line| line.strip_prefix("nobody:")).unwrap();
    let uid: u32 = nobody.split(':').nth(1).unwrap().parse().unwrap();
    let meta = fs::metadata(&made).unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o777), (uid, 0o700));
    assert_eq!(fs::read_to_string(made.join("file")).unwrap(), "kept\n");
}

#[test]
fn a_plan_is_printed_the_same_twice_and_touches_nothing() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let dir = fill(&temp, "read");
    let before = Snapshot::take(&[temp.path()]);
    let plan = || thinjail(["plan", "--read", dir.to_str().unwrap(), "--tmp", "--", SHELL]).run();
    let (one, two) = (plan(), plan());
    assert_eq!(one.expect_code(0).stdout, two.expect_code(0).stdout);
    assert!(one.stdout.contains(dir.to_str().unwrap()));
    before.assert_same_now(&[temp.path()]);
}
