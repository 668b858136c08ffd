//! The last of the tests of supervision.

use super::*;

#[test]
fn death_of_init_ends_the_supervisor_which_says_so() {
    let _alone = alone();
    need!(skip::namespaces());
    for wait in ["main", "all"] {
        let before = Snapshot::take(&[]);
        let (running, inside) = family(&["--wait", wait]);
        send(inside[0].pid, Signal::KILL);
        running.finish().expect_code(137).expect_stderr(&["exited on signal 9"]);
        all_gone(&inside);
        before.assert_same_now(&[]);
    }
}

#[test]
fn a_supervisor_holds_no_directory_of_the_host() {
    let _alone = alone();
    need!(skip::namespaces());
    // Of several libraries, since the directory that was looked into last is kept for the next question.
    let (running, inside) = family(&[]);
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap();
    let held: Vec<_> = descriptors.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    let held: Vec<_> = held.iter().map(|path| std::fs::read_link(path).unwrap()).collect();
    assert!(held.is_empty(), "{held:?}");
    running.signal(Signal::KILL);
    running.finish();
    all_gone(&inside);
}

#[test]
fn death_of_the_main_process_ends_the_jail() {
    let _alone = alone();
    need!(skip::namespaces());
    let before = Snapshot::take(&[]);
    let (running, inside) = family(&[]);
    send(inside[1].pid, Signal::KILL);
    running.finish().expect_code(137).expect_stderr(&["exited on signal 9"]);
    all_gone(&inside);
    before.assert_same_now(&[]);
}

#[test]
fn nothing_inside_can_end_or_stop_init() {
    let _alone = alone();
    need!(skip::namespaces());
    let script = r#"
        $| = 1;
        for my $name (qw(KILL STOP TERM HUP INT CHLD SEGV)) { kill $name, 1; kill $name, -1 if $name =~ /HUP|INT/ }
        kill $_, 1 for 1 .. 64;
        select undef, undef, undef, 0.1;
        print "still here\n";
        exit 6;
    "#;
    // As root, which may send signals to init; to others it is refused.
    for user in ["root", "65534"] {
        let finished = perl(
            &["--user", user, "--capabilities", "kill"],
            &format!("$SIG{{HUP}} = $SIG{{INT}} = sub {{}}; {script}"),
        )
        .run();
        finished.expect_code(6);
        assert_eq!(finished.stdout, "still here\n");
    }
}

pub(super) fn perl_args<'a>(flags: &[&'a str], script: &'a str) -> Vec<&'a str> {
    [&["run"], flags, &["--", PERL, "-e", script]].concat()
}

#[test]
fn a_standard_descriptor_that_was_closed_is_dev_null_inside() {
    let _alone = alone();
    need!(skip::namespaces());
    let closing = ["/bin/sh", "-c", "exec \"$@\" 0<&- 2>&-", "sh"];
    let script = "$null = (stat '/dev/null')[6]; print join ' ', map { (stat $_)[6] == $null } *STDIN, *STDERR";
    let finished = thinjail_through(closing, ["run", "--", PERL, "-e", script]).run();
    assert_eq!(finished.expect_code(0).stdout, "1 1");
}

#[test]
fn death_of_the_supervisor_ends_the_jail() {
    let _alone = alone();
    need!(skip::namespaces());
    for wait in ["main", "all"] {
        let before = Snapshot::take(&[]);
        let (running, inside) = family(&["--wait", wait]);
        running.signal(Signal::KILL);
        assert_eq!(running.finish().signal(), Some(9));
        all_gone(&inside);
        before.assert_same_now(&[]);
    }
}
