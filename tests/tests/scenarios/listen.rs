//! Sockets that are opened before the jail is made.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

use crate::SHELL;

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
