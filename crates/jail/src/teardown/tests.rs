#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use thinjail_closure::tree::Kind;
use thinjail_plan::path::{HostPath, RootPath};
use thinjail_plan::step::{Access, Confine, Content, Devfs, Planned, ProcView, Source, Step};

use super::*;
use crate::apply::apply;
use crate::journal::line::{Begin, Process, Running, VERSION, Verb};
use crate::journal::read::read;
use crate::os::fake::{Fake, ROOT, World, target};

fn planned(step: Step) -> Planned {
    Planned { step, why: "test".into() }
}

fn dir(path: &str, keep: bool) -> Planned {
    let path = HostPath::new(path).unwrap();
    planned(Step::MakeHostDir { path, mode: 0o750, uid: 33, gid: 33, keep })
}

fn at(path: &str) -> RootPath {
    RootPath::new(path).unwrap()
}

fn tmpfs(path: &str) -> Planned {
    let access = Access::default();
    planned(Step::Tmpfs { at: at(path), size: 4096, mode: 0o755, uid: 0, gid: 0, access })
}

fn bind(path: &str) -> Planned {
    let source = Source { path: HostPath::new("/data").unwrap(), id: None, kind: Kind::Directory };
    planned(Step::Bind { source, at: at(path), access: Access { write: true, ..Access::default() } })
}

fn cgroup(name: &str) -> Planned {
    let (parent, name) = (HostPath::new("/sys/fs/cgroup").unwrap(), name.into());
    planned(Step::MakeCgroup { parent, name, enable: vec![], settings: vec![] })
}

/// What engines make besides: the pidfile, and what outlives a jail of FreeBSD.
fn besides() -> [Undo; 3] {
    let path = HostPath::new("/run/x.pid").unwrap();
    let jail = || "x".to_owned();
    [
        Undo::RemoveFile { path, id: None },
        Undo::RemoveLimits { jail: jail() },
        Undo::ClearRuleset { number: 900, jail: jail() },
    ]
}

/// Makes that.
fn make_besides(fake: &Fake, journal: &mut Journal) -> std::io::Result<()> {
    for undo in besides() {
        let number = journal.will(undo.clone()).map_err(crate::journal::Unwritten::into_cause)?;
        fake.make(&undo)?;
        journal.did(number, undo).map_err(crate::journal::Unwritten::into_cause)?;
    }
    Ok(())
}

/// Every verb that there is.
fn every_verb() -> Vec<Planned> {
    let name = |name: &str| ("name".to_owned(), name.to_owned());
    vec![
        dir(ROOT, false),
        dir("/run/a", false),
        dir("/run/a/b", false),
        dir("/var/lib/a", true),
        cgroup("thinjail.x"),
        tmpfs("/"),
        planned(Step::Devices { at: at("/dev"), nodes: vec![], links: vec![], devfs: Some(Devfs::Only(vec![])) }),
        planned(Step::MakeDir { at: at("/etc"), mode: 0o755, uid: 0, gid: 0 }),
        planned(Step::PutFile { at: at("/etc/x"), content: Content::Text("x".into()), mode: 0o444, uid: 0, gid: 0 }),
        planned(Step::Symlink { at: at("/etc/y"), to: "x".into() }),
        bind("/data"),
        planned(Step::Proc { at: at("/dev/fd"), view: ProcView::Descriptors }),
        planned(Step::Proc { at: at("/proc"), view: ProcView::Pid }),
        planned(Step::LogSocket { at: at("/var/run/log"), to: HostPath::new("/var/run/log").unwrap() }),
        tmpfs("/data/tmp"),
        planned(Step::Confine(Confine::FreeBsd { params: vec![name("x")], hooks: vec![] })),
    ]
}

fn fake() -> Fake {
    Fake::new(&["/run", "/var", "/var/lib", "/var/run", "/var/run/thinjail", "/data", "/data/user"])
}

fn begin() -> Begin {
    let supervisor = Process { pid: 7, start: 7 };
    let (name, program) = ("x".into(), "/x".into());
    Begin {
        version: VERSION,
        name,
        verb: Verb::Start,
        supervisor,
        program,
        uid: 0,
        stop_timeout: 1,
        pidfile: None,
        log: None,
    }
}

/// What a supervisor does, to its end. False if it could not start.
fn supervise(fake: &Fake, steps: &[Planned], left: &mut Vec<String>) -> bool {
    let mut os = fake.clone();
    let mut journal = Journal::on(fake.paper(), Default::default());
    let mut tell = |error: &StepError| left.push(error.describe());
    if journal.begin(begin()).is_err() {
        return false;
    }
    let started = apply(&mut os, steps, &mut journal, &mut tell).is_ok();
    if started {
        let main = Process { pid: 8, start: 8 };
        let made = make_besides(fake, &mut journal);
        let end = match journal.running(Running { main, jid: None, since: Moment::now() }) {
            Ok(()) if made.is_ok() => End::Stopped,
            _ => End::Failed,
        };
        teardown(&mut os, &mut journal, end, &mut tell);
    }
    let _ = journal.close();
    started
}

/// What `clean` does.
fn clean(fake: &Fake, left: &mut Vec<String>) {
    let Some(text) = fake.text() else { return };
    let found = read(&text).unwrap();
    let end = if found.running.is_some() { End::Stopped } else { End::Failed };
    let mut paper = fake.paper();
    paper.cut(found.whole);
    let mut journal = Journal::on(paper, found);
    teardown(&mut fake.clone(), &mut journal, end, &mut |error| left.push(error.describe()));
    journal.close().unwrap();
}

/// The world, and the one directory that stays by its profile's words.
fn kept(before: &World, fake: &Fake) -> bool {
    before.clone().with(&fake.world(), "/var/lib/a") == fake.world()
}

#[test]
fn every_verb_is_done_and_taken_back_and_nothing_is_left() {
    let fake = fake();
    let before = fake.world();
    let mut left = Vec::new();
    assert!(supervise(&fake, &every_verb(), &mut left));
    assert!(kept(&before, &fake));
    assert_eq!((left.len(), fake.text()), (0, None), "{left:?}");
    assert!(fake.forced().is_empty());
}

#[test]
fn a_failure_at_step_k_leaves_the_world_as_it_was() {
    for k in 0..every_verb().len() {
        let mut fake = fake();
        let before = fake.world();
        fake.fail_apply_at(k);
        let mut left = Vec::new();
        assert!(!supervise(&fake, &every_verb(), &mut left), "step {k}");
        assert_eq!((fake.world(), fake.text()), (before, None), "step {k}");
        assert!(left.is_empty(), "step {k}: {left:?}");
    }
}

#[test]
fn after_a_loss_of_power_at_any_moment_clean_leaves_the_world_as_it_was() {
    let whole = fake();
    assert!(supervise(&whole, &every_verb(), &mut vec![]));
    let changes = whole.changes();
    assert!(changes > 40, "{changes}");
    for k in 0..changes {
        let fake = fake();
        let before = fake.world();
        fake.power(Some(k));
        supervise(&fake, &every_verb(), &mut vec![]);
        // Now it is on again.
        fake.power(None);
        let mut left = Vec::new();
        clean(&fake, &mut left);
        assert!(left.is_empty(), "change {k}: {left:?}");
        assert!(fake.world() == before || kept(&before, &fake), "change {k}: {:#?}", fake.world());
        assert_eq!(fake.text(), None, "change {k}");
    }
}

#[test]
fn after_a_second_loss_of_power_while_cleaning_clean_does_the_rest() {
    for k in (0..60).step_by(7) {
        for second in 0..30 {
            let fake = fake();
            let before = fake.world();
            fake.power(Some(k));
            supervise(&fake, &every_verb(), &mut vec![]);
            fake.power(Some(second));
            if let Some(found) = fake.text() {
                let end = if read(&found).unwrap().running.is_some() { End::Stopped } else { End::Failed };
                let mut paper = fake.paper();
                paper.cut(read(&found).unwrap().whole);
                let mut journal = Journal::on(paper, read(&found).unwrap());
                teardown(&mut fake.clone(), &mut journal, end, &mut |_| {});
                let _ = journal.close();
            }
            fake.power(None);
            let mut left = Vec::new();
            clean(&fake, &mut left);
            assert!(left.is_empty(), "changes {k}, {second}: {left:?}");
            assert!(fake.world() == before || kept(&before, &fake), "changes {k}, {second}");
            assert_eq!(fake.text(), None, "changes {k}, {second}");
        }
    }
}

/// What each step that has an undo is taken back by.
fn undos() -> Vec<Undo> {
    every_verb().iter().filter_map(|planned| Fake::default().foresee(&planned.step)).chain(besides()).collect()
}

#[test]
fn one_failed_undo_is_told_and_stops_no_other_and_clean_does_it() {
    for (k, stuck) in undos().iter().enumerate().filter(|(_, undo)| target(undo) != "/var/lib/a") {
        let mut fake = fake();
        let before = fake.world();
        // For one supervisor's patience, but not for that of clean.
        fake.hold(stuck, PAUSES.len() + 1);
        let mut left = Vec::new();
        assert!(supervise(&fake, &every_verb(), &mut left));
        assert!(left.iter().any(|told| told.contains(&target(stuck))), "undo {k}: {left:?}");
        assert!(!kept(&before, &fake), "undo {k}");
        let stays = fake.world();
        let told = left.len();
        // What stands on it can't be taken back either, and nothing else is left.
        let needed = stays.difference(&before).into_iter().filter(|name| name != "/var/lib/a").count();
        assert_eq!(told, needed, "undo {k}: {left:?} {stays:#?}");
        left.clear();
        clean(&fake, &mut left);
        assert!(left.is_empty() && kept(&before, &fake) && fake.text().is_none(), "undo {k}: {left:?}");
    }
}

#[test]
fn what_is_in_use_is_waited_for_and_in_the_end_taken_by_force() {
    let undos = undos();
    let mount = undos.iter().rfind(|undo| matches!(undo, Undo::Unmount { .. })).unwrap();
    for (tries, forced) in [(3, vec![]), (PAUSES.len(), vec![target(mount)])] {
        let mut fake = fake();
        let before = fake.world();
        fake.hold(mount, tries);
        let mut left = Vec::new();
        assert!(supervise(&fake, &every_verb(), &mut left));
        assert!(left.is_empty() && kept(&before, &fake), "{left:?}");
        assert_eq!(fake.forced(), forced);
    }
}

#[test]
fn mounts_that_no_line_tells_of_are_found_below_the_root_and_nowhere_else() {
    let mut met = 0;
    for k in 0..60 {
        let fake = fake();
        fake.mount_stray("/data/user");
        let before = fake.world();
        fake.power(Some(k));
        supervise(&fake, &every_verb(), &mut vec![]);
        fake.power(None);
        if !fake.has_mounts_below(ROOT) {
            continue;
        }
        met += 1;
        fake.mount_stray(&format!("{ROOT}/data/tmp"));
        fake.mount_stray(&format!("{ROOT}/data/tmp/deep"));
        let mut left = Vec::new();
        clean(&fake, &mut left);
        assert!(left.is_empty(), "change {k}: {left:?}");
        assert!(fake.world() == before || kept(&before, &fake), "change {k}: {:#?}", fake.world());
    }
    assert!(met > 20, "{met}");
}

#[test]
fn a_directory_that_was_there_or_was_replaced_is_never_removed() {
    let fake = Fake::new(&["/run", "/run/a", "/run/a/b", "/var", "/var/lib", "/var/run", "/var/run/thinjail", "/data"]);
    let before = fake.world();
    assert!(supervise(&fake, &every_verb(), &mut vec![]));
    assert!(kept(&before, &fake));
    fake.power(Some(30));
    supervise(&fake, &[dir("/run/c", false), tmpfs("/")], &mut vec![]);
    let other = Fake::new(&["/run"]);
    other.power(Some(5));
    supervise(&other, &[dir("/run/c", false)], &mut vec![]);
    other.power(None);
    other.replace("/run/c");
    let replaced = other.world();
    let mut left = Vec::new();
    clean(&other, &mut left);
    assert_eq!((other.world(), left.len()), (replaced, 0));
}

fn any_step() -> impl Strategy<Value = Planned> {
    let name = proptest::sample::select(vec!["/run/a", "/run/a/b", "/run/c", "/var/lib/a", ROOT]);
    let place = proptest::sample::select(vec!["/", "/dev", "/etc", "/data", "/data/tmp"]);
    (0..13, name, place, any::<bool>()).prop_map(|(kind, path, place, keep)| match kind {
        8 => cgroup(path.trim_start_matches('/')),
        0 | 1 => dir(path, keep && path == "/var/lib/a"),
        2 => tmpfs(place),
        9 => planned(Step::Devices { at: at(place), nodes: vec![], links: vec![], devfs: Some(Devfs::Ruleset(4)) }),
        10 => planned(Step::PutFile { at: at(place), content: Content::Text("x".into()), mode: 0o444, uid: 0, gid: 0 }),
        11 => planned(Step::Symlink { at: at(place), to: "x".into() }),
        12 => planned(Step::LogSocket { at: at(place), to: HostPath::new("/var/run/log").unwrap() }),
        3 => bind(place),
        4 => planned(Step::MakeDir { at: at(place), mode: 0o755, uid: 0, gid: 0 }),
        5 => planned(Step::Proc { at: at(place), view: ProcView::Full }),
        6 => planned(Step::Confine(Confine::FreeBsd { params: vec![("name".into(), "x".into())], hooks: vec![] })),
        _ => tmpfs("/"),
    })
}

proptest! {
    #[test]
    fn before_equals_after_for_any_plan_any_failing_step_and_any_loss_of_power(
        steps in proptest::collection::vec(any_step(), 0..14), k in 0usize..16, power in proptest::option::of(0usize..60)
    ) {
        let mut fake = fake();
        let before = fake.world();
        fake.fail_apply_at(k);
        fake.power(power);
        let mut left = Vec::new();
        supervise(&fake, &steps, &mut left);
        fake.power(None);
        if power.is_some() {
            left.clear();
        }
        clean(&fake, &mut left);
        prop_assert!(fake.world() == before || kept(&before, &fake), "{:#?}", fake.world());
        prop_assert_eq!(left, Vec::<String>::new());
        prop_assert_eq!(fake.text(), None);
    }
}
