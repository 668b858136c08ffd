//! What holds for every profile, whatever is in it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use std::collections::BTreeMap;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use thinjail_closure::tree::Kind;
use thinjail_plan::explain::explain;
use thinjail_plan::facts::System;
use thinjail_plan::path::RootPath;
use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::resolve;
use thinjail_plan::spec::toml;
use thinjail_plan::spec::words::split;
use thinjail_plan::spec::{LimitValue, Mount, Spec, TmpSize, Words};
use thinjail_plan::step::Step;
use world::World;

/// Paths of all sorts: files, directories, links, nested ones, missing ones, forbidden ones, and what is no path.
const PATHS: &[&str] = &[
    "/srv/a",
    "/srv/a/b",
    "/srv/a/b/c",
    "/srv/a/f",
    "/srv/l",
    "/srv/l/b",
    "/srv/up",
    "/srv/file",
    "/srv/other",
    "/srv/none/x",
    "/srv/fifo",
    "/srv/sock",
    "/etc",
    "/etc/hosts",
    "/etc/passwd",
    "/usr",
    "/usr/lib",
    "/usr/bin",
    "/bin",
    "/bin/true",
    "/lib",
    "/var/run",
    "/run",
    "/run/x",
    "/tmp",
    "/tmp/x",
    "/var/lib",
    "/usr/bin/true",
    "/libexec",
    "/lib/libc.so.7",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/",
    "/proc",
    "/dev",
    "/dev/null",
    "/sys",
    "relative",
    "/a/../b",
    "",
];
const GOOD_PATHS: &[&str] = &[
    "/srv/a",
    "/srv/a/b",
    "/srv/a/f",
    "/srv/l",
    "/srv/up",
    "/srv/file",
    "/srv/other",
    "/etc",
    "/etc/hosts",
    "/usr/lib",
    "/usr/bin",
    "/var/lib",
    "/tmp",
    "/usr",
    "/var/run",
];

fn path() -> impl Strategy<Value = String> {
    prop_oneof![15 => select(GOOD_PATHS), 1 => select(PATHS)].prop_map(String::from)
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(path(), 0..4)
}

/// A good word mostly, and a bad one now and then.
fn word(good: &'static [&'static str], bad: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![40 => select(good), 1 => select(bad)].prop_map(String::from)
}

fn a_mount() -> impl Strategy<Value = Mount> {
    (path(), option::of(path()), any::<[bool; 4]>(), option::of(word(&["www", "7", "root"], &["none"]))).prop_map(
        |(source, target, [write, exec, optional, create], owner)| Mount {
            source,
            target,
            write,
            exec,
            optional,
            owner: owner.filter(|_| create),
            create,
            ..Mount::default()
        },
    )
}

fn a_spec() -> impl Strategy<Value = Spec> {
    let who = (
        word(&["www", "root", "4711"], &["0", "none", "-1"]),
        option::of(word(&["www", "7"], &["none"])),
        prop::collection::vec(word(&["www", "root"], &["none"]), 0..2),
    );
    let places = (
        paths(),
        paths(),
        prop::collection::vec(a_mount(), 0..3),
        prop::collection::vec(option::of(word(&["a", "a/b", "x"], &["", "/x", ".."])), 4),
    );
    let run = (
        word(&["/bin/true", "/bin/app x", "app"], &["", "/none", "a 'b", "./x"]),
        subsequence(vec!["/bin/app", "app", "/bin/true"], 0..3),
        option::of(path()),
        option::of(word(&["/run/a.pid", "/var/run/a.pid", "/tmp/a.pid"], &["/srv/a/x.pid", "/a", "x", "/"])),
        option::of(select(vec!["pid", "full", "none"])),
        option::of(select(vec!["inherit", "none"])),
    );
    let odd = (
        prop::collection::vec(word(&["shm", "tty", "null"], &["log", "kvm", "../x", ""]), 0..3),
        option::of(prop::collection::vec(word(&["passwd", "hosts", "ca", "localtime"], &["x"]), 0..3)),
        option::of(prop_oneof![any::<bool>().prop_map(TmpSize::Switch), Just(TmpSize::Size("1M".into()))]),
        prop::collection::btree_map(word(&["A", "PATH", "LD_LIBRARY_PATH"], &["", "="]), ".{0,6}", 0..3),
        prop::collection::btree_map(
            word(&["openfiles", "cputime"], &["pcpu"]),
            any::<u64>().prop_map(LimitValue::Number),
            0..2,
        ),
        any::<bool>(),
    );
    (who, places, run, odd).prop_map(|((user, group, users), (read, write, mount, dirs), run, odd)| {
        let (command, programs, chdir, pidfile, proc, network) = run;
        let (devices, etc, tmp, env, limits, tty) = odd;
        let [run_dir, state_dir, log_dir, cache_dir] = <[_; 4]>::try_from(dirs).unwrap();
        Spec {
            command: Words::Line(command),
            user: Some(user),
            group,
            users,
            programs: programs.into_iter().map(String::from).collect(),
            read,
            write,
            mount,
            run_dir,
            state_dir,
            log_dir,
            cache_dir,
            chdir: chdir.filter(|_| tty),
            pidfile,
            proc: proc.map(String::from),
            network: network.map(String::from),
            devices,
            etc,
            tmp,
            env,
            limits,
            tty,
            ..Spec::default()
        }
    })
}

fn a_world() -> impl Strategy<Value = World> {
    select(vec![furnished(World::linux()), furnished(World::freebsd(1_302_001)), furnished(World::freebsd(1_402_000))])
}

/// The same odd things on every system.
fn furnished(mut world: World) -> World {
    world.dir("/srv/a/b/c").file("/srv/a/f").file("/srv/file").dir("/srv/other/b").dir("/usr/lib").dir("/sys");
    world
        .link("/srv/l", "a")
        .link("/srv/up", "../srv/a/../other")
        .put("/srv/fifo", Kind::Fifo)
        .put("/srv/sock", Kind::Socket);
    world.file("/etc/passwd").user("www", 80, 80, "/nonexistent", "/bin/sh").group("www", 80);
    let libc = world.closure("/bin/true").members.last().unwrap().clone();
    let libc = (libc.name, libc.path.to_str().unwrap().to_string());
    world.program("/bin/app", &[(&libc.0, &libc.1), ("libx.so", "/srv/a/b/c/../libx.so")]);
    world.program_as("app", "/usr/local/bin/app", &[(&libc.0, &libc.1)]);
    world
}

/// What stands at each place, by the steps so far.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stands {
    Ours,
    Host,
    File,
    Link,
}

fn stands(step: &Step) -> Stands {
    match step {
        Step::Bind { source, .. } if source.kind == Kind::Directory => Stands::Host,
        Step::Bind { .. } | Step::PutFile { .. } => Stands::File,
        Step::Symlink { .. } => Stands::Link,
        _ => Stands::Ours,
    }
}

/// Every step finds its parent made before it, or lies in a directory of the host; no place is used twice.
fn in_order(plan: &Plan) -> Result<(), TestCaseError> {
    let mut made: BTreeMap<&RootPath, Stands> = BTreeMap::new();
    for planned in plan.placing() {
        let at = planned.step.at().unwrap();
        prop_assert!(!made.contains_key(at), "two steps at {at}\n{plan}");
        let mut up = at.parent();
        let mut direct = true;
        while let Some(dir) = up {
            match made.get(&dir) {
                Some(Stands::Ours) => prop_assert!(direct, "{at}: its parent is not made\n{plan}"),
                Some(Stands::Host) => {
                    prop_assert!(!matches!(stands(&planned.step), Stands::Link), "a link in the host's {dir}\n{plan}");
                    prop_assert!(
                        !matches!(planned.step, Step::MakeDir { .. } | Step::PutFile { .. }),
                        "{at} in the host's {dir}\n{plan}"
                    );
                }
                Some(blocked) => prop_assert!(false, "{at} is below {dir}, a {blocked:?}\n{plan}"),
                None => {
                    direct = false;
                    up = dir.parent();
                    continue;
                }
            }
            break;
        }
        made.insert(at, stands(&planned.step));
    }
    Ok(())
}

/// Nothing that is written to reaches the host's pidfile, and nothing of ours is writable but by name.
fn safe(plan: &Plan, spec: &Spec) -> Result<(), TestCaseError> {
    for planned in plan.placing() {
        if let Step::Bind { source, at, access } = &planned.step {
            prop_assert!(!access.dev || source.kind == Kind::CharDevice);
            // Before 14.0 a nullfs of a single file panics the kernel.
            if matches!(plan.system, System::FreeBsd { osreldate: ..1_400_000 }) {
                prop_assert_eq!(source.kind, Kind::Directory, "{}", plan);
            }
            if let (true, Some(pidfile)) = (access.write, &plan.pidfile) {
                prop_assert!(pidfile.below(&source.path).is_none() && pidfile.inside().below(at).is_none(), "{plan}");
            }
            if access.write && source.kind != Kind::CharDevice {
                let named = ["write =", "[[mount]]", "run-dir", "state-dir", "log-dir", "cache-dir"];
                prop_assert!(named.iter().any(|key| planned.why.starts_with(key)), "{plan}");
            }
        }
    }
    prop_assert!(plan.exec.ids.uid != 0 || spec.user.as_deref() == Some("root"));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_spec_has_a_plan_in_order_or_problems(spec in a_spec(), world in a_world()) {
        let facts = world.facts(&spec);
        match resolve("test", &spec, &facts) {
            Ok(plan) => {
                in_order(&plan)?;
                safe(&plan, &spec)?;
                let json = serde_json::to_string(&plan).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Plan>(&json).unwrap(), &plan);
                prop_assert_eq!(&resolve("test", &spec, &facts).unwrap(), &plan);
                for (path, _) in plan.paths() {
                    let explanation = explain(&plan, &path);
                    prop_assert!(!explanation.lines.is_empty());
                }
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in &problems {
                    prop_assert!(!problem.what.contains("the facts say nothing"), "{}", problem.what);
                }
                prop_assert!(problems.is_sorted_by_key(|problem| problem.class));
            }
        }
    }

    #[test]
    fn any_text_is_a_profile_or_a_fault(text in "\\PC{0,200}|[a-z\\-]{1,8} = .{0,40}|(\\[\\[?[a-z.]{1,8}\\]\\]?\n?){1,3}") {
        match toml::parse(&text, "x.toml") {
            Ok(spec) => prop_assert!(serde_json::to_string(&spec).is_ok()),
            Err(error) => prop_assert!(error.line > 0 && !error.what.is_empty()),
        }
    }

    #[test]
    fn what_is_quoted_is_read_back(words in prop::collection::vec("[^']{0,10}", 0..5)) {
        let line: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        prop_assert_eq!(split(&line.join(" ")), Ok(words));
    }
}

/// Guards the test itself: a strategy whose profiles all fail would prove nothing.
#[test]
fn enough_of_the_random_specs_have_a_plan() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let plans = (0..500).filter(|_| {
        let spec = a_spec().new_tree(&mut runner).unwrap().current();
        let world = a_world().new_tree(&mut runner).unwrap().current();
        resolve("test", &spec, &world.facts(&spec)).is_ok()
    });
    let plans = plans.count();
    assert!(plans >= 50, "{plans} of 500");
}
