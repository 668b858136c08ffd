//! The article's own commands, by hand, on this very system: what thinjail is compared with.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip, tiny};

fn jail(root: &Path, more: &[&str]) -> Output {
    Command::new("jail").arg("-c").arg(format!("path={}", root.display())).args(more).output().unwrap()
}

#[test]
fn what_the_article_does_by_hand_works_here() {
    need!(skip::root());
    need!(skip::program("jail"));
    let temp = TempDir::new();
    let echo = need!(tiny::program(&temp, "static-echo"));
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let root = temp.dir("myjail");
    fs::copy(echo, root.join("echo")).unwrap();
    let hello = ["command=/echo", "Hello", "from", "jail"];
    let said = jail(&root, &hello);
    assert_eq!(String::from_utf8_lossy(&said.stdout), "Hello from jail\n", "{said:?}");
    fs::copy("/bin/echo", root.join("echo")).unwrap();
    let said = jail(&root, &hello);
    // Which interpreter it lacks the kernel tells the terminal, if there is one.
    assert!(String::from_utf8_lossy(&said.stderr).contains("exited on signal 6"), "{said:?}");
    for (dir, file) in [("libexec", "ld-elf.so.1"), ("lib", "libc.so.7")] {
        temp.dir(&format!("myjail/{dir}"));
        fs::copy(Path::new("/").join(dir).join(file), root.join(dir).join(file)).unwrap();
    }
    let said = jail(&root, &hello);
    assert_eq!(String::from_utf8_lossy(&said.stdout), "Hello from jail\n", "{said:?}");
    before.assert_same_now(&[]);
}
