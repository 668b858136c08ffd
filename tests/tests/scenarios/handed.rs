//! Sockets that are opened before the jail is made and handed on to each of its lives.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

use crate::SHELL;

#[test]
fn sockets_of_listen_are_the_same_in_each_life_and_gone_after_the_last() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let path = temp.path().join("socket");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let profile = format!(
        "command = ['/bin/sh', '-c', 'test $LISTEN_PID = $$ && echo $LISTEN_FDS $LISTEN_FDNAMES; sleep 0.2']\nprograms = [\"sleep\"]\n\
         user = \"nobody\"\nnetwork = \"none\"\nrestart = \"always\"\nrestart-delay = \"10ms\"\nrestart-limit = 0\n\
         listen = [\"web={tcp}\", \"udp:{udp}\", {path:?}]\n"
    );
    let profiles = temp.profile("handed", &profile);
    let mut jail = thinjail(["run", "handed"]).profiles(&profiles).spawn();
    let lives = |number: usize| {
        move |jail: &thinjail_tests::jail::Running| {
            (jail.stdout().matches("3 web:handed:handed").count() >= number).then_some(())
        }
    };
    jail.wait_until("its first life", lives(1));
    let file = std::fs::metadata(&path).unwrap();
    assert!(file.file_type().is_socket() && file.uid() != 0 && file.mode() & 0o777 == 0o660, "{file:?}");
    // Nobody accepts: the kernel keeps them, whoever lives at the moment.
    let mut kept = Vec::new();
    for life in 2..5 {
        kept.push((TcpStream::connect(tcp).unwrap(), UnixStream::connect(&path).unwrap()));
        assert!(UdpSocket::bind(udp).is_err());
        jail.wait_until("its next life", lives(life));
    }
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), file.ino());
    jail.stop();
    assert!(!path.exists() && TcpStream::connect(tcp).is_err() && UdpSocket::bind(udp).is_ok());
}

#[test]
fn sockets_are_handed_on_by_name_and_the_file_of_one_goes_with_the_jail() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let before = Snapshot::take(&[temp.path()]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = temp.path().join("app.sock");
    let listen = [format!("--listen=web=127.0.0.1:{port}"), format!("--listen={}", file.display())];
    let script = "[ $LISTEN_PID = $$ ] && echo \"$LISTEN_FDS $LISTEN_FDNAMES\"; sleep 100";
    let run = ["run", "--user", "65534", "--programs", "sleep"];
    let mut jail = thinjail(run).args(&listen).args(["--", SHELL, "-c", script]).spawn();
    jail.wait_for_stdout("2 web:sh\n");
    // Nobody accepts them: the kernel's queue is enough to know that they are there.
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(UnixStream::connect(&file).is_ok());

    // A second one is refused before anything is made, and takes nothing away.
    let second = thinjail(run).args(&listen).args(["--", "/bin/cat"]).run();
    second.expect_stderr(&[&port.to_string(), "use"]);
    assert!(UnixStream::connect(&file).is_ok());

    jail.stop();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    before.assert_same_now(&[temp.path()]);
}
