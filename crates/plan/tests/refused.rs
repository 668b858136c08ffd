//! Everything that is refused: each rule by its name, with the text and the help that a user sees.
#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use thinjail_closure::tree::Kind;
use thinjail_plan::facts::ProgramFact;
use thinjail_plan::resolve::Class;
use thinjail_plan::spec::{Spec, Words};
use world::World;

const WWW: &str = "user = \"www-data\"\n";

fn www(profile: &str) -> String {
    format!("{WWW}{profile}")
}

/// The one problem of a profile for `www-data` on an ordinary Debian.
fn problem(profile: &str) -> (String, String) {
    World::linux().problem(&www(profile))
}

fn what(profile: &str) -> String {
    problem(profile).0
}

mod program {
    use super::*;

    #[test]
    fn that_is_not_there() {
        let problems = World::linux().problems(&www("command = \"/bin/nginx -g x\""));
        assert_eq!(problems[0].class, Class::NotFound);
        assert_eq!(problems[0].what, "run /bin/nginx: no such file");
        assert_eq!(problems[0].help.as_deref(), Some("check the path, or install the program"));
    }

    #[test]
    fn that_can_not_be_executed() {
        let mut world = World::linux();
        world
            .programs
            .insert("/etc/hosts".into(), ProgramFact::NotExecutable { why: "not an ELF file or a script".into() });
        let problems = world.problems(&www("command = \"/etc/hosts\""));
        assert_eq!(problems[0].class, Class::NotExecutable);
        assert_eq!(problems[0].what, "run /etc/hosts: not an ELF file or a script");
    }

    #[test]
    fn that_is_empty() {
        assert_eq!(what("command = \"\""), "command is empty");
        assert_eq!(what("command = []"), "command is empty");
        assert_eq!(what("command = [\"\", \"x\"]"), "command is empty");
    }

    #[test]
    fn by_a_relative_path() {
        let problems = World::linux().problems(&www("command = \"./true\""));
        assert!(
            problems.iter().any(|p| p.what == "run ./true: the path is relative, and to what is not said"),
            "{problems:?}"
        );
    }

    #[test]
    fn without_one_of_its_libraries() {
        let mut world = World::linux();
        world.missing(
            "/bin/true",
            "libfoo.so.1",
            &["/opt/lib", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"],
        );
        assert_eq!(
            world.problem(WWW),
            (
                "library libfoo.so.1 is missing, needed by /bin/true; looked for in /opt/lib, /lib/x86_64-linux-gnu, \
                 /usr/lib/x86_64-linux-gnu, /lib and 1 more"
                    .into(),
                "install it, or name its directory in env LD_LIBRARY_PATH".into()
            )
        );
    }

    #[test]
    fn without_a_library_of_a_library_names_both() {
        let mut world = World::linux();
        world.missing("/bin/true", "libfoo.so.1", &[]);
        world.closure("/bin/true").missing[0].needed_by = "/lib/libbar.so".into();
        assert_eq!(
            world.problem(WWW).0,
            "library libfoo.so.1 is missing, needed by /lib/libbar.so, which /bin/true needs"
        );
    }

    #[test]
    fn that_asks_where_it_stands_without_proc() {
        let mut world = World::linux();
        world.closure("/bin/true").needs_proc = true;
        let (what, help) = world.problem(&www("proc = \"none\""));
        assert_eq!(what, "/bin/true takes $ORIGIN from /proc/self/exe, and proc = \"none\"");
        assert_eq!(help, "write proc = \"pid\", or take the key out");
        assert!(world.resolve(WWW).is_ok());
    }

    #[test]
    fn comes_before_all_other_problems() {
        let problems = World::linux().problems("command = \"/bin/nginx\"\nread = [\"/none\"]\numask = \"9\"");
        assert_eq!(problems[0].class, Class::NotFound);
        assert!(problems.len() >= 4, "{problems:?}");
    }
}

mod identity {
    use super::*;

    #[test]
    fn root_must_be_written() {
        let (what, help) = World::linux().problem("");
        assert_eq!(what, "no user is written, and thinjail runs nothing as uid 0 unasked");
        assert_eq!(help, "write user = \"www-data\", or user = \"root\" to run as uid 0");
    }

    #[test]
    fn root_has_one_spelling() {
        let mut world = World::linux();
        world.user("toor", 0, 0, "/root", "/bin/sh");
        for (written, shown) in [("0", "user = \"0\""), ("00", "user = \"00\""), ("toor", "user = \"toor\"")] {
            let (what, help) = world.problem(&format!("user = \"{written}\""));
            assert_eq!(what, format!("{shown} is uid 0 by another name"));
            assert_eq!(help, "write user = \"root\" if it is to run as uid 0");
        }
    }

    #[test]
    fn a_name_needs_an_entry_and_a_number_needs_none() {
        let (what, help) = World::linux().problem("user = \"nginx\"");
        assert_eq!(what, "user: there is no user \"nginx\" on this host");
        assert_eq!(help, "write the name of a user of the host, or a number, which needs no entry");
        assert_eq!(World::linux().plan("user = \"4711\"").exec.ids.uid, 4711);
        assert_eq!(super::what("group = \"nginx\""), "group: there is no group \"nginx\" on this host");
        assert_eq!(super::what("groups = [\"nginx\"]"), "groups: there is no group \"nginx\" on this host");
        assert_eq!(super::what("users = [\"nginx\"]"), "users: there is no user \"nginx\" on this host");
    }

    #[test]
    fn minus_one_is_no_id() {
        assert_eq!(
            World::linux().problem("user = \"4294967295\"").0,
            "user: there is no user \"4294967295\" on this host"
        );
    }

    #[test]
    fn a_caller_who_is_not_root_is_told_to_be() {
        let mut world = World::linux();
        world.caller = 1000;
        let (what, help) = world.problem(WWW);
        assert_eq!(what, "this version needs root to make a jail, and the caller is uid 1000");
        assert_eq!(help, "run it as root");
    }

    #[test]
    fn a_name_that_breaks_passwd_is_not_written_there() {
        let mut world = World::linux();
        world.users[1].home = "/var/www:0\n".into();
        assert_eq!(world.problem(WWW).0, "\"/var/www:0\\n\" can't be written into passwd(5) or group(5)");
    }
}

mod links {
    use super::*;

    #[test]
    fn of_another_user_are_refused() {
        let mut world = World::linux();
        world.link_of(1000, false, "/srv/site", "/etc/hosts");
        let (what, help) = world.problem(&www("read = [\"/srv/site\"]"));
        assert_eq!(
            what,
            "read = \"/srv/site\": the link /srv/site -> /etc/hosts belongs to uid 1000, and the file at its end to uid 0, \
             so it could be pointed anywhere"
        );
        assert_eq!(help, "write /etc/hosts if that is the file that is meant");
    }

    #[test]
    fn in_a_directory_of_others_are_refused() {
        let mut world = World::linux();
        world.own("/srv/x", Kind::File, 33, 0o644).link_of(0, true, "/srv/site", "x");
        assert_eq!(
            world.problem(&www("read = [\"/srv/site\"]")).0,
            "read = \"/srv/site\": the link /srv/site -> x stands in a directory where others may write, and the \
             file at its end belongs to uid 33, so it could be pointed anywhere"
        );
    }

    #[test]
    fn of_who_owns_the_file_are_followed() {
        let mut world = World::linux();
        world.own("/home/u/site", Kind::Directory, 1000, 0o755).link_of(1000, true, "/srv/site", "/home/u/site");
        let plan = world.plan(&www("read = [\"/srv/site\"]"));
        assert!(world::line(&plan, "link", "/srv/site").unwrap().contains("to /home/u/site"));
        assert!(world::line(&plan, "bind", "/home/u/site").is_some());
    }

    #[test]
    fn of_another_user_on_the_way_to_a_library_are_refused() {
        let mut world = World::linux();
        world.link_of(1000, false, "/opt/lib", "/usr/lib/x86_64-linux-gnu").file("/usr/lib/x86_64-linux-gnu/libz.so.1");
        world.program("/bin/prog", &[("libz.so.1", "/opt/lib/libz.so.1")]);
        let (what, _) = world.problem(&www("command = \"/bin/prog\""));
        assert!(
            what.starts_with("library libz.so.1, needed by /bin/prog, found by ld.so.cache: the link /opt/lib ->"),
            "{what}"
        );
    }

    #[test]
    fn of_another_user_on_the_way_to_what_is_made_are_refused() {
        let mut world = World::linux();
        world.link_of(1000, false, "/srv/data", "/etc");
        let (what, _) = world.problem(&www("[[mount]]\nsource = \"/srv/data/x\"\ncreate = true"));
        assert!(what.contains("the link /srv/data -> /etc belongs to uid 1000"), "{what}");
    }
}

mod sources {
    use super::*;

    #[test]
    fn that_are_missing_name_the_first_name_that_is_not_there() {
        let (what, help) = problem("read = [\"/srv/site/www\"]");
        assert_eq!(what, "read = \"/srv/site/www\": /srv does not exist");
        assert_eq!(help, "make it, or write it as a [[mount]] with create = true or optional = true");
        let (what, help) = problem("[[mount]]\nsource = \"/run/x\"");
        assert_eq!(what, "[[mount]] source = \"/run/x\": /run/x does not exist");
        assert_eq!(help, "make it, or write create = true or optional = true");
    }

    #[test]
    fn that_are_no_paths() {
        assert_eq!(what("read = [\"etc\"]"), "read = \"etc\": \"etc\" is not an absolute path");
        assert_eq!(what("write = [\"\"]"), "write = \"\": the path is empty");
        assert_eq!(what("read = [\"/etc/../root\"]"), "read = \"/etc/../root\": \"/etc/../root\" has a `..` in it");
    }

    #[test]
    fn that_are_devices_or_fifos() {
        let mut world = World::linux();
        world.put("/srv/fifo", Kind::Fifo).put("/srv/disk", Kind::BlockDevice).put("/srv/null", Kind::CharDevice);
        assert_eq!(
            world.problem(&www("read = [\"/srv/fifo\"]")),
            ("read = \"/srv/fifo\": /srv/fifo is a FIFO".into(), "mount its directory".into())
        );
        for name in ["disk", "null"] {
            let (what, help) = world.problem(&www(&format!("read = [\"/srv/{name}\"]")));
            assert_eq!(what, format!("read = \"/srv/{name}\": /srv/{name} is a device"));
            assert_eq!(help, "name it in devices = [...]");
        }
    }

    #[test]
    fn that_undo_the_jail() {
        assert_eq!(problem("read = [\"/dev/null\"]").1, "write devices = [\"null\"]");
        assert_eq!(
            what("read = [\"/proc/sys\"]"),
            "read = \"/proc/sys\": /proc shows the host's processes, and its switches"
        );
        let mount = |source: &str| format!("[[mount]]\nsource = \"{source}\"\ntarget = \"/x\"\nwrite = true");
        for source in ["/", "/sys", "/sys/fs/cgroup"] {
            let text = what(&mount(source));
            assert!(text.ends_with(&format!("who may write to {source} controls the host")), "{text}");
        }
        assert!(what("[[mount]]\nsource = \"/proc\"\ntarget = \"/x\"").contains("/proc shows the host's processes"));
    }

    #[test]
    fn that_undo_the_jail_through_a_link() {
        let mut world = World::linux();
        world
            .dir("/proc/sys")
            .dir("/sys/fs")
            .link("/srv/p", "/proc/sys")
            .link("/srv/s", "/sys")
            .link("/srv/d", "/dev")
            .link("/srv/r", "/");
        assert!(world.problem(&www("read = [\"/srv/r\"]")).0.contains("the jail's root can't be mounted over"));
        assert!(world.problem(&www("read = [\"/srv/p\"]")).0.contains("/proc shows the host's processes"));
        assert!(world.problem(&www("write = [\"/srv/s\"]")).0.contains("controls the host"));
        assert!(world.problem(&www("read = [\"/srv/d\"]")).0.contains("/dev is made new"));
    }

    #[test]
    fn that_have_an_owner_and_are_not_made() {
        let (what, help) = problem("[[mount]]\nsource = \"/run\"\nmode = \"0700\"");
        assert_eq!(what, "[[mount]] source = \"/run\" has an owner, group or mode, but nothing is to be made");
        assert_eq!(help, "write create = true, or take them out");
    }

    #[test]
    fn that_are_made_with_a_mode_that_is_none() {
        assert_eq!(
            what("[[mount]]\nsource = \"/run/x\"\ncreate = true\nmode = \"rwx\""),
            "[[mount]] source = \"/run/x\": mode = \"rwx\" is not an octal number of three or four digits"
        );
    }

    #[test]
    fn that_are_a_file_where_a_directory_is_made() {
        assert_eq!(
            what("[[mount]]\nsource = \"/etc/hosts\"\ncreate = true"),
            "[[mount]] source = \"/etc/hosts\": /etc/hosts is there, but is no directory"
        );
        assert_eq!(
            what("[[mount]]\nsource = \"/etc/hosts/x\"\ncreate = true"),
            "[[mount]] source = \"/etc/hosts/x\": /etc/hosts is no directory"
        );
    }

    #[test]
    fn that_the_host_refuses_even_if_optional() {
        let mut world = World::linux();
        world.link("/srv/a", "b").link("/srv/b", "a");
        let (what, _) = world.problem(&www("[[mount]]\nsource = \"/srv/a\"\noptional = true"));
        assert_eq!(what, "[[mount]] source = \"/srv/a\": too many links on the way");
    }

    #[test]
    fn that_are_directories_by_a_name_that_is_none() {
        for name in ["", "/nginx", "nginx/", "../nginx", "nginx/./x", "a//b"] {
            let (what, help) = problem(&format!("run-dir = \"{name}\""));
            assert_eq!(what, format!("run-dir = {name:?} is not one or more plain names"));
            assert_eq!(help, "write a name such as \"nginx\"; it goes below /run");
        }
    }
}

mod targets {
    use super::*;

    fn mount(target: &str) -> String {
        format!("[[mount]]\nsource = \"/usr/local\"\ntarget = \"{target}\"\n")
    }

    #[test]
    fn with_dots_in_them() {
        assert!(what(&mount("/srv/../etc")).ends_with("\"/srv/../etc\" has a `..` in it"));
        assert!(what(&mount("srv")).ends_with("\"srv\" is not an absolute path"));
    }

    #[test]
    fn that_are_thinjails_own() {
        let (what, help) = problem(&mount("/"));
        assert!(what.ends_with("the jail's root can't be mounted over"), "{what}");
        assert_eq!(help, "name the directories below it that the program needs, or give it another target");
        for target in ["/proc", "/proc/sys", "/dev", "/dev/shm/x"] {
            let what = super::what(&mount(target));
            assert!(what.ends_with(&format!("{target} is thinjail's own in every jail")), "{what}");
        }
        assert!(super::what("read = [\"/\"]").ends_with("the jail's root can't be mounted over"));
    }

    #[test]
    fn on_the_way_of_a_link() {
        let (what, help) = problem(&mount("/bin/x"));
        assert_eq!(
            what,
            "/bin/x can't be made ([[mount]] source = \"/usr/local\", target = \"/bin/x\"): /bin is a link to usr/bin \
             (link on the way to /bin/true)"
        );
        assert_eq!(help, "write /usr/bin/x");
    }

    #[test]
    fn in_place_of_a_link() {
        let what = what(&mount("/lib64"));
        assert_eq!(
            what,
            "two things are wanted at /lib64: [[mount]] source = \"/usr/local\", target = \"/lib64\"; and link on the way to \
             /lib64/ld-linux-x86-64.so.2"
        );
    }

    #[test]
    fn that_two_mounts_want() {
        let mut world = World::linux();
        world.dir("/srv/a").dir("/srv/b");
        let profile =
            www("[[mount]]\nsource = \"/srv/a\"\ntarget = \"/www\"\n[[mount]]\nsource = \"/srv/b\"\ntarget = \"/www\"");
        assert_eq!(
            world.problem(&profile),
            (
                "two things are wanted at /www: [[mount]] source = \"/srv/a\", target = \"/www\"; and [[mount]] source = \
                 \"/srv/b\", target = \"/www\""
                    .into(),
                "give one of them another target".into()
            )
        );
    }

    #[test]
    fn that_are_read_and_written() {
        let (what, help) = problem("read = [\"/var/lib\"]\nwrite = [\"/var/lib\"]");
        assert_eq!(what, "two things are wanted at /var/lib: read = \"/var/lib\"; and write = \"/var/lib\"");
        assert_eq!(help, "write it once, as read or as write");
    }

    #[test]
    fn that_are_written_and_executed() {
        let (what, help) = problem("write = [\"/usr/bin/true\"]");
        assert_eq!(what, "two things are wanted at /usr/bin/true: write = \"/usr/bin/true\"; and program /bin/true");
        assert_eq!(help, "what is written to is not executed; if it must be, write a [[mount]] with exec = true");
    }

    #[test]
    fn below_a_file() {
        let mut world = World::linux();
        world.dir("/srv/a");
        let (what, _) =
            world.problem(&www("read = [\"/etc/hosts\"]\n[[mount]]\nsource = \"/srv/a\"\ntarget = \"/etc/hosts/a\""));
        assert_eq!(
            what,
            "/etc/hosts/a can't be made ([[mount]] source = \"/srv/a\", target = \"/etc/hosts/a\"): /etc/hosts is a file \
             (read = \"/etc/hosts\")"
        );
    }

    #[test]
    fn without_a_mount_point_in_the_hosts_directory() {
        let mut world = World::linux();
        world.dir("/srv/site/up").file("/srv/site/f").dir("/srv/a").file("/srv/f").link("/srv/site/l", "up");
        let nested = |source: &str, target: &str| {
            www(&format!("read = [\"/srv/site\"]\n[[mount]]\nsource = \"{source}\"\ntarget = \"{target}\""))
        };
        assert!(world.resolve(&nested("/srv/a", "/srv/site/up")).is_ok());
        assert!(world.resolve(&nested("/srv/f", "/srv/site/f")).is_ok());
        assert_eq!(
            world.problem(&nested("/srv/a", "/srv/site/none")),
            (
                "/srv/site/none has no mount point ([[mount]] source = \"/srv/a\", target = \"/srv/site/none\"): /srv/site is \
                 the host's /srv/site, and there is no directory /srv/site/none"
                    .into(),
                "make it on the host: mkdir -p /srv/site/none".into()
            )
        );
        assert_eq!(world.problem(&nested("/srv/f", "/srv/site/none")).1, "make it on the host: touch /srv/site/none");
        assert!(world.problem(&nested("/srv/f", "/srv/site/up")).0.ends_with("/srv/site/up is there, but is no file"));
        assert!(world.problem(&nested("/srv/a", "/srv/site/l")).0.ends_with("/srv/site/l is a link to /srv/site/up"));
    }

    #[test]
    fn that_would_hide_the_programs_libraries() {
        let problems = World::linux().problems(&www(&mount("/usr/lib")));
        assert!(problems.iter().any(|p| p.what.starts_with(
            "/usr/lib/x86_64-linux-gnu/libc.so.6 has no mount point (library libc.so.6, needed by /bin/true, found by ld.so.cache)"
        )), "{problems:#?}");
    }
}

mod pidfile {
    use super::*;

    #[test]
    fn in_a_write_mount_would_reach_the_host() {
        let (what, help) = problem("pidfile = \"/run/nginx.pid\"\nwrite = [\"/run\"]");
        assert_eq!(
            what,
            "pidfile = \"/run/nginx.pid\": what the jail writes there reaches the host through /run (write = \"/run\"), and its \
             pid means another process there"
        );
        assert_eq!(help, "write a pidfile outside of /run; the daemon's own may be anywhere");
        assert!(
            super::what("pidfile = \"/run/nginx/a.pid\"\nrun-dir = \"nginx\"")
                .contains("reaches the host through /run/nginx")
        );
    }

    #[test]
    fn in_a_write_mount_by_another_name_would_reach_the_host() {
        assert!(what("pidfile = \"/var/run/a.pid\"\nwrite = [\"/run\"]").contains("reaches the host through /run"));
        let elsewhere = "pidfile = \"/run/a.pid\"\n[[mount]]\nsource = \"/run\"\ntarget = \"/x\"\nwrite = true";
        assert!(what(elsewhere).contains("reaches the host through /x"));
    }

    #[test]
    fn needs_its_directory() {
        let (what, help) = problem("pidfile = \"/run/nginx/a.pid\"");
        assert_eq!(what, "pidfile = \"/run/nginx/a.pid\": /run/nginx does not exist");
        assert_eq!(help, "make /run/nginx, or write another path");
    }

    #[test]
    fn has_no_place_in_what_is_ours() {
        for path in ["/a.pid", "/dev/a.pid", "/etc/a.pid", "/"] {
            assert!(World::linux().resolve(&www(&format!("pidfile = \"{path}\""))).is_err(), "{path}");
        }
        let (what, _) = problem("pidfile = \"/usr/lib/x86_64-linux-gnu/a.pid\"");
        assert!(what.contains("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 is there"), "{what}");
    }
}

mod devices {
    use super::*;

    #[test]
    fn that_are_not_there() {
        assert_eq!(what("devices = [\"kvm\"]"), "devices: kvm: /dev/kvm does not exist");
        assert_eq!(what("devices = [\"log\"]"), "devices: log: there is no /dev/log on this host");
    }

    #[test]
    fn that_undo_the_jail() {
        let mut world = World::linux();
        world
            .put("/dev/mem", Kind::CharDevice)
            .put("/dev/sda", Kind::BlockDevice)
            .file("/dev/x")
            .link("/dev/dvd", "sda");
        for (name, end) in [
            ("mem", " would undo the jail: it is the host's memory"),
            ("sda", " would undo the jail: a block device is a whole disk"),
            ("x", ": /dev/x is no character device"),
        ] {
            assert_eq!(world.problem(&www(&format!("devices = [\"{name}\"]"))).0, format!("devices: {name}{end}"));
        }
        assert!(world.resolve(&www("devices = [\"dvd\"]")).is_err());
        assert!(world.resolve(&www("devices = [\"../etc/hosts\"]")).is_err());
    }

    #[test]
    fn that_ruleset_4_does_not_show() {
        let world = World::freebsd(1_400_000);
        assert_eq!(
            world.problem("user = \"www\"\ndevices = [\"pf\"]").0,
            "devices: pf is not shown by devfs ruleset 4"
        );
        assert!(world.problem("user = \"www\"\ndevices = [\"log\"]").0.starts_with("devices: log: a single socket"));
    }
}

mod words {
    use super::*;

    #[test]
    fn that_are_not_known() {
        assert_eq!(
            problem("network = \"host\""),
            ("network = \"host\" is not known".into(), "write one of inherit, none".into())
        );
        assert_eq!(problem("proc = \"ful\""), ("proc = \"ful\" is not known".into(), "did you mean \"full\"?".into()));
        assert_eq!(what("wait = \"one\""), "wait = \"one\" is not known");
        assert_eq!(what("etc = [\"shadow\"]"), "etc: \"shadow\" is none of the usual files");
    }

    #[test]
    fn of_capabilities() {
        assert_eq!(
            problem("capabilities = [\"net_bind_servce\"]"),
            (
                "capabilities: there is no capability \"net_bind_servce\"".into(),
                "did you mean net_bind_service?".into()
            )
        );
        let (what, help) = problem("capabilities = \"CAP_SYS_ADMIN\"");
        assert_eq!(
            what,
            "capabilities: sys_admin would undo the jail: it mounts and unmounts, and with that there is no jail"
        );
        assert_eq!(help, "take it out; a program that needs it can't be jailed");
        for name in ["sys_module", "sys_rawio", "sys_boot", "sys_ptrace", "mknod", "dac_read_search", "bpf", "setfcap"]
        {
            assert!(super::what(&format!("capabilities = \"{name}\"")).contains("would undo the jail"), "{name}");
        }
    }

    #[test]
    fn of_limits() {
        assert_eq!(
            problem("limits.memoryuse = \"1G\""),
            (
                "limits: memoryuse counts over the whole jail, which this version can't do yet".into(),
                "take it out; vmemoryuse, maxproc and openfiles are limits of each process or user".into()
            )
        );
        assert_eq!(problem("limits.openfile = 1").1, "did you mean openfiles?");
        assert_eq!(what("limits.filesize = \"1.5G\""), "limits: filesize = \"1.5G\" can't be understood");
        assert_eq!(what("limits.cputime = \"1M\""), "limits: cputime = \"1M\" can't be understood");
    }

    #[test]
    fn of_signals_and_times() {
        assert_eq!(problem("stop-signal = \"QIUT\"").1, "did you mean QUIT?");
        assert_eq!(
            what("stop-signal = \"15\""),
            "stop-signal = \"15\": a number is not the same signal on every system"
        );
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
            ("exec.start", "write the keys for it: user, umask, env, command"),
            ("mount.devfs", "take it out: this version does not do that"),
            ("a b", "write a name of jail(8)'s parameters"),
        ] {
            let problem =
                World::freebsd(1_400_000).problem(&format!("user = \"www\"\nparams = {{ {param:?} = \"\" }}"));
            assert_eq!(problem, (format!("params: {param} is thinjail's own"), help.into()));
        }
    }

    #[test]
    fn with_a_nul_byte_in_a_spec_that_is_no_file() {
        let spec = Spec { command: Words::List(vec!["/bin/true".into(), "a\0b".into()]), ..Spec::default() };
        let problems = thinjail_plan::resolve::resolve("x", &spec, &World::linux().facts(&spec)).unwrap_err();
        assert_eq!(problems[0].what, "command has a NUL byte in it, which no system call takes");
        assert_eq!(problems.len(), 1);
    }
}

mod freebsd {
    use super::*;

    #[test]
    fn a_writable_single_file_needs_14() {
        let profile = "user = \"www\"\nwrite = [\"/etc/hosts\"]";
        assert_eq!(
            World::freebsd(1_302_001).problem(profile),
            (
                "write = \"/etc/hosts\": FreeBSD below 14.0 can't mount a single file safely".into(),
                "mount its directory".into()
            )
        );
        assert!(World::freebsd(1_400_000).resolve(profile).is_ok());
    }

    #[test]
    fn a_socket_can_not_be_mounted_alone() {
        let mut world = World::freebsd(1_400_000);
        world.put("/var/run/x.sock", Kind::Socket);
        let (what, help) = world.problem("user = \"www\"\nread = [\"/var/run/x.sock\"]");
        assert_eq!(what, "read = \"/var/run/x.sock\": a single socket can't be mounted on this FreeBSD");
        assert_eq!(help, "mount its directory");
    }
}
