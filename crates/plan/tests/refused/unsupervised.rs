//! What needs a supervisor, where there is to be none; and what is lost without one.

use super::*;

const NONE: &str = "supervisor = false\n";

fn modern() -> World {
    World { landlock: 6, ..World::linux() }
}

#[track_caller]
fn refused(world: &World, profile: &str) -> (String, String) {
    world.problem(&format!("{NONE}{profile}"))
}

#[test]
fn supervisor_false_is_refused_with_what_needs_one() {
    let world = modern();
    for (profile, what, help) in [
        ("wait = \"all\"", "wait = \"all\" needs one who waits", "take `wait` out"),
        ("restart = \"always\"", "restart = \"always\" needs one who starts", "take `restart` out"),
        ("proc = \"full\"", "proc = \"full\" would be the host's", "write proc = \"pid\""),
        ("limits = { memoryuse = \"1M\" }", "limits: memoryuse is held by a group", "vmemoryuse and cputime"),
        ("limits = { pcpu = 50 }", "limits: pcpu is held by a group", "let the init that starts it set it"),
    ] {
        let (said, helps) = refused(&world, &www(profile));
        assert!(said.starts_with("supervisor = false: ") && said.contains(what), "{said}");
        assert!(helps.contains(help), "{helps}");
    }
}

#[test]
fn on_freebsd_somebody_must_unmount() {
    let (said, help) = refused(&World::freebsd(1_402_000), "user = \"www\"");
    assert!(said.starts_with("supervisor = false: on FreeBSD") && said.contains("somebody must unmount"), "{said}");
    assert!(help.contains("[linux]"), "{help}");
    let _ = World::freebsd(1_402_000).plan("user = \"www\"\n[linux]\nsupervisor = false");
}

#[test]
fn a_kernel_that_does_not_keep_signals_inside_is_none_for_root() {
    for abi in 1..6 {
        let world = World { landlock: abi, ..World::linux() };
        for who in ["user = \"root\"", "user = \"www-data\"\ncapabilities = \"kill\""] {
            let (said, help) = refused(&world, who);
            assert!(said.contains("can't keep signals inside (Linux 6.12 can)"), "{said}");
            assert!(help.contains("write another user"), "{help}");
        }
        let plan = world.plan(&format!("{NONE}{WWW}")).to_string();
        assert!(plan.contains("loss: this kernel can't keep signals inside"), "{plan}");
        assert!(plan.contains("tracing      of processes of the jail only"), "{plan}");
    }
    for who in ["user = \"root\"", WWW] {
        let (said, _) = refused(&World { landlock: 0, ..World::linux() }, who);
        assert!(said.contains("this kernel has no Landlock"), "{said}");
        let plan = modern().plan(&format!("{NONE}{who}")).to_string();
        assert!(plan.contains("signals      to processes of the jail only"), "{plan}");
    }
}

#[test]
fn without_root_there_is_no_proc() {
    let world = World { caller: 33, ..modern() };
    let (said, help) = refused(&world, "");
    assert!(said.contains("no /proc of the jail's own but in a pid namespace"), "{said}");
    assert!(help.starts_with("write proc = \"none\""), "{help}");
    let plan = world.plan(&format!("{NONE}proc = \"none\"")).to_string();
    assert!(plan.contains("namespaces ipc mount user uts"), "{plan}");
}

#[test]
fn every_loss_is_said() {
    let mut world = modern();
    let profile = "run-dir = \"served\"\nstate-dir = \"served\"\npidfile = \"/run/served.pid\"\nstop-signal = \"QUIT\"\nsuccess-exit = [143]\nlimits = { maxproc = 10 }\nlog-dir = \"served\"";
    world.cgroups = vec![thinjail_plan::facts::Cgroup {
        controller: "pids".into(),
        version: 2,
        parent: thinjail_plan::path::HostPath::new("/sys/fs/cgroup").unwrap(),
    }];
    let plan = world.plan(&format!("{NONE}{WWW}{profile}"));
    let text = plan.to_string();
    for line in [
        "namespaces ipc mount uts; the host's name",
        "supervisor   none: thinjail becomes the program, under the pid that it was started with",
        "signal       what whoever starts it sends, to the program itself",
        "ends         with the program; what it has started is not ended",
        "pidfile      none",
        "the daemon's own served.pid stays inside; the host has none",
        "maxproc 10: each process, by setrlimit(2)",
        "/run/served      0755 33:33, stays",
        "limits, priorities and processors only for the caller itself",
        "loss: pids are the host's",
        "loss: what the program has started may go on after its end",
        "loss: nobody says which limit was hit",
        "loss: whoever starts it sends its own signal to stop it, and kills it in its own time: tell it of QUIT",
        "loss: no /run/served.pid is written on the host",
        "loss: success-exit is not looked at",
        "loss: /run/served stays after the end",
        "maxproc is setrlimit(2)'s, since nobody would remove a cgroup",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(plan.unsupervised && plan.pidfile.is_none() && !text.contains("make group"), "{text}");
    let supervised = world.plan(&format!("supervisor = true\n{WWW}{profile}")).to_string();
    assert!(!supervised.contains("loss:") && supervised.contains("/run/served.pid on the host"), "{supervised}");
}

#[test]
fn a_socket_of_listen_that_nobody_removes_is_a_loss() {
    let mut world = modern();
    world.own("/run/app", Kind::Directory, 0, 0o755);
    let loss = "loss: /run/app/s stays after the end, and the next start replaces it".to_owned();
    let listen = "listen = [\"80\", \"/run/app/s\"]";
    assert!(world.plan(&format!("{NONE}{}", www(listen))).notes.contains(&loss));
    assert!(!world.plan(&www(listen)).notes.contains(&loss));
}
