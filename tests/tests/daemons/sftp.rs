//! sshd for sftp alone: an account of the host puts and gets files, and nothing else.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;

use thinjail_tests::client::{ask, listens, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::{need, profiles, skip};

use super::{assert_filtered, uid_of};

#[test]
fn sshd_serves_sftp_below_its_directory_and_no_shell() {
    need!(skip::namespaces());
    for program in ["sshd", "sftp", "ssh", "ssh-keygen"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    need!(port_free(8186));
    let trees = [Path::new("/etc/ssh"), Path::new("/run/sftp.pid"), Path::new("/run/sshd")];
    let before = Snapshot::take(&trees);
    let temp = TempDir::new();
    let (files, keys) = (temp.dir("sftp/games"), temp.dir("keys"));
    chown(&files, Some(uid_of("games")), None).unwrap();
    temp.file("sftp/root-only", "x");
    let key = temp.at("key");
    ask(Path::new("ssh-keygen"), &["-q", "-t", "ed25519", "-N", "", "-f", &key]);
    fs::copy(format!("{key}.pub"), keys.join("games")).unwrap();
    chmod(&temp.path().join("sftp/root-only"), 0o600);

    let profile = profiles::replaced(profiles::SFTP, "users = [\"sshd\"]", "users = [\"sshd\", \"games\"]");
    let profile = profiles::replaced(&profile, "/srv/sftp", &temp.at("sftp"));
    let profile = profiles::replaced(&profile, "/etc/ssh/authorized_keys/%u", &format!("{}/%u", keys.display()));
    let profile = profiles::replaced(&profile, "sshd -D -e ", "sshd -D -e -p 8186 -o ListenAddress=127.0.0.1 ");
    let profile = profiles::replaced(&profile, "read = [\"/etc/ssh\"]", &format!("read = [\"/etc/ssh\", {keys:?}]"));
    let profiles = temp.profile("sftp", &profile);
    let mut jail = thinjail(["run", "sftp"]).profiles(&profiles).spawn();
    jail.wait_until("sshd serves port 8186", |_| listens(8186).then_some(()));

    let known = temp.at("known");
    let options = [
        "-i",
        &key,
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        &format!("UserKnownHostsFile={known}"),
    ];
    let local = temp.file("local", "hello sftp\n");
    let batch = temp.file(
        "batch",
        format!(
            "put {} games/there\nls -l games\nget games/there {}\n-get root-only {}\n",
            local.display(),
            temp.at("back"),
            temp.at("denied")
        ),
    );
    let words = [&options[..], &["-P", "8186", "-b", batch.to_str().unwrap(), "games@127.0.0.1"]].concat();
    let listed = ask(Path::new("sftp"), &words);
    assert!(listed.contains("there"), "{listed}");
    assert_eq!(fs::read_to_string(temp.at("back")).unwrap(), "hello sftp\n");
    assert_eq!(fs::metadata(files.join("there")).unwrap().uid(), uid_of("games"));
    assert!(!Path::new(&temp.at("denied")).exists());

    // A command is not run, and another account does not get in.
    let ssh = |account: &str, command: &str| {
        let said = Command::new("ssh").args(options).args(["-p", "8186", account, command]).output().unwrap();
        (said.status.code(), String::from_utf8_lossy(&said.stdout).into_owned())
    };
    let (code, said) = ssh("games@127.0.0.1", "id");
    assert!(code != Some(0) && !said.contains("uid="), "{said}");
    assert_eq!(ssh("root@127.0.0.1", "id").0, Some(255));

    assert_filtered(&jail);
    let ended = jail.stop();
    assert!(ended.stderr.contains("Received signal 15"), "{}", ended.stderr);
    before.assert_same_now(&trees);
}
