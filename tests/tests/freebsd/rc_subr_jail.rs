//! share/rc.subr.jail, by a script of rc.d(8) written as those for the port rc-subr-jail are: it runs unchanged, and leaves nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use thinjail_tests::client::{connect, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{binary, need, skip, wait};

const LIBRARY: &str = include_str!("../../../share/rc.subr.jail");
const PORT: u16 = 6047;

/// Binds a socket in a directory that the script has made, as its user, and a port. It listens to SIGUSR1: a sh(1) that was
/// started with SIGHUP ignored, as rc(8) is by init(8), can't.
const PROGRAM: &str = "#!/bin/sh\n\
    echo \"$(id -u)\" >/data/uid || exit 1\n\
    trap 'echo heard >>/data/said' USR1\n\
    nc -l -k -U /socket/node.sock &\n\
    one=$!\n\
    nc -l -k 127.0.0.1 6047 &\n\
    two=$!\n\
    trap 'kill $one $two; exit 0' INT TERM\n\
    while :; do wait; sleep 0.1; done\n";

/// The same variables, in the same order, and the same calls as the port's users have.
fn script(temp: &TempDir) -> String {
    let (library, home) = (temp.at("rc.subr.jail"), temp.at("home"));
    format!(
        "#!/bin/sh\n\n# PROVIDE: tjnode\n# REQUIRE: DAEMON\n# KEYWORD: shutdown\n\n. /etc/rc.subr\n\n\
         name=tjnode\ndesc=\"a node\"\nrcvar=\"tjnode_enable\"\ncommand={home}/tj-node\n\
         start_cmd=\"tjnode_start\"\nstop_cmd=\"tjnode_stop\"\nstatus_cmd=\"tjnode_status\"\nreload_cmd=\"tjnode_reload\"\n\
         extra_commands=\"status reload\"\n\nload_rc_config $name\n: ${{tjnode_enable:=NO}}\n\n\
         jail_root=\"{home}/jail\"\n\
         jail_args=\"name=${{name}}_jail exec.jail_user=nobody exec.system_jail_user host=inherit\"\n\
         jail_copy_resolv_conf=yes\njail_copy_services=yes\n\
         jail_copy_programs=\"$command /bin/sh /usr/bin/nc /bin/sleep /usr/bin/id /usr/sbin/nologin\"\n\
         jail_mount_devfs=yes\njail_ip_inherit=yes\n\
         jail_prepare_inside_cmds=\"mkdir ./socket ;\\\n  ln -s {home}/jail/socket/node.sock {home}/node.sock ;\\\n  chmod +s ./bin/tj-node\"\n\
         jail_nullfs_mounts=\"{home}/data ${{jail_root}}/data rw\"\n\
         pidfile=\"/var/run/${{name}}.pid\"\n\n. {library}\n\n\
         tjnode_start()\n{{\n\
         \tprepare_jail $jail_root\n\tif [ \"$?\" != \"0\" ]; then\n\t\techo \"jail creation error\"\n\t\treturn 1\n\tfi\n\
         \tcd {home} && /bin/sh -c \"/usr/sbin/daemon -p $pidfile -S -T tjnode \\\n\
         \t\tjail -c ${{jail_prepared_args}} ${{jail_args}} command=/bin/tj-node\"\n}}\n\n\
         tjnode_stop()\n{{\n\tpid=$(check_pidfile \"${{pidfile}}\" jail)\n\
         \tif [ -z \"${{pid}}\" ]; then\n\t\techo \"${{name}} is not running\"\n\t\tdestroy_jail $jail_root 2> /dev/null\n\t\treturn 1\n\tfi\n\
         \techo \"Stopping ${{name}}.\"\n\tkill_jail \"$pid\" -INT tjnode_jail_enable\n\twait_for_pids \"$pid\"\n\tdestroy_jail $jail_root\n\
         \trm -f {home}/node.sock\n}}\n\n\
         tjnode_status()\n{{\n\tpid=$(check_pidfile \"${{pidfile}}\" jail)\n\
         \tif [ -z \"${{pid}}\" ]; then\n\t\techo \"${{name}} is not running\"\n\t\treturn 1\n\tfi\n\
         \techo ${{name}} is running as pid $pid\n}}\n\n\
         tjnode_reload()\n{{\n\tkillall -j ${{name}}_jail -USR1 sh\n}}\n\n\
         tjnode_jail_enable=YES\nrun_rc_command \"$1\"\n"
    )
}

struct Node {
    script: String,
}

impl Node {
    /// By files and not by pipes: what it starts with daemon(8) keeps standard output for as long as it runs.
    fn tries(&self, action: &str) -> Output {
        let temp = TempDir::new();
        let file = |name: &str| fs::File::create(temp.at(name)).unwrap();
        let mut shell = Command::new("sh");
        shell.args([&self.script, action]).stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        let status = shell.status().unwrap();
        let read = |name: &str| fs::read(temp.at(name)).unwrap();
        Output { status, stdout: read("out"), stderr: read("err") }
    }

    #[track_caller]
    fn does(&self, action: &str) -> String {
        let done = self.tries(action);
        assert!(done.status.success(), "{action}: {done:?}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}

#[test]
fn a_script_written_for_the_port_runs_unchanged_and_leaves_nothing() {
    need!(skip::root());
    need!(skip::program("service"));
    need!(skip::program("nc"));
    let _alone = alone();
    need!(port_free(PORT));
    let before = Snapshot::take(&[]);
    let temp = TempDir::new();
    let library = LIBRARY.replace("/usr/local/bin/thinjail", &binary::thinjail().display().to_string());
    temp.file("rc.subr.jail", library);
    temp.dir("home");
    temp.program("home/tj-node", PROGRAM);
    let data = temp.dir("home/data");
    assert!(Command::new("chown").arg("nobody").arg(&data).status().unwrap().success());
    let node = Node { script: temp.file("tjnode", script(&temp)).display().to_string() };
    let root = temp.at("home/jail");

    for round in 1..=2 {
        assert_eq!(node.tries("onestatus").status.code(), Some(1));
        node.does("onestart");
        wait::until_true("it listens", || connect(PORT).is_some());
        wait::until_true("its socket is there", || Path::new(&root).join("socket/node.sock").exists());
        assert!(node.does("onestatus").contains("tjnode is running as pid"));
        // Not the owner of the program, whatever the script has done to its bits.
        let nobody = Command::new("id").args(["-u", "nobody"]).output().unwrap().stdout;
        assert_eq!(fs::read(data.join("uid")).unwrap(), nobody);
        let bits = fs::metadata(Path::new(&root).join("bin/tj-node")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&bits) & 0o6000, 0);
        node.does("onereload");
        wait::until_true("it has heard of the reload", || {
            fs::read_to_string(data.join("said")).unwrap_or_default().lines().count() == round
        });
        node.does("onestop");
        assert!(connect(PORT).is_none());
        assert!(!Path::new(&root).exists(), "the root is gone");
    }
    // The data is still there, though it was mounted in what was removed.
    assert!(data.join("uid").exists());
    before.assert_same_now(&[]);
}

#[test]
fn no_service_jail_is_made_around_such_a_script() {
    need!(skip::program("service"));
    let temp = TempDir::new();
    let library = temp.file("rc.subr.jail", LIBRARY).display().to_string();
    let said = |before: &str| {
        let script = format!(". /etc/rc.subr; {before}; . {library}; echo \"$x_svcj\"");
        let done = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stderr), "");
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    assert_eq!(said("name=x; x_svcj=YES"), "NO\n");
    // Read too early, it knows no name, and breaks nothing.
    assert_eq!(said("x_svcj=YES"), "YES\n");
}

#[test]
fn what_is_no_root_of_a_jail_is_refused() {
    need!(skip::root());
    need!(skip::program("service"));
    let temp = TempDir::new();
    let library = temp.file("rc.subr.jail", LIBRARY).display().to_string();
    temp.file("kept", "kept");
    for root in ["/", "/etc", "relative", "", &temp.at("x/../y")] {
        let script = format!(
            ". /etc/rc.subr; name=x; . {library}; destroy_jail '{root}'; echo $?; prepare_jail '{root}'; echo $?"
        );
        let done = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), "1\n1\n", "{root}: {done:?}");
    }
    // A directory that is none of ours is left as it is.
    let here = temp.path().display().to_string();
    let script = format!(". /etc/rc.subr; name=x; . {library}; destroy_jail '{here}'");
    assert!(!Command::new("sh").args(["-c", &script]).output().unwrap().status.success());
    assert!(temp.path().join("kept").exists());
}
