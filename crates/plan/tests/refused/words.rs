//! What of words is refused.

use super::*;

#[test]
fn that_are_not_known() {
    assert_eq!(
        problem("network = \"host\""),
        (
            "network = \"host\" is not known: the host's network is inherited".into(),
            "write network = \"inherit\", which is the default".into()
        )
    );
    assert_eq!(problem("network = \"bridge\"").1, "write one of inherit, none");
    assert_eq!(problem("proc = \"ful\""), ("proc = \"ful\" is not known".into(), "did you mean \"full\"?".into()));
    assert_eq!(
        problem("links = \"folow\""),
        ("links = \"folow\" is not known".into(), "did you mean \"follow\"?".into())
    );
    assert_eq!(what("wait = \"one\""), "wait = \"one\" is not known");
    assert_eq!(what("etc = [\"shadow\"]"), "etc: \"shadow\" is none of the usual files");
}

#[test]
fn of_capabilities() {
    assert_eq!(
        problem("capabilities = [\"net_bind_servce\"]"),
        ("capabilities: there is no capability \"net_bind_servce\"".into(), "did you mean net_bind_service?".into())
    );
    let (what, help) = problem("capabilities = \"CAP_SYS_ADMIN\"");
    assert_eq!(
        what,
        "capabilities: sys_admin would undo the jail: it mounts and unmounts, and with that there is no jail"
    );
    assert_eq!(help, "take it out; a program that needs it can't be jailed");
    for name in ["sys_module", "sys_rawio", "sys_boot", "sys_ptrace", "mknod", "dac_read_search", "bpf", "setfcap"] {
        assert!(super::what(&format!("capabilities = \"{name}\"")).contains("would undo the jail"), "{name}");
    }
}

#[test]
fn of_system_calls() {
    let (told, help) = problem("allow-syscalls = [\"MOUNT\"]");
    assert_eq!(told, "allow-syscalls: mount is never allowed: it changes what is mounted where");
    assert_eq!(help, "take it out; a program that needs it can't be jailed");
    for name in ["clone", "clone3", "unshare", "setns", "bpf", "ioctl", "open_by_handle_at", "kexec_load"] {
        assert!(what(&format!("allow-syscalls = [{name:?}]")).contains("is never allowed"), "{name}");
    }
    assert_eq!(problem("allow-syscalls = [\"socket\"]").1, "name the family, such as af_vsock");
    assert_eq!(what("allow-syscalls = [\"read\"]"), "allow-syscalls: read is allowed as it is");
    assert_eq!(problem("allow-syscalls = [\"keyctrl\"]").1, "did you mean keyctl?");
    assert_eq!(problem("allow-syscalls = [\"vsock\"]").1, "did you mean af_vsock?");
    assert_eq!(problem("deny-syscalls = [\"chrot\"]").1, "did you mean chroot?");
    assert_eq!(what("deny-syscalls = [\"execve\"]"), "deny-syscalls: without execve no program is started");
    let both = "allow-syscalls = [\"ptrace\"]\ndeny-syscalls = [\"ptrace\"]";
    assert_eq!(what(both), "allow-syscalls and deny-syscalls both name ptrace");
}

#[test]
fn of_sockets() {
    let help = "write a port such as \"80\"";
    for (written, why) in [
        ("localhost:80", "it is neither an address with a port nor a path"),
        ("::1:80x", "it is neither an address with a port nor a path"),
        ("udp:", "it is neither an address with a port nor a path"),
        ("65536", "a port is a number up to 65535"),
        ("0", "port 0 is any, and nobody would know which"),
    ] {
        let (told, helps) = problem(&format!("listen = [{written:?}]"));
        assert_eq!(told, format!("listen = {written:?}: {why}"));
        assert!(helps.starts_with(help), "{helps}");
    }
    for (one, other) in [("80", "0.0.0.0:80"), ("127.0.0.1:80", "127.0.0.1:80"), ("0.0.0.0:80", "127.0.0.1:80")] {
        let told = what(&format!("listen = [{one:?}, {other:?}]"));
        assert!(
            told.starts_with(&format!("listen = {other:?}: tcp ")) && told.ends_with("is in the list already"),
            "{told}"
        );
    }
    assert_eq!(what("listen = [\"a b=80\"]"), "listen = \"a b=80\": what is before the = is no name for a socket");
    let (told, helps) = problem("listen = [\"80\", \"443\"]\ndescriptors = [4]");
    assert_eq!(told, "descriptors: 4 is a socket of listen, which has the descriptors from 3 on");
    assert_eq!(helps, "write 5 or more");
    let missing = "listen = \"/run/none/app.sock\": ";
    assert!(what("listen = [\"/run/none/app.sock\"]").starts_with(missing));
    let mut world = World::linux();
    world.own("/run/app", Kind::Directory, 0, 0o755);
    let plan = world
        .plan(&www("network = \"none\"\nlisten = [\"80\", \"0.0.0.0:81\", \"[::]:81\", \"x=udp:80\", \"/run/app/s\"]"));
    let text = plan.to_string();
    for line in [
        "tcp port 80, as the descriptor 3, named ",
        "tcp 0.0.0.0:81, as the descriptor 4, named ",
        "tcp [::]:81, as the descriptor 5, named ",
        "udp port 80, as the descriptor 6, named x",
        "/run/app/s, as the descriptor 7, named ",
        "the sockets are of the host's network, though the jail is not",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn of_ports_and_abstract_sockets() {
    assert_eq!(problem("tcp-bind = [80, 65536]").0, "tcp-bind: 65536 is no port");
    assert_eq!(problem("tcp-connect = [-1]").0, "tcp-connect: -1 is no port");
    assert_eq!(problem("abstract-sockets = \"host\"").1, "write one of none, inherit");
    let old = World { landlock: 3, ..World::linux() };
    for (profile, told) in [
        ("tcp-bind = [80]", "tcp-bind: this kernel can't limit TCP to ports"),
        ("tcp-connect = []", "tcp-connect: this kernel can't limit TCP to ports"),
        ("abstract-sockets = \"none\"", "abstract-sockets = \"none\": this kernel can't keep abstract sockets"),
    ] {
        let (what, help) = old.problem(&www(profile));
        assert!(what.starts_with(told), "{what}");
        assert!(help.contains("newer kernel"), "{help}");
    }
    // By default it is said.
    let plan = old.plan(WWW).to_string();
    assert!(plan.contains("this kernel can't keep abstract sockets of the host from a jail"), "{plan}");
}

#[test]
fn of_isolation() {
    assert_eq!(problem("isolation = \"jail\"").1, "write one of namespaces, landlock");
    let isolated = |more: &str| problem(&format!("isolation = \"landlock\"\n{more}")).0;
    assert_eq!(isolated("network = \"none\""), "isolation = \"landlock\": network = \"none\" needs a namespace");
    assert_eq!(isolated("hostname = \"a\""), "isolation = \"landlock\": hostname needs a namespace");
    assert_eq!(isolated("tmp = true"), "isolation = \"landlock\": there is no /tmp of its own without a mount");
    let elsewhere = "[[mount]]\nsource = \"/etc/hosts\"\ntarget = \"/hosts\"";
    assert_eq!(isolated(elsewhere), "isolation = \"landlock\": /etc/hosts can't be at /hosts inside");
    let old = World { landlock: 0, ..World::linux() };
    assert_eq!(
        old.problem(&www("isolation = \"landlock\"")).0,
        "isolation = \"landlock\": this kernel has no Landlock (Linux 5.13 can)"
    );
    // Every loss is said; and on an older kernel one more.
    let losses = |landlock| {
        let plan = World { landlock, ..World::linux() }.plan(&www("isolation = \"landlock\""));
        plan.notes.iter().filter(|note| note.starts_with("loss: ")).count()
    };
    assert!(losses(7) >= 6);
    assert_eq!(losses(5), losses(7) + 1);
}

#[test]
fn of_limits() {
    assert_eq!(
        problem("limits.memoryuse = \"1G\""),
        (
            "limits: memoryuse needs the cgroup controller memory, which is not there".into(),
            "mount it (cgroups(7)), or take it out; vmemoryuse and cputime are limits of each process".into()
        )
    );
    assert_eq!(what("limits.pcpu = 0"), "limits: pcpu = 0 leaves no room for any program");
    assert_eq!(what("limits.nthr = 10"), "limits: nthr is FreeBSD's, and Linux can't count it over a whole jail");
    assert_eq!(problem("limits.openfile = 1").1, "did you mean openfiles?");
    assert_eq!(what("limits.filesize = \"1.5G\""), "limits: filesize = \"1.5G\" can't be understood");
    assert_eq!(what("limits.cputime = \"1M\""), "limits: cputime = \"1M\" can't be understood");
}

#[test]
fn of_signals_and_times() {
    assert_eq!(problem("stop-signal = \"QIUT\"").1, "did you mean QUIT?");
    assert_eq!(what("stop-signal = \"15\""), "stop-signal = \"15\": a number is not the same signal on every system");
    assert_eq!(what("stop-timeout = \"soon\""), "stop-timeout = \"soon\" is no time");
}

#[test]
fn of_the_environment() {
    for name in ["", "1A", "A B", "A=B", "Ä"] {
        assert!(what(&format!("env = {{ {name:?} = \"x\" }}")).ends_with("is no name of a variable"), "{name}");
    }
}

#[test]
fn of_numbers() {
    assert_eq!(what("umask = \"8\""), "umask = \"8\" is not an octal number of three or four digits");
    assert_eq!(what("umask = \"7777\""), "umask = \"7777\" is not an octal number of three or four digits");
    assert_eq!(what("descriptors = [2]"), "descriptors: 2 is not 3 or more");
    assert_eq!(what("descriptors = [3, 3]"), "descriptors: 3 is written twice");
    assert_eq!(what("tmp = \"0\""), "tmp = \"0\" is no size");
}

#[test]
fn of_host_names() {
    for name in ["", "-a", "a_b", "a..b", "a.", &"a".repeat(64), &"a.".repeat(40)] {
        let what = what(&format!("hostname = \"{name}\""));
        assert_eq!(what, format!("hostname = {name:?} is no host name"));
    }
}

#[test]
fn of_directories() {
    assert_eq!(what("chdir = \"/srv\""), "chdir: there will be no directory /srv inside");
    assert_eq!(what("chdir = \"srv\""), "chdir: \"srv\" is not an absolute path");
    assert_eq!(
        what("read = [\"/var/lib\"]\nchdir = \"/var/lib/x\""),
        "chdir: there will be no directory /var/lib/x inside"
    );
}

#[test]
fn of_jail_on_linux() {
    assert_eq!(
        problem("params = { \"allow.mlock\" = \"\" }"),
        ("params: these are jail(8)'s parameters".into(), "write them under [freebsd]".into())
    );
}

#[test]
fn of_jail_that_are_ours() {
    for (param, help) in [
        ("path", "take it out: the root is made in memory"),
        ("persist", "take it out: the jail ends with its last process"),
        (
            "exec.clean",
            "write the keys for it: user, umask, env, command; hooks are exec.prepare, exec.prestart and their kin",
        ),
        ("mount.devfs", "take it out: this version does not do that"),
        ("a b", "write a name of jail(8)'s parameters"),
    ] {
        let problem = World::freebsd(1_400_000).problem(&format!("user = \"www\"\nparams = {{ {param:?} = \"\" }}"));
        assert_eq!(problem, (format!("params: {param} is thinjail's own"), help.into()));
    }
}

#[test]
fn of_what_is_a_success() {
    assert_eq!(what("success-exit = [256]"), "success-exit: 256 is no status that a program can end with");
    assert_eq!(problem("success-exit = [\"TREM\"]").1, "did you mean TERM?");
    assert!(what("success-exit = [\"15\"]").contains("a number is not the same signal on every system"));
}

#[test]
fn of_commands_beside_the_program() {
    assert_eq!(
        problem("before-start = [\"\"]"),
        (
            "before-start has an empty command".into(),
            "write before-start = [\"/usr/bin/program --check\"], or take it out".into()
        )
    );
    assert_eq!(what("before-reload = [\"pg_dump -x\"]"), "run pg_dump: no such file");
    let problems = World::linux().problems(&www("before-reload = [\"bin/true\"]"));
    assert!(
        problems.iter().any(|problem| problem.what.starts_with("run bin/true: the path is relative")),
        "{problems:?}"
    );
    assert_eq!(
        what("command = \"/bin/true\"\nreload-signal = \"USR1\"\nreload-command = \"/bin/true\""),
        "reload-signal and reload-command both say how it reloads"
    );
    assert_eq!(problem("reload-signal = \"HUPP\"").1, "did you mean HUP?");
    // What TOML can't see is seen of flags.
    let spec = Spec { before_start: vec!["/bin/true 'x".into()], user: Some("www-data".into()), ..Spec::default() };
    let problems = thinjail_plan::resolve::resolve("x", &spec, &World::linux().facts(&spec)).unwrap_err();
    assert!(problems.iter().any(|problem| problem.what == "before-start: the ' quote is never closed"), "{problems:?}");
}

#[test]
fn that_setrlimit_and_docker_have_for_a_limit_are_known() {
    let (what, help) = problem("limits.nofile = 20");
    assert_eq!((what.as_str(), help.as_str()), ("limits: there is no limit \"nofile\"", "did you mean openfiles?"));
}
