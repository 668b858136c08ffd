//! What is inside, and how: the rules by their names.
#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use thinjail_closure::closure::{How, Map, Use, Uses};
use thinjail_closure::hints::ld_so_cache::Cache;
use thinjail_closure::tree::Kind;
use thinjail_plan::explain::explain;
use thinjail_plan::path::RootPath;
use thinjail_plan::paths::PathKind;
use thinjail_plan::plan::Plan;
use thinjail_plan::step::{Content, Step};
use world::{World, line};

fn www(profile: &str) -> String {
    format!("user = \"www-data\"\n{profile}")
}

fn plan(profile: &str) -> Plan {
    World::linux().plan(&www(profile))
}

fn at(plan: &Plan, verb: &str, place: &str) -> String {
    line(plan, verb, place).unwrap_or_else(|| panic!("no {verb} {place} in\n{plan}"))
}

fn has(plan: &Plan, place: &str) -> bool {
    plan.paths().contains_key(&RootPath::new(place).unwrap())
}

fn text(plan: &Plan, place: &str) -> String {
    let of = |step: &Step| match step {
        Step::PutFile { at, content: Content::Text(text), .. } if at.as_str() == place => Some(text.clone()),
        _ => None,
    };
    plan.placing().find_map(|planned| of(&planned.step)).unwrap_or_else(|| panic!("no text at {place}"))
}

mod closures {
    use super::*;

    #[test]
    fn keep_their_places_and_the_links_on_the_way() {
        let plan = plan("");
        assert!(at(&plan, "link", "/lib64").contains("to usr/lib64"));
        assert!(
            at(&plan, "link", "/usr/lib64/ld-linux-x86-64.so.2")
                .contains("to /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
        );
        assert!(at(&plan, "bind", "/usr/bin/true").ends_with("read-only # program /bin/true"));
        assert_eq!(plan.exec.program.as_str(), "/bin/true");
        assert!(!has(&plan, "/bin/true"), "only the link /bin is there");
    }

    #[test]
    fn are_not_mounted_again_below_a_directory_that_shows_them() {
        let plan = plan("read = [\"/usr/lib\"]");
        assert!(!has(&plan, "/usr/lib/x86_64-linux-gnu/libc.so.6") && !has(&plan, "/usr/lib/x86_64-linux-gnu"));
        assert!(!has(&plan, "/usr/lib/ssl/cert.pem"), "the link is in the host's directory");
        assert!(has(&plan, "/usr/lib") && has(&plan, "/lib"));
    }

    #[test]
    fn are_executed_even_below_a_directory_that_may_be_written() {
        let mut world = World::linux();
        world.program("/var/lib/app/bin/app", &[]);
        let plan = world.plan(&www("command = \"/var/lib/app/bin/app\"\nwrite = [\"/var/lib/app\"]"));
        assert!(at(&plan, "bind", "/var/lib/app").contains("read-write, no exec #"));
        assert!(at(&plan, "bind", "/var/lib/app/bin/app").contains("read-only #"));
    }

    #[test]
    fn of_two_programs_share_their_files() {
        let mut world = World::linux();
        world.program("/bin/sh", &[("libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6")]);
        let plan = world.plan(&www("programs = [\"sh\"]"));
        let libc = |planned: &&thinjail_plan::step::Planned| planned.why.contains("libc.so.6");
        assert_eq!(plan.inside.iter().filter(libc).count(), 1);
        assert!(has(&plan, "/usr/bin/sh") && has(&plan, "/bin"), "system(3) runs /bin/sh");
    }

    #[test]
    fn may_be_named_by_a_path_that_goes_up() {
        let mut world = World::linux();
        world.dir("/opt/bin");
        world.program("/opt/bin/app", &[("libx.so", "/opt/bin/../lib/libx.so")]);
        let plan = world.plan(&www("command = \"/opt/bin/app\""));
        assert!(has(&plan, "/opt/lib/libx.so") && has(&plan, "/opt/bin"));
        world.program("/opt/sub/../lib/app", &[]);
        world.dir("/opt/sub");
        let plan = world.plan(&www("command = \"/opt/sub/../lib/app\""));
        assert_eq!(plan.exec.program.as_str(), "/opt/lib/app");
        assert!(at(&plan, "dir", "/opt/sub").contains("goes through it"));
    }

    #[test]
    fn are_found_by_a_cache_of_their_own_that_has_nothing_else() {
        let mut world = World::linux();
        world.program("/bin/app", &[("liba.so.1", "/lib/liba.so.1"), ("libb.so.1", "/opt/own/libb.so.1")]);
        world.closure("/bin/app").members[3].how = How::Rpath;
        let plan = world.plan(&www("command = \"/bin/app\""));
        let bytes = plan.inside.iter().find_map(|planned| match &planned.step {
            Step::PutFile { at, content: Content::Bytes(bytes), .. } if at.as_str() == "/etc/ld.so.cache" => {
                Some(bytes.clone())
            }
            _ => None,
        });
        let cache = Cache::parse(bytes.unwrap(), false);
        assert_eq!(cache.lookup("liba.so.1", 0x0303, || &[]), Some("/lib/liba.so.1"));
        assert_eq!(
            cache.lookup("libb.so.1", 0x0303, || &[]),
            None,
            "RPATH finds it again, and maybe only for this program"
        );
    }

    #[test]
    fn are_copied_on_freebsd_and_found_by_hints_of_their_own() {
        let mut world = World::freebsd(1_302_001);
        world.program("/usr/local/sbin/app", &[("liba.so.1", "/usr/local/lib/liba.so.1")]);
        let plan = world.plan("user = \"www\"\ncommand = \"/usr/local/sbin/app\"");
        assert!(at(&plan, "file", "/usr/local/lib/liba.so.1").contains("0555 0:0, copy"));
        assert!(at(&plan, "file", "/var/run/ld-elf.so.hints").contains("143 bytes"));
        assert!(plan.inside.len() == 1 && plan.host.len() > 1, "the mounts are the host's");
    }

    #[test]
    fn are_mapped_on_freebsd_as_outside() {
        let mut world = World::freebsd(1_302_001);
        world.program("/usr/local/sbin/app", &[("liba.so.1", "/usr/local/lib/libb.so.1")]);
        let map = Map { by: "/usr/local/sbin/app".into(), from: "liba.so.1".into(), to: "libb.so.1".into() };
        world.closure("/usr/local/sbin/app").maps.push(map);
        let plan = world.plan("user = \"www\"\ncommand = \"/usr/local/sbin/app\"");
        let bytes = plan.host.iter().find_map(|planned| match &planned.step {
            Step::PutFile { at, content: Content::Bytes(bytes), .. } if at.as_str().ends_with("/etc/libmap.conf") => {
                Some(bytes.clone())
            }
            _ => None,
        });
        assert_eq!(bytes.unwrap(), b"[/usr/local/sbin/app]\nliba.so.1 libb.so.1\n");
    }
}

mod mounts {
    use super::*;

    #[test]
    fn are_as_strict_as_they_can_be() {
        let mut world = World::linux();
        world.dir("/srv/r").dir("/srv/w").dir("/srv/x").file("/srv/f").put("/srv/s", Kind::Socket);
        let plan = world.plan(&www(
            "read = [\"/srv/r\", \"/srv/f\", \"/srv/s\"]\nwrite = [\"/srv/w\"]\n[[mount]]\nsource = \"/srv/x\"\nwrite = true\nexec = true",
        ));
        assert!(at(&plan, "bind", "/srv/r").contains("read-only #"));
        assert!(at(&plan, "bind", "/srv/f").contains("read-only #"));
        assert!(at(&plan, "bind", "/srv/s").contains("read-only #"));
        assert!(at(&plan, "bind", "/srv/w").contains("read-write, no exec #"));
        assert!(at(&plan, "bind", "/srv/x").contains("read-write #"));
        for planned in &plan.inside {
            if let Step::Bind { access, .. } = planned.step {
                assert!(!access.dev);
            }
        }
    }

    #[test]
    fn come_parents_first_whatever_the_order() {
        let mut world = World::linux();
        world.dir("/srv/a/b/c").dir("/srv/other/c");
        let plan = world.plan(&www(
            "write = [\"/srv/a/b/c\"]\nread = [\"/srv/a\"]\n[[mount]]\nsource = \"/srv/other\"\ntarget = \"/srv/a/b\"",
        ));
        let places: Vec<_> =
            plan.placing().filter_map(|p| p.step.at()).map(|p| p.as_str()).filter(|p| p.starts_with("/srv/")).collect();
        assert_eq!(places, ["/srv/a", "/srv/a/b", "/srv/a/b/c"]);
    }

    #[test]
    fn that_show_the_same_are_one() {
        let mut world = World::linux();
        world.dir("/srv/a/b");
        let plan = world.plan(&www("read = [\"/srv/a\", \"/srv/a/b\", \"/srv/a\"]"));
        assert!(has(&plan, "/srv/a") && !has(&plan, "/srv/a/b"));
    }

    #[test]
    fn below_one_that_may_be_written_stay_read_only() {
        let mut world = World::linux();
        world.dir("/srv/a/b");
        let plan = world.plan(&www("read = [\"/srv/a/b\"]\nwrite = [\"/srv/a\"]"));
        assert!(at(&plan, "bind", "/srv/a/b").contains("read-only #"));
    }

    #[test]
    fn that_are_optional_are_left_out_with_a_note() {
        let plan = plan("[[mount]]\nsource = \"/srv/none\"\noptional = true");
        assert!(!has(&plan, "/srv/none") && !has(&plan, "/srv"));
        assert!(
            plan.notes
                .iter()
                .any(|note| note == "[[mount]] source = \"/srv/none\" is optional, and /srv is not there: left out")
        );
    }

    #[test]
    fn make_what_is_missing_on_the_host_parents_as_roots() {
        let plan = plan("[[mount]]\nsource = \"/srv/a/b\"\ntarget = \"/data\"\nwrite = true\ncreate = true");
        let steps: Vec<_> = plan.host.iter().map(|planned| &planned.step).collect();
        assert!(
            matches!(steps[0], Step::MakeHostDir { path, mode: 0o755, uid: 0, gid: 0, keep: true } if path.as_str() == "/srv")
        );
        assert!(matches!(steps[1], Step::MakeHostDir { path, uid: 0, .. } if path.as_str() == "/srv/a"));
        assert!(
            matches!(steps[2], Step::MakeHostDir { path, mode: 0o750, uid: 33, gid: 33, keep: true } if path.as_str() == "/srv/a/b")
        );
        assert!(at(&plan, "bind", "/data").contains("of /srv/a/b"));
    }

    #[test]
    fn make_directories_through_links_where_they_lead() {
        let plan = plan("[[mount]]\nsource = \"/var/run/x\"\nwrite = true\ncreate = true");
        assert!(matches!(&plan.host[0].step, Step::MakeHostDir { path, .. } if path.as_str() == "/run/x"));
        assert!(at(&plan, "link", "/var/run").contains("to /run"));
        assert!(has(&plan, "/run/x"));
    }

    #[test]
    fn of_a_daemons_own_directories_belong_to_it() {
        let plan = plan("run-dir = \"app\"\nstate-dir = \"app\"");
        assert!(at(&plan, "make dir", "/run/app").contains("0755 33:33, removed at the end with its owner's files"));
        assert!(at(&plan, "make dir", "/var/lib/app").contains("0750 33:33, stays"));
        assert!(at(&plan, "bind", "/run/app").contains("read-write, no exec"));
    }

    #[test]
    fn below_run_are_found_by_its_old_name_too() {
        let link = "to /run # the old name of /run, by which daemons still call it";
        assert!(at(&plan("run-dir = \"app\""), "link", "/var/run").ends_with(link));
        assert!(!has(&plan(""), "/var/run"));
        let mut world = World::linux();
        world.dir("/srv/run/app");
        let written = world.plan(&www("run-dir = \"app\"\nmount = [{ source = \"/srv/run\", target = \"/var/run\" }]"));
        assert!(at(&written, "bind", "/var/run").contains("/srv/run"));
        let below = world.plan(&www("run-dir = \"app\"\nmount = [{ source = \"/srv/run\", target = \"/var/run/x\" }]"));
        assert!(has(&below, "/var/run/x"));
        world.own("/var/run", Kind::Directory, 0, 0o755);
        assert!(!has(&world.plan(&www("run-dir = \"app\"")), "/var/run"));
    }

    #[test]
    fn of_a_directory_that_is_there_leave_it_as_it_is() {
        let mut world = World::linux();
        world.own("/var/lib/app", Kind::Directory, 7, 0o700);
        let plan = world.plan(&www("state-dir = \"app\""));
        assert!(plan.host.is_empty());
        assert!(
            plan.notes
                .iter()
                .any(|n| n == "state-dir = \"app\": /var/lib/app is there and belongs to uid 7, not 33; it stays so")
        );
    }
}

mod base {
    use super::*;

    #[test]
    fn devices_are_few_and_more_by_name() {
        let plan = plan("");
        assert!(at(&plan, "devices", "/dev").contains("null zero full random urandom fd stdin stdout stderr"));
        assert!(!has(&plan, "/dev/shm") && !has(&plan, "/dev/log") && !has(&plan, "/tmp"));
        let mut world = World::linux();
        world.put("/dev/net/tun", Kind::CharDevice).put("/run/systemd/journal/dev-log", Kind::Socket);
        world.link("/dev/log", "/run/systemd/journal/dev-log");
        let plan = world.plan(&www("devices = [\"shm\", \"log\", \"tty\", \"/dev/net/tun\"]"));
        assert!(at(&plan, "tmpfs", "/dev/shm").contains("1777"));
        assert!(at(&plan, "bind", "/dev/log").contains("of /run/systemd/journal/dev-log"));
        assert!(at(&plan, "bind", "/dev/net/tun").contains("read-write, no exec, device"));
        assert!(has(&plan, "/dev/net") && has(&plan, "/dev/tty"));
    }

    #[test]
    fn without_proc_there_are_no_links_into_it() {
        let plan = plan("proc = \"none\"");
        assert!(!has(&plan, "/proc") && !has(&plan, "/dev/fd"));
    }

    #[test]
    fn of_the_network_only_what_is_shared_is_known() {
        let none = plan("network = \"none\"");
        assert!(!has(&none, "/etc/resolv.conf") && !has(&none, "/etc/services") && !has(&none, "/etc/hosts"));
        assert!(has(&none, "/etc/passwd") && has(&none, "/etc/localtime"));
        assert!(none.to_string().contains("namespaces ipc mount net pid uts"));
        assert!(has(&plan(""), "/etc/resolv.conf"));
    }

    /// The names in /etc, but for those that every dynamic program has, of a plan for a program that uses this.
    fn etc(profile: &str, learn: impl FnOnce(&mut Uses)) -> Vec<String> {
        let mut world = World::linux();
        let mut uses = Uses::default();
        world.dir("/srv");
        learn(&mut uses);
        world.closure("/bin/true").uses = Some(Box::new(uses));
        let paths = world.plan(&www(profile)).paths().into_keys();
        let names = paths.filter_map(|path| path.as_str().strip_prefix("/etc/").map(str::to_string));
        names.filter(|name| name != "ld.so.cache").collect()
    }

    fn used(does: &str) -> Option<Use> {
        Some(Use { by: "/lib/libx.so.1".into(), does: does.into() })
    }

    #[test]
    fn a_program_that_asks_for_nothing_has_none_of_the_usual_files() {
        assert_eq!(etc("", |_| {}), [""; 0]);
        assert_eq!(etc("read = [\"/srv\"]", |_| {}), [""; 0], "what is inside is of no use to who runs nothing");
    }

    #[test]
    fn each_of_the_usual_files_comes_with_what_asks_for_it() {
        let all = ["group", "hosts", "localtime", "nsswitch.conf", "passwd", "resolv.conf", "services"];
        let of = |learn: fn(&mut Uses)| etc("", learn);
        assert_eq!(of(|uses| uses.names = used("calls x")), ["hosts", "nsswitch.conf", "resolv.conf"]);
        assert_eq!(of(|uses| uses.services = used("calls x")), ["nsswitch.conf", "services"]);
        assert_eq!(of(|uses| uses.users = used("calls x")), ["group", "nsswitch.conf", "passwd"]);
        assert_eq!(of(|uses| uses.time = used("calls x")), ["localtime"]);
        assert_eq!(of(|uses| uses.anything = used("calls x")), all);
        assert_eq!(of(|uses| uses.programs = used("calls x")), [""; 0], "all programs inside are known");
        assert_eq!(etc("read = [\"/srv\"]", |uses| uses.programs = used("calls x")), all, "they are not");
        assert_eq!(etc("users = [\"nobody\"]", |_| {}), ["group", "nsswitch.conf", "passwd"]);
    }

    #[test]
    fn what_one_of_the_programs_asks_for_is_inside() {
        let mut world = World::linux();
        world.program("/bin/date", &[("libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6")]);
        world.closure("/bin/true").uses = Some(Box::default());
        world.closure("/bin/date").uses = Some(Box::new(Uses { time: used("calls tzset"), ..Uses::default() }));
        let plan = world.plan(&www("programs = [\"/bin/date\"]"));
        assert!(has(&plan, "/etc/localtime") && !has(&plan, "/etc/hosts"));
        assert!(!has(&world.plan(&www("")), "/etc/localtime"));
    }

    #[test]
    fn a_usual_file_says_who_asks_for_it() {
        let mut world = World::linux();
        let uses = Uses { names: used("calls getaddrinfo"), users: used("calls getpwnam"), ..Uses::default() };
        world.closure("/bin/true").uses = Some(Box::new(uses));
        let plan = world.plan(&www(""));
        let ends = |verb, place, end: &str| {
            let line = at(&plan, verb, place);
            assert!(line.ends_with(end), "{line}");
        };
        ends("bind", "/etc/hosts", "# usual: hosts, since /lib/libx.so.1 calls getaddrinfo");
        ends("file", "/etc/passwd", "# the user that runs, and users, since /lib/libx.so.1 calls getpwnam");
        world.program("/bin/busybox", &[]);
        let plan = world.plan(&www("command = \"/bin/busybox\""));
        assert!(at(&plan, "bind", "/etc/hosts").ends_with("# usual: hosts, since /bin/busybox is static"));
    }

    #[test]
    fn certificates_come_with_a_library_for_tls_a_script_or_a_static_program() {
        const CA: &str = "/etc/ssl/certs/ca-certificates.crt";
        assert!(!has(&plan(""), CA));
        let mut world = World::linux();
        world.program("/bin/tls", &[("libgnutls.so.30", "/lib/libgnutls.so.30")]).program("/bin/static", &[]);
        let tls = world.plan(&www("command = \"/bin/tls\""));
        assert!(at(&tls, "bind", CA).ends_with("# certificates: /bin/tls loads libgnutls.so.30"));
        assert!(has(&tls, "/usr/lib/ssl/cert.pem"), "where OpenSSL looks");
        assert!(has(&world.plan(&www("command = \"/bin/static\"")), CA));
        assert!(!has(&world.plan(&www("command = \"/bin/tls\"\netc = [\"hosts\"]")), CA));
        assert!(has(&world.plan(&www("etc = [\"ca\"]")), CA));
    }

    #[test]
    fn etc_is_exactly_what_is_written() {
        let plan = plan("etc = [\"group\"]");
        let etc: Vec<_> =
            plan.paths().into_keys().filter(|p| p.parent() == Some(RootPath::new("/etc").unwrap())).collect();
        assert_eq!(etc, [RootPath::new("/etc/group").unwrap(), RootPath::new("/etc/ld.so.cache").unwrap()]);
    }

    #[test]
    fn what_is_written_wins_over_what_is_usual() {
        let mut world = World::linux();
        world.file("/srv/passwd").file("/etc/passwd");
        let plan = world.plan(&www("[[mount]]\nsource = \"/srv/passwd\"\ntarget = \"/etc/passwd\""));
        assert!(at(&plan, "bind", "/etc/passwd").contains("of /srv/passwd"));
        let plan = world.plan(&www("read = [\"/etc\"]"));
        assert!(!has(&plan, "/etc/passwd"));
        assert!(
            plan.notes.iter().any(|n| n
                == "/etc/passwd is what /etc/passwd is: the host's directory is inside as a whole (read = \"/etc\")")
        );
    }

    #[test]
    fn the_root_is_as_large_as_what_is_in_it() {
        let mut world = World::freebsd(1_402_000);
        for n in 0..600 {
            world.file(&format!("/srv/f{n}"));
        }
        let list: Vec<_> = (0..600).map(|n| format!("\"/srv/f{n}\"")).collect();
        let plan = world.plan(&format!("user = \"www\"\nread = [{}]", list.join(", ")));
        assert!(at(&plan, "tmpfs", "/").contains("7 MiB"), "{}", at(&plan, "tmpfs", "/"));
    }
}

mod identity {
    use super::*;

    #[test]
    fn names_are_those_that_run_or_are_written() {
        let mut world = World::linux();
        world.users[1].groups.push(world.groups[1].clone());
        let plan = world.plan(&www("users = [\"nobody\"]"));
        assert_eq!(plan.exec.ids.groups, [4]);
        assert_eq!(
            text(&plan, "/etc/passwd"),
            "www-data:x:33:33::/var/www:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
        );
        assert_eq!(text(&plan, "/etc/group"), "adm:x:4:www-data\nwww-data:x:33:\nnogroup:x:65534:\n");
    }

    #[test]
    fn a_number_without_an_entry_has_its_own_group() {
        let plan = World::linux().plan("user = \"4711\"");
        assert_eq!((plan.exec.ids.uid, plan.exec.ids.gid), (4711, 4711));
        assert_eq!(text(&plan, "/etc/passwd"), "");
        assert!(
            plan.exec.env.contains(&("USER".into(), "4711".into()))
                && plan.exec.env.contains(&("HOME".into(), "/".into()))
        );
    }

    #[test]
    fn root_keeps_no_capability_that_is_not_written() {
        assert!(World::linux().plan("user = \"root\"").exec.capabilities.is_empty());
        let plan = World::linux().plan("user = \"root\"\ncapabilities = \"drop-user kill\"");
        assert_eq!(plan.exec.capabilities, ["chown", "dac_override", "kill", "net_bind_service", "setgid", "setuid"]);
    }

    #[test]
    fn the_environment_is_clean_and_what_is_written_wins() {
        let plan = plan("env = { PATH = \"/bin\", LANG = \"C\" }");
        let names: Vec<_> = plan.exec.env.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER"]);
        assert!(plan.exec.env.contains(&("PATH".into(), "/bin".into())));
    }
}

mod pidfile {
    use super::*;

    #[test]
    fn of_the_daemon_stays_inside() {
        let plan = plan("pidfile = \"/var/run/app.pid\"");
        assert!(at(&plan, "tmpfs", "/run").contains("0755 33:33, read-write, no exec"));
        assert!(at(&plan, "link", "/var/run").contains("to /run"));
        assert_eq!(plan.pidfile.unwrap().as_str(), "/run/app.pid");
    }

    #[test]
    fn beside_a_run_dir_leaves_both() {
        let plan = plan("pidfile = \"/run/app.pid\"\nrun-dir = \"app\"");
        assert!(has(&plan, "/run") && has(&plan, "/run/app"));
    }

    #[test]
    fn in_a_directory_that_is_only_read_is_noted() {
        let plan = plan("pidfile = \"/run/app.pid\"\nread = [\"/run\"]");
        assert!(
            plan.notes
                .iter()
                .any(|n| n == "the daemon can't write a pidfile of its own: /run is read-only (read = \"/run\")")
        );
    }

    #[test]
    fn in_tmp_needs_no_other_memory() {
        let plan = plan("pidfile = \"/tmp/app.pid\"\ntmp = true");
        assert!(at(&plan, "tmpfs", "/tmp").contains("64 MiB, 1777 0:0"));
    }
}

mod explained {
    use super::*;

    fn lines(plan: &Plan, path: &str) -> (bool, Vec<String>) {
        let explanation = explain(plan, &RootPath::new(path).unwrap());
        (explanation.inside, explanation.lines)
    }

    #[test]
    fn through_every_link() {
        assert_eq!(
            lines(&plan(""), "/lib64/ld-linux-x86-64.so.2"),
            (
                true,
                vec![
                    "link /lib64 to usr/lib64".into(),
                    "link /usr/lib64/ld-linux-x86-64.so.2 to /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2".into(),
                    "link /lib to usr/lib".into(),
                    "bind /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 read-only".into(),
                    "because: interpreter of /bin/true".into(),
                ]
            )
        );
    }

    #[test]
    fn within_a_mount_at_another_place() {
        let mut world = World::linux();
        world.dir("/srv/site");
        let plan = world.plan(&www("[[mount]]\nsource = \"/srv/site\"\ntarget = \"/www\""));
        assert_eq!(
            lines(&plan, "/www/a/b").1,
            [
                "bind /www read-only of /srv/site",
                "/www/a/b is the host's /srv/site/a/b, if that is there",
                "because: [[mount]] source = \"/srv/site\", target = \"/www\"",
            ]
        );
        assert_eq!(lines(&plan, "/www").1[1], "/www is the host's /srv/site");
    }

    #[test]
    fn what_is_not_inside_with_the_nearest() {
        assert_eq!(
            lines(&plan(""), "/usr/bin/sh"),
            (false, vec!["/usr/bin/sh is not inside".into(), "the nearest is /usr/bin, in which there is true".into()])
        );
        let (inside, text) = lines(&plan(""), "/dev/sda");
        assert!(!inside && text[1] == "/dev/sda is not inside: it is none of these devices", "{text:?}");
    }

    #[test]
    fn links_in_circles_end() {
        let mut world = World::linux();
        world.dir("/srv/d").link("/srv/a", "d").link("/srv/l", "a/../l2").dir("/srv/l2");
        let plan = world.plan(&www("read = [\"/srv/l\"]"));
        assert!(lines(&plan, "/srv/l/x").0);
        assert!(lines(&plan, "/dev/stdin").0);
        assert!(lines(&plan, "/dev/null").0);
    }

    #[test]
    fn paths_name_everything_with_its_kind() {
        let mut world = World::linux();
        world.dir("/srv/site");
        let plan = world.plan(&www("read = [\"/srv/site\"]\ntmp = true"));
        let paths = plan.paths();
        let kind = |path: &str| paths[&RootPath::new(path).unwrap()].clone();
        assert_eq!(kind("/"), PathKind::Dir);
        assert_eq!(kind("/usr/bin"), PathKind::Dir);
        assert_eq!(kind("/bin"), PathKind::Symlink { to: "usr/bin".into() });
        assert_eq!(kind("/usr/bin/true"), PathKind::MountedFile);
        assert_eq!(kind("/srv/site"), PathKind::MountedDir);
        assert_eq!(kind("/etc/passwd"), PathKind::File);
        assert_eq!(kind("/tmp"), PathKind::Tmpfs);
        assert_eq!(kind("/dev"), PathKind::Dir);
        assert_eq!(kind("/dev/null"), PathKind::Device);
        assert_eq!(kind("/dev/stdin"), PathKind::Symlink { to: "/proc/self/fd/0".into() });
        assert_eq!(kind("/proc"), PathKind::Proc);
    }
}
