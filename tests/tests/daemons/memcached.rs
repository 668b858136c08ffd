//! memcached: no directory at all.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use thinjail_closure::tree::Kind;
use thinjail_plan::step::Step;
use thinjail_tests::client::{ask, connect, listens, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, profiles, skip};

use super::{assert_filtered, uid_of};

#[test]
fn memcached_serves_with_no_directory_of_the_host() {
    need!(skip::namespaces());
    need!(skip::program("memcached"));
    let (cp, cat) = (need!(skip::program("memccp")), need!(skip::program("memccat")));
    let _alone = alone();
    need!(port_free(11211));
    let before = Snapshot::take(&[]);
    let shipped = profiles::shipped();
    let plan = thinjail(["plan", "--json", "memcached"]).profiles(&shipped.dir).plan();
    let directories = plan
        .inside
        .iter()
        .filter(|planned| matches!(&planned.step, Step::Bind { source, .. } if source.kind == Kind::Directory));
    assert_eq!(directories.count(), 0);

    let mut jail = thinjail(["run", "memcached"]).profiles(&shipped.dir).spawn();
    jail.wait_until("memcached serves port 11211", |_| listens(11211).then_some(()));
    let main = jail.executing("/usr/bin/memcached");
    assert_eq!(main.iter().map(|main| main.uid()).collect::<Vec<_>>(), [Some(uid_of("memcache"))]);

    let temp = TempDir::new();
    let key = temp.file("thinjail-test", "a value of some words\n");
    ask(&cp, &["--servers=127.0.0.1", key.to_str().unwrap()]);
    assert!(ask(&cat, &["--servers=127.0.0.1", "thinjail-test"]).contains("a value of some words"));
    assert_eq!(said("get thinjail-test\r\n"), ["VALUE thinjail-test 0 22", "a value of some words", "", "END"]);

    // memcached takes TERM for an orderly end.
    assert_filtered(&jail);
    jail.stop().expect_code(0);
    before.assert_same_now(&[] as &[&Path]);
}

/// The protocol itself: what the client's library makes of an answer is not all of it.
fn said(command: &str) -> Vec<String> {
    let mut stream = connect(11211).unwrap();
    stream.write_all(command.as_bytes()).unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(stream).lines() {
        lines.push(line.unwrap());
        if lines.last().is_some_and(|line| line == "END") {
            break;
        }
    }
    lines
}
