//! What `enable` and `disable` do not touch.

use std::fs;
use std::path::Path;

use thinjail_tests::need;

use crate::etc;
use crate::system::{System, tells};

/// The file that somebody may have changed.
fn file(system: System) -> &'static str {
    match system {
        System::Systemd => "/etc/systemd/system/changed.service",
        System::OpenRc | System::SysV => "/etc/init.d/changed",
        System::Runit => "/etc/sv/changed/run",
    }
}

#[test]
fn a_file_that_was_changed_is_named_and_stays() {
    let system = need!(System::here());
    let file = file(system);
    tells(&["enable", "redis", "--as=changed"]).run().expect_code(0);
    let ours = fs::read_to_string(file).unwrap();
    let theirs = ours.clone() + "# mine\n";
    fs::write(file, &theirs).unwrap();
    // Neither written over nor removed.
    let again = tells(&["enable", "redis", "--as=changed"]).run();
    again.expect_code(1).expect_stderr(&[file, "has been changed since thinjail wrote it"]);
    tells(&["disable", "--now", "redis", "--as=changed"]).run().expect_code(1).expect_stderr(&[file, "and stays"]);
    assert_eq!(fs::read_to_string(file).unwrap(), theirs);
    // By now it is somebody else's.
    let foreign = tells(&["enable", "redis", "--as=changed"]).run();
    foreign.expect_code(1).expect_stderr(&[file, "and not thinjail's"]);
    fs::remove_file(file).unwrap();
    let _ = fs::remove_dir("/etc/sv/changed");
}

#[test]
fn one_who_comes_while_another_is_at_work_changes_nothing() {
    need!(System::here());
    let without = etc::now();
    let directory = Path::new("/var/lib/thinjail");
    fs::create_dir_all(directory).unwrap();
    let other = fs::File::create(directory.join("lock")).unwrap();
    other.lock().unwrap();
    let before = etc::now();
    for words in [&["enable", "redis", "--as=second"][..], &["disable", "second"], &["adopt", "redis-server"]] {
        let refused = tells(words).run();
        refused.expect_code(1).expect_stderr(&["another thinjail is just changing the services", "wait for it"]);
    }
    etc::assert_same(&before, &etc::now());
    drop(other);
    // Nobody holds what a killed one has left.
    tells(&["disable", "second"]).run().expect_code(1).expect_stderr(&["second was not enabled by thinjail"]);
    etc::assert_same(&without, &etc::now());
}

#[test]
fn a_profile_that_would_not_start_is_no_service() {
    need!(System::here());
    let before = etc::now();
    let profile = "/etc/thinjail/broken.toml";
    fs::create_dir_all("/etc/thinjail").unwrap();
    fs::write(profile, "command = \"/nonexistent\"\nuser = \"nobody\"\n").unwrap();
    tells(&["enable", "broken"]).run().expect_code(1).expect_stderr(&["/nonexistent"]);
    fs::remove_file(profile).unwrap();
    let _ = fs::remove_dir("/etc/thinjail");
    etc::assert_same(&before, &etc::now());
}

#[test]
fn enabling_once_more_writes_what_has_changed() {
    let system = need!(System::here());
    let before = etc::now();
    let profile = "/etc/thinjail/slow.toml";
    let write = |time: &str| {
        fs::create_dir_all("/etc/thinjail").unwrap();
        let text = format!("command = \"/bin/sleep 1000\"\nuser = \"nobody\"\nstop-timeout = \"{time}\"\n");
        fs::write(profile, text).unwrap();
    };
    write("5s");
    tells(&["enable", "slow"]).run().expect_code(0);
    write("25s");
    let again = tells(&["enable", "slow"]).run();
    again.expect_code(0);
    let (old, new) = match system {
        System::Systemd => ("-TimeoutStopSec=15\n", "+TimeoutStopSec=35\n"),
        System::OpenRc => ("-retry=\"TERM/15/KILL/5\"\n", "+retry=\"TERM/35/KILL/5\"\n"),
        // Their texts have no time.
        System::SysV | System::Runit => ("", ""),
    };
    assert!(again.stdout.contains(old) && again.stdout.contains(new), "{}", again.stdout);
    tells(&["disable", "--now", "slow"]).run().expect_code(0);
    fs::remove_file(profile).unwrap();
    let _ = fs::remove_dir("/etc/thinjail");
    etc::assert_same(&before, &etc::now());
}
