//! Which system calls a program may make inside, whoever it is.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use thinjail_plan::syscalls::{REFUSED, UNKNOWN, call};
use thinjail_tests::host::alone;
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::terminal::Terminal;
use thinjail_tests::{calls, need, skip};

const PERL: &str = "/usr/bin/perl";

/// Runs Perl inside, which prints lines of `WHAT ERRNO`.
fn errnos(flags: &[&str], script: &str) -> BTreeMap<String, i32> {
    let finished = thinjail(["run"]).args(flags).args(["--", PERL, "-e", script]).run();
    let pair = |line: &str| {
        let (what, errno) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        (what.to_owned(), errno.parse().unwrap_or_else(|_| panic!("{line:?}")))
    };
    finished.expect_code(0).stdout.lines().map(pair).collect()
}

/// `say WHAT, STATUS`: a line with errno, 0 for a success.
const SAY: &str =
    r#"$| = 1; sub say { my ($what, $done) = @_; my $errno = $! + 0; print "$what ", $done ? 0 : $errno, "\n" } "#;

const PERM: i32 = 1;
const NOSYS: i32 = 38;
const AFNOSUPPORT: i32 = 97;

/// This machine's number of a system call.
fn number(name: &str) -> Option<u32> {
    let call = call(name)?;
    let number = if cfg!(target_arch = "x86_64") { call.x86_64 } else { call.generic };
    (number != u32::MAX).then_some(number)
}

#[test]
fn the_table_has_the_numbers_of_this_kernel_s_header() {
    need!(skip::program("cc"));
    for (name, found) in calls::numbers() {
        // riscv_hwprobe and its like are each one machine's.
        let Some(known) = number(&name) else { continue };
        assert_eq!(u64::from(known), found, "{name}");
    }
}

#[test]
fn the_table_has_the_generic_numbers_for_other_machines() {
    let header = need!(skip::path("/usr/include/asm-generic/unistd.h"));
    let header = fs::read_to_string(header).unwrap();
    let mut seen = 0;
    for line in header.lines() {
        let Some((name, number)) = line.strip_prefix("#define __NR_").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let (Some(known), Ok(number)) = (call(name), number.trim().parse::<u32>()) else { continue };
        // The header is for machines of 32 bits too, and its last lines are for those that are not there any more.
        if known.generic != u32::MAX {
            assert_eq!(known.generic, number, "{name}");
            seen += 1;
        }
    }
    assert!(seen > 250, "only {seen} numbers in the header");
}

#[test]
fn every_call_of_the_list_is_refused_to_everybody() {
    let _alone = alone();
    need!(skip::namespaces());
    let calls: String = REFUSED
        .iter()
        .filter_map(|refusal| Some((refusal.name, number(refusal.name)?)))
        .map(|(name, number)| format!("$! = 0; say('{name}', syscall({number}, 0, 0, 0, 0, 0, 0) != -1);"))
        .collect();
    for flags in [&["--user", "65534"][..], &["--user", "root", "--capabilities", "sys_chroot,net_admin,kill"]] {
        let said = errnos(flags, &format!("{SAY}{calls}"));
        assert!(said.len() > 55, "{said:?}");
        for (name, errno) in said {
            let expected = if UNKNOWN.contains(&name.as_str()) { NOSYS } else { PERM };
            assert_eq!(errno, expected, "{name} as {flags:?}");
        }
    }
}

#[test]
fn what_a_profile_gives_back_is_allowed_and_what_it_denies_is_not() {
    let _alone = alone();
    need!(skip::namespaces());
    // PTRACE_TRACEME, a personality without the random layout, getppid(2), getpgid(2).
    let [ptrace, personality, getpgid, memfd] =
        ["ptrace", "personality", "getpgid", "memfd_create"].map(|name| number(name).unwrap());
    let script = format!(
        "{SAY} $! = 0; say('personality', syscall({personality}, 0x40000) != -1);
        $! = 0; say('ptrace', syscall({ptrace}, 0, 0, 0, 0) != -1);
        $! = 0; say('getpgid', syscall({getpgid}, 0) != -1);
        my $name = 'x'; $! = 0; say('memfd', syscall({memfd}, $name, 0) != -1);"
    );
    let of = |flags: &[&str]| {
        let said = errnos(flags, &script);
        ["personality", "ptrace", "getpgid", "memfd"].map(|what| said[what])
    };
    assert_eq!(of(&[]), [PERM, PERM, 0, 0]);
    assert_eq!(of(&["--allow-syscalls", "ptrace"]), [PERM, 0, 0, 0]);
    assert_eq!(
        of(&["--allow-syscalls", "personality", "--deny-syscalls", "getpgid,memfd_create"]),
        [0, PERM, PERM, PERM]
    );
}

#[test]
fn only_the_usual_families_of_sockets_are_there() {
    let _alone = alone();
    need!(skip::namespaces());
    // By type SOCK_DGRAM, SOCK_STREAM and SOCK_SEQPACKET: each family knows one of them.
    let script = format!(
        r#"{SAY} for my $family (0 .. 45) {{
            my $best; for my $type (2, 1, 5, 3) {{ $! = 0; if (socket S, $family, $type, 0) {{ $best = 0; last }} $best //= $! + 0 }}
            print "$family $best\n";
        }}"#
    );
    let said = errnos(&[], &script);
    for family in ["1", "2", "16"] {
        assert_eq!(said[family], 0, "{family}");
    }
    for (family, errno) in said {
        if !["1", "2", "10", "16", "17"].contains(&family.as_str()) {
            assert_eq!(errno, AFNOSUPPORT, "{family}");
        }
    }
    let outside = Command::new(PERL).args(["-e", "exit !socket S, 40, 1, 0"]).status().unwrap();
    // Not every kernel has vsock.
    let expected = if outside.success() { 0 } else { AFNOSUPPORT };
    assert_eq!(errnos(&["--allow-syscalls", "af_vsock"], &script)["40"], expected);
}

#[test]
fn nobody_makes_a_set_id_file() {
    let _alone = alone();
    need!(skip::namespaces());
    let script = |dir: &str| {
        let n = |name: &str| number(name).unwrap();
        let (openat, mknodat, fchmodat, fchmodat2) = (n("openat"), n("mknodat"), n("fchmodat"), n("fchmodat2"));
        // O_CREAT|O_WRONLY; O_TMPFILE; a mode that is not looked at must not matter.
        format!(
            r#"{SAY} umask 0; chdir '{dir}' or die; open F, '>', 'plain' or die;
            my ($dot, $plain) = ('.', 'plain');
            for my $bits (04755, 02755, 06755) {{
                $! = 0; say("chmod-$bits", chmod $bits, 'plain');
                $! = 0; say("fchmod-$bits", chmod $bits, *F);
                $! = 0; say("fchmodat-$bits", syscall({fchmodat}, -100, $plain, $bits) != -1);
                $! = 0; say("fchmodat2-$bits", syscall({fchmodat2}, -100, $plain, $bits, 0) != -1);
                $! = 0; my $new = "new$bits"; say("openat-$bits", syscall({openat}, -100, $new, 0101, $bits) != -1);
                $! = 0; say("tmpfile-$bits", syscall({openat}, -100, $dot, 020200001, $bits) != -1);
                $! = 0; my $node = "node$bits"; say("mknodat-$bits", syscall({mknodat}, -100, $node, 0100000 | $bits, 0) != -1);
            }}
            $! = 0; say('read', syscall({openat}, -100, $plain, 0, 06777) != -1);
            $! = 0; say('sticky', chmod 01755, 'plain');"#
        )
    };
    let dir = TempDir::new();
    chmod(dir.path(), 0o777);
    let path = dir.path().display().to_string();
    for user in ["root", "65534"] {
        let said = errnos(&["--user", user, "--write", &path], &script(&path));
        assert_eq!(said.len(), 23);
        for (what, errno) in said {
            assert_eq!(errno, if ["read", "sticky"].contains(&what.as_str()) { 0 } else { PERM }, "{what} as {user}");
        }
        for entry in fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().mode() & 0o6000, 0, "{}", entry.path().display());
            fs::remove_file(entry.path()).unwrap();
        }
    }
    // Where that is wanted, it can be had.
    let flags = ["--user", "65534", "--write", &path, "--allow-syscalls", "set-id"];
    let said = errnos(&flags, &script(&path));
    // fchmodat2(2) is new in Linux 6.6.
    let may = |what: &str, errno: i32| errno == 0 || (errno == NOSYS && what.starts_with("fchmodat2"));
    assert!(said.iter().all(|(what, errno)| may(what, *errno)), "{said:?}");
}

#[test]
fn programs_of_32_bits_and_their_ways_into_the_kernel_are_refused() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("cc"));
    if !cfg!(target_arch = "x86_64") {
        skip!("other machines have no such ways");
    }
    let dir = TempDir::new();
    let source = dir.file(
        "ways.c",
        r#"
        #include <stdio.h>
        #include <unistd.h>
        int main(void) {
            long old, x32;
            __asm__ volatile("int $0x80" : "=a"(old) : "a"(20L) : "memory");
            __asm__ volatile("syscall" : "=a"(x32) : "a"(0x40000000L | 39) : "rcx", "r11", "memory");
            printf("int80 %ld\nx32 %ld\n", old > 0 ? 0 : -old, x32 > 0 ? 0 : -x32);
        }"#,
    );
    let program = dir.at("ways");
    assert!(Command::new("cc").arg("-o").arg(&program).arg(&source).status().unwrap().success());
    let finished = thinjail(["run", "--", &program]).run();
    assert_eq!(finished.expect_code(0).stdout, format!("int80 {NOSYS}\nx32 {NOSYS}\n"));

    // The head of a program for i386 is enough to be refused.
    let mut head = vec![0_u8; 52];
    head[..20].copy_from_slice(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0");
    head[20] = 1;
    head[40] = 52;
    let old = dir.program("old", head).display().to_string();
    thinjail(["run", "--", &old]).run().expect_code(126).expect_stderr(&["i386", "64 bits only"]);
}

#[test]
fn nothing_can_be_typed_into_a_terminal_that_is_shared() {
    let _alone = alone();
    need!(skip::namespaces());
    let script = r#"my $key = "x"; $! = 0; print "sti=", (ioctl(STDIN, 0x5412, $key) ? 0 : $! + 0), "\n";
        my $room = "\0" x 64; $! = 0; print "size=", (ioctl(STDIN, 0x5413, $room) ? 0 : $! + 0), "\n";"#;
    for user in ["65534", "root"] {
        let mut terminal = Terminal::new(["run", "--tty", "--user", user, "--", PERL, "-e", script]);
        assert_eq!(terminal.finish(), Some(0), "{}", terminal.said());
        for said in ["sti=1\r\n", "size=0\r\n"] {
            assert!(terminal.said().contains(said), "{user}: {}", terminal.said());
        }
    }
}
