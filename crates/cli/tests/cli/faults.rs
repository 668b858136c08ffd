//! `check` on ten broken profiles: every fault at once, each with what to write.

use thinjail_tests::{need, skip};

use crate::run_thinjail::thinjail;
use crate::scratch::Scratch;

/// A profile, and for each of its faults what is said and the line to paste, in order.
const BROKEN: [(&str, &[(&str, &str)]); 10] = [
    (
        // An old hand's: underscores, brackets and quotes forgotten, a key of systemd.
        "command = \"/bin/sh\"\nuser = nobody\nrun_dir = \"x\"\nread = \"/etc/hosts\"\nReadWritePaths = [\"/srv\"]\numask = 22\n",
        &[
            ("x.toml:2:8: the value of `user` can't be understood", "write user = \"nobody\""),
            ("x.toml:3:1: unknown key `run_dir`", "did you mean `run-dir`?"),
            ("x.toml:4:8: `read` takes a list of strings", "write read = [\"/etc/hosts\"]"),
            ("x.toml:5:1: unknown key `ReadWritePaths`", "systemd's word; here it is `write`"),
            ("x.toml:6:9: `umask` takes a string", "write umask = \"22\""),
        ],
    ),
    (
        "comand = \"/bin/sh\"\nuser = \"nosuchuser\"\nread = [\"/nonexistent/a\"]\nnetwork = \"host\"\n",
        &[
            ("unknown key `comand`", "did you mean `command`?"),
            ("there is no user \"nosuchuser\"", "write the name of a user of the host"),
            ("network = \"host\" is not known", "write network = \"inherit\""),
            ("read = \"/nonexistent/a\": /nonexistent does not exist", "optional = true"),
        ],
    ),
    (
        "command = \"/bin/sh -c true && /bin/echo $HOME\"\nusers = [\"nosuchuser\"]\n",
        &[
            (
                "x.toml:1:11: `command` is no line of a shell, and && would be handed",
                "write command = [\"/bin/sh\", \"-c\", \"/bin/sh -c true && /bin/echo $HOME\"]",
            ),
            ("no user is written", "write user = \"www-data\""),
            ("users: there is no user \"nosuchuser\"", "take it out"),
        ],
    ),
    (
        "command = [\"/bin/sh\"]\nuser = \"nobody\"\n[[mount]]\ntarget = \"/x\"\nwrit = true\n[[mount]]\nsource = 5\n",
        &[
            ("a [[mount]] without `source`", "write source = \"/path/on/the/host\""),
            ("unknown key `writ` in [mount]", "did you mean `write`?"),
            ("`mount.source` takes a string", "write source = \"5\""),
        ],
    ),
    (
        "command = [\"/bin/sh\"\nuser = \"nobody\"\ntmp = \"much\"\nproc = \"some\"\n",
        &[
            ("x.toml:1:11: the list of `command` is never closed", "write command = [\"/bin/sh\"]"),
            ("tmp = \"much\" is no size", "\"64M\""),
            ("proc = \"some\" is not known", "write one of pid, full, none"),
        ],
    ),
    (
        "command = \"/nonexistent/daemon\"\nuser = \"0\"\nstop-signal = \"TREM\"\nstop-timeout = \"soon\"\nwait = \"both\"\n",
        &[
            ("run /nonexistent/daemon", "check the path, or install the program"),
            ("user = \"0\" is uid 0 by another name", "write user = \"root\""),
            ("TREM", "TERM"),
            ("stop-timeout = \"soon\" is no time", "\"10s\""),
            ("wait = \"both\" is not known", "write one of main, all"),
        ],
    ),
    (
        "command = \"/bin/sh\"\nuser = \"nobody\"\ncapabilities = [\"sys_admin\", \"chwon\"]\ndevices = [\"ptmx\", \"nosuch\"]\n",
        &[
            ("sys_admin", "take it out"),
            ("chwon", "chown"),
            ("devices: ptmx would undo the jail", "take it out"),
            ("devices: nosuch: /dev/nosuch does not exist", "below /dev"),
        ],
    ),
    (
        "command = \"/bin/sh\"\nuser = \"nobody\"\nread = [\"/proc/cpuinfo\", \"relative\", \"/usr/../etc\"]\nwrite = [\"/sys/fs\"]\n",
        &[
            ("read = \"/proc/cpuinfo\"", "proc = \"full\""),
            ("read = \"relative\"", "from the root on"),
            ("read = \"/usr/../etc\"", "without `..`"),
            ("write = \"/sys/fs\"", "the directories below it"),
        ],
    ),
    (
        "command = \"/bin/sh\"\nuser = \"nobody\"\n[limits]\nopenfile = 10\nmaxproc = -1\nwrite = [\"/srv\"]\n",
        &[
            ("`limits` takes a table of numbers", "write maxproc = \"unlimited\""),
            ("`write` stands below the heading of `limits`", "move `write` up"),
            ("there is no limit \"openfile\"", "did you mean openfiles?"),
        ],
    ),
    (
        "command = \"/bin/sh 'x\"\nuser = [\"nobody\"]\n[linux]\nuser = 5\nhostnam = \"x\"\n[linux.linux]\n",
        &[
            ("`command` can't be split into words: the ' quote is never closed", "write a list instead"),
            ("`user` takes a string", "write user = \"nobody\""),
            ("`linux` can't hold `linux`", "each system's table by itself"),
        ],
    ),
];

#[test]
fn check_on_ten_broken_profiles_shows_all_faults_at_once_each_with_what_to_write() {
    need!(skip::root());
    let scratch = Scratch::new();
    for (text, faults) in BROKEN {
        // Which device is refused is each system's own: FreeBSD's jails have terminals of their own.
        let here = |text: &str| if cfg!(target_os = "freebsd") { text.replace("ptmx", "mem") } else { text.into() };
        let said = thinjail(&["check", "--profile", &scratch.file("x.toml", here(text))]);
        assert_eq!((said.code, said.err.as_str()), (1, ""), "{text}\n{}", said.out);
        for (what, help) in faults {
            let Some(at) = said.out.find(&here(what)) else { panic!("no {what:?} for\n{text}\n{}", said.out) };
            let block: String = said.out[at..]
                .lines()
                .enumerate()
                .take_while(|(index, line)| *index == 0 || line.starts_with("  "))
                .map(|(_, line)| format!("{line}\n"))
                .collect();
            assert!(block.split("  help: ").nth(1).is_some_and(|said| said.contains(help)), "no {help:?} in\n{block}");
        }
        // And nothing else.
        let blocks = said.out.lines().filter(|line| !line.starts_with("  ")).count();
        assert_eq!(blocks, faults.len(), "{text}\n{}", said.out);
    }
}

#[test]
fn of_many_faults_run_shows_the_first_and_the_line_that_shows_all() {
    let scratch = Scratch::new();
    let profile = scratch.file("x.toml", BROKEN[0].0);
    let said = thinjail(&["run", "--user=nobody", "--dry-run", "--profile", &profile]);
    said.fails(125, "the value of `user`", "write user = \"nobody\"");
    assert!(
        said.err.contains(&format!("and 4 more; `thinjail check --user=nobody --profile {profile}` lists all")),
        "{}",
        said.err
    );
}
