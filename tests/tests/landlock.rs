//! What Landlock keeps from a program that shares the host's network.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use thinjail_tests::host::alone;
use thinjail_tests::jail::thinjail;
use thinjail_tests::{need, skip};

const PERL: &str = "/usr/bin/perl";
const HEAD: &str = "$| = 1; sub un { pack(q(S a*), 1, qq(\\0$_[0])) } sub inet { pack(q(S n a4 x8), 2, $_[0], qq(\\x7f\\0\\0\\1)) } sub say { my ($what, $done) = @_; my $errno = $! + 0; print qq($what ), $done ? 0 : $errno, qq(\\n) } ";

/// What Perl says inside.
#[track_caller]
fn said(flags: &[&str], script: &str) -> String {
    let script = format!("{HEAD}{script}");
    thinjail(["run"]).args(flags).args(["--", PERL, "-e", &script]).run().expect_code(0).stdout.clone()
}

/// Whether this kernel has an ABI of Landlock, as the facts say.
fn abi(wanted: u64) -> Result<(), skip::Lack> {
    let facts = thinjail(["facts", "--", PERL]).run();
    let facts: serde_json::Value = serde_json::from_str(&facts.expect_code(0).stdout).unwrap();
    let found = facts["landlock"].as_u64().unwrap();
    if found >= wanted { Ok(()) } else { Err(skip::Lack::new(format!("Landlock {wanted}, the kernel has {found}"))) }
}

#[test]
fn abstract_sockets_of_the_host_are_out_of_reach() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(abi(6));
    let name = format!("thinjail-test-{}", std::process::id());
    let stream = SocketAddr::from_abstract_name(&name).unwrap();
    let datagram = SocketAddr::from_abstract_name(format!("{name}-datagram")).unwrap();
    let _stream = UnixListener::bind_addr(&stream).unwrap();
    let _datagram = UnixDatagram::bind_addr(&datagram).unwrap();
    let script = format!(
        r#"my $stream = un('{name}'); my $datagram = un('{name}-datagram');
        socket S, 1, 1, 0; $! = 0; say('connect', connect S, $stream);
        socket D, 1, 2, 0; $! = 0; say('send', defined send D, 'x', 0, $datagram);
        my $own = un('{name}-own'); socket L, 1, 1, 0; bind L, $own; listen L, 1;
        socket O, 1, 1, 0; $! = 0; say('own', connect O, $own);"#
    );
    for user in ["root", "65534"] {
        assert_eq!(said(&["--user", user], &script), "connect 1\nsend 1\nown 0\n", "{user}");
        let flags = ["--user", user, "--abstract-sockets", "inherit"];
        assert_eq!(said(&flags, &script), "connect 0\nsend 0\nown 0\n", "{user}");
    }
    assert_eq!(said(&["--network", "none"], &script), "connect 111\nsend 111\nown 0\n");
}

#[test]
fn tcp_is_limited_to_the_ports_that_are_named() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(abi(4));
    let listeners = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let [one, two] = [&listeners[0], &listeners[1]].map(|listener| listener.local_addr().unwrap().port());
    // Two ports that are free a moment later.
    let free = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let [three, four] = [&free[0], &free[1]].map(|listener| listener.local_addr().unwrap().port());
    drop(free);
    let script = format!(
        r#"for my $port ({one}, {two}) {{ socket S, 2, 1, 0; $! = 0; say('connect', connect S, inet($port)) }}
        for my $port ({three}, {four}) {{ socket S, 2, 1, 0; $! = 0; say('bind', bind S, inet($port)) }}"#
    );
    let (one, three) = (one.to_string(), three.to_string());
    for user in ["root", "65534"] {
        let of = |flags: &[&str]| said(&[&["--user", user], flags].concat(), &script);
        assert_eq!(of(&[]), "connect 0\nconnect 0\nbind 0\nbind 0\n");
        assert_eq!(of(&["--tcp-connect", &one]), "connect 0\nconnect 13\nbind 0\nbind 0\n");
        assert_eq!(of(&["--tcp-bind", &three]), "connect 0\nconnect 0\nbind 0\nbind 13\n");
        let flags = ["--tcp-bind", &three, "--tcp-connect", &one];
        assert_eq!(of(&flags), "connect 0\nconnect 13\nbind 0\nbind 13\n", "{user}");
    }
}
