//! Runtimes.

use super::*;
use thinjail_closure::runtime::Part;
use thinjail_closure::tree::Link;
use thinjail_plan::facts::RuntimeFact;

const PYTHON: &str = "runtime = \"python:/srv/venv\"";

fn link(uid: u32, loose: bool) -> Link {
    Link { at: "/srv/venv/pyvenv.cfg".into(), to: "/opt/python".into(), uid, loose }
}

fn world(parts: Vec<Part>) -> World {
    let mut world = World::linux();
    world.dir("/srv/venv").own("/opt/python", Kind::Directory, 1000, 0o755);
    world.runtime = Some(RuntimeFact::Parts { program: "/bin/true".into(), parts });
    world
}

fn part(path: &str, said_by: Option<Link>, optional: bool) -> Part {
    Part { path: path.into(), why: "a part".into(), said_by, optional, data: false }
}

#[test]
fn that_are_not_known() {
    let world = World::linux();
    let refused = |profile: &str, says: &str, helps: &str| {
        let (what, help) = world.problem(&www(profile));
        assert!(what.contains(says) && help.contains(helps), "{what} / {help}");
    };
    refused("runtime = \"pyhton:/srv/venv\"", "\"pyhton\" is no runtime that is known", "did you mean \"python\"?");
    refused("runtime = \"cobol\"", "\"cobol\" is no runtime", "one of python java node perl php ruby");
    refused("runtime = \"python:venv\"", "runtime = \"python:venv\": ", "runtime = \"python:/srv/app\"");
}

#[test]
fn that_can_not_be_asked() {
    let mut world = World::linux();
    world.runtime = Some(RuntimeFact::Refused { why: "there is no pyvenv.cfg".into(), help: "make it".into() });
    let said = world.problem(&www(PYTHON));
    assert_eq!(said, ("runtime = \"python:/srv/venv\": there is no pyvenv.cfg".into(), "make it".into()));
}

#[test]
fn that_strangers_lead_elsewhere() {
    let parts = |by| vec![part("/opt/python", Some(by), false)];
    let refused = |by, says: &str| {
        let (what, help) = world(parts(by)).problem(&www(PYTHON));
        assert!(what.contains(says) && help == "write /opt/python in read if that is what is meant", "{what} / {help}");
    };
    refused(link(33, false), "/srv/venv/pyvenv.cfg says /opt/python, and it belongs to uid 33");
    refused(link(0, true), "and others may write it");
    refused(link(1000, true), "and others may write it");
    for by in [link(0, false), link(1000, false)] {
        assert!(world(parts(by)).resolve(&www(PYTHON)).is_ok());
    }
}

#[test]
fn that_have_links_of_strangers_go_without_them() {
    let mut world = world(vec![part("/srv/venv", None, false), part("/srv/venv/link", None, true)]);
    world.file("/etc/secret").link_of(33, true, "/srv/venv/link", "/etc/secret");
    let plan = world.plan(&www(PYTHON));
    let note = plan.notes.iter().find(|note| note.contains("/etc/secret")).unwrap();
    assert!(note.ends_with("so it could be pointed anywhere: left out"), "{note}");
    assert!(!plan.to_string().contains("bind     /etc/secret"));
}

#[test]
fn that_lie_in_what_is_written_are_seen_there() {
    let mut world = world(vec![part("/srv/venv", None, false), part("/srv/venv/link", None, true)]);
    world.link("/srv/venv/link", "/srv/data").dir("/srv/data");
    let plan = world.plan(&www(&format!("{PYTHON}\nread = [\"/srv/venv\"]\nwrite = [\"/srv/data\"]")));
    let text = plan.to_string();
    assert!(text.contains("write = \"/srv/data\"") && text.contains("read = \"/srv/venv\""), "{text}");
    assert!(!text.contains("runtime ="), "{text}");
}

#[test]
fn that_the_program_itself_may_lead_elsewhere() {
    let by = |at: &str| Link { at: at.into(), to: "/opt/python".into(), uid: 0, loose: false };
    let said = part("/opt/python", Some(by("/srv/venv/pyvenv.cfg")), false);
    let root = "user = \"root\"\nwrite = [\"/srv/venv\"]\n";
    let (what, help) = world(vec![said.clone()]).problem(&format!("{root}{PYTHON}"));
    let says = "/srv/venv/pyvenv.cfg says /opt/python, and the program may write there, so it could say anything";
    assert!(what.ends_with(says) && help == "write /opt/python in read if that is what is meant", "{what} / {help}");
    // Named, it is inside because it is named.
    assert!(world(vec![said.clone()]).resolve(&format!("{root}read = [\"/opt/python\"]\n{PYTHON}")).is_ok());
    // A link there is left out, unless it ends there; and all of this where nothing is written to is as ever.
    let linked = |more: &str, to: &str| {
        let mut world = world(vec![part("/srv/venv/x", None, true)]);
        world.dir("/srv/venv/y").link("/srv/venv/x", to);
        let plan = world.plan(&format!("{more}{PYTHON}"));
        plan.notes
            .iter()
            .any(|note| note.contains("stands where the program may write") && note.ends_with(": left out"))
    };
    assert!(linked(root, "/opt/python") && !linked(root, "/srv/venv/y"));
    assert!(!linked("user = \"root\"\n", "/opt/python"));
    assert!(world(vec![said]).resolve(&format!("user = \"root\"\n{PYTHON}")).is_ok());
}
