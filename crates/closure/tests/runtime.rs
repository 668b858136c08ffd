//! What runtimes say of themselves, in trees of our own.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use thinjail_closure::closure::{Closure, Finder, How, Member, Objects, Role, System};
use thinjail_closure::runtime::{Language, Part, Runtime, RuntimeError};
use thinjail_closure::tree::{MemTree, resolve};

/// A Debian's Python 3.11, and a virtual environment made with it.
fn python() -> MemTree {
    let mut tree = MemTree::new();
    tree.file("/usr/bin/python3.11", b"").link("/usr/bin/python3", "python3.11");
    tree.file("/usr/lib/python3.11/os.py", b"").directory("/usr/lib/python3/dist-packages");
    tree.link("/usr/lib/python3.11/sitecustomize.py", "/etc/python3.11/sitecustomize.py");
    tree.file("/etc/python3.11/sitecustomize.py", b"").directory("/usr/local/lib/python3.11/dist-packages");
    tree.link("/srv/venv/bin/python3", "/usr/bin/python3").directory("/srv/venv/lib/python3.11/site-packages");
    tree.file("/srv/venv/pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n");
    tree.set("/srv/venv/pyvenv.cfg", |meta| meta.mode = 0o644);
    tree
}

fn ask(tree: &MemTree, language: Language, path: Option<&str>, program: &str) -> Result<Vec<Part>, RuntimeError> {
    let resolved = resolve(tree, 0, Path::new(program)).unwrap();
    let member = Member {
        path: program.into(),
        resolved,
        role: Role::Program,
        how: How::Asked,
        name: program.into(),
        needed_by: None,
    };
    let closure = Closure { members: vec![member], ..Closure::default() };
    let runtime = Runtime { language, path: path.map(Into::into) };
    Finder::new(tree, System::default(), Objects::default()).runtime(&runtime, &closure)
}

fn paths(parts: &[Part]) -> Vec<&str> {
    parts.iter().map(|part| part.path.to_str().unwrap()).collect()
}

fn venv(tree: &MemTree) -> Result<Vec<Part>, RuntimeError> {
    ask(tree, Language::Python, Some("/srv/venv"), "/usr/bin/python3")
}

#[test]
fn a_virtual_environment_brings_the_library_it_was_made_with_and_what_links_lead_to() {
    let parts = venv(&python()).unwrap();
    let expected =
        ["/srv/venv", "/usr/lib/python3.11", "/srv/venv/bin/python3", "/usr/lib/python3.11/sitecustomize.py"];
    assert_eq!(paths(&parts), expected);
    let said_by = parts[1].said_by.as_ref().unwrap();
    assert_eq!((said_by.at.to_str().unwrap(), said_by.uid, said_by.loose), ("/srv/venv/pyvenv.cfg", 0, false));
    assert!(parts[2].optional && parts[0].said_by.is_none());
}

#[test]
fn time_zones_come_where_the_language_leaves_them_to_the_system() {
    let mut tree = python();
    tree.directory("/usr/share/zoneinfo");
    let zones = venv(&tree).unwrap().pop().unwrap();
    assert_eq!((zones.path.as_path(), zones.data), (Path::new("/usr/share/zoneinfo"), true));
    tree.file("/usr/bin/node", b"");
    assert_eq!(ask(&tree, Language::Node, None, "/usr/bin/node").unwrap(), []);
}

#[test]
fn packages_of_the_system_come_where_pyvenv_cfg_includes_them() {
    let mut tree = python();
    tree.file(
        "/srv/venv/pyvenv.cfg",
        b"home=/usr/bin\nInclude-System-Site-Packages = True\nversion_info = 3.11.2.final.0\n",
    );
    let parts = venv(&tree).unwrap();
    assert!(paths(&parts).contains(&"/usr/lib/python3/dist-packages"));
    assert!(paths(&parts).contains(&"/usr/local/lib/python3.11/dist-packages"));
}

#[test]
fn a_pth_file_brings_the_directories_it_names_and_nothing_that_is_not_there() {
    let mut tree = python();
    tree.directory("/srv/src/app").file(
        "/srv/venv/lib/python3.11/site-packages/app.pth",
        b"# editable\nimport sys; sys.path.append('/srv/code')\n/srv/src/app\n/srv/none\nrelative\n/usr/bin/python3\n",
    );
    let parts = venv(&tree).unwrap();
    let named: Vec<_> = parts.iter().filter(|part| part.why.contains("app.pth")).map(|part| &part.path).collect();
    assert_eq!(named, [Path::new("/srv/src/app")]);
    // Executable or not, others may write it by its mode in this tree.
    tree.set("/srv/venv/lib/python3.11/site-packages/app.pth", |meta| meta.mode = 0o666);
    let parts = venv(&tree).unwrap();
    assert!(parts.iter().any(|part| part.said_by.as_ref().is_some_and(|by| by.loose)));
}

#[test]
fn what_a_virtual_environment_lacks_is_named() {
    let fails = |tree: &MemTree, says: &str| {
        let error = venv(tree).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.help().is_empty());
    };
    let mut none = MemTree::new();
    none.file("/usr/bin/python3", b"");
    fails(&none, "/srv does not exist");
    none.file("/srv/venv", b"");
    fails(&none, "/srv/venv is no directory");
    let mut bare = MemTree::new();
    bare.file("/usr/bin/python3", b"").directory("/srv/venv");
    fails(&bare, "no pyvenv.cfg");
    bare.file("/srv/venv/pyvenv.cfg", b"home = bin\nversion = 3.11\n");
    fails(&bare, "pyvenv.cfg says no home");
    bare.file("/srv/venv/pyvenv.cfg", b"home = /opt/python/bin\nversion = three\n");
    fails(&bare, "pyvenv.cfg says no version");
    bare.file("/srv/venv/pyvenv.cfg", b"home = /opt/python/bin\nversion = 3.12.1\n");
    fails(&bare, "made with the Python in /opt/python/bin, and there is no python3.12 in it");
    bare.file("/opt/python/bin/python3.12", b"");
    fails(&bare, "there is no /opt/python/lib/python3.12/os.py");
    bare.file("/opt/python/lib/python3.12/os.py", b"");
    assert!(venv(&bare).is_ok());
}

#[test]
fn a_python_without_a_virtual_environment_finds_its_library_from_where_it_stands() {
    let tree = python();
    let parts = ask(&tree, Language::Python, None, "/usr/bin/python3").unwrap();
    assert_eq!(paths(&parts)[..2], ["/usr/lib/python3.11", "/usr/local/lib/python3.11/dist-packages"]);
    let mut own = MemTree::new();
    own.file("/opt/py/bin/python", b"").file("/opt/py/lib/python3.13/os.py", b"");
    assert_eq!(paths(&ask(&own, Language::Python, None, "/opt/py/bin/python").unwrap()), ["/opt/py/lib/python3.13"]);
    own.file("/opt/py/lib/python3.14/os.py", b"").file("/bin/sh", b"");
    let two = ask(&own, Language::Python, None, "/opt/py/bin/python").unwrap_err();
    assert!(matches!(two, RuntimeError::NoLibrary { .. }), "which of the two it is can't be told: {two}");
    let shell = ask(&own, Language::Python, None, "/bin/sh").unwrap_err();
    assert_eq!(shell.to_string(), "/bin/sh is no Python");
}

#[test]
fn a_java_home_brings_what_its_links_lead_to_and_no_documentation() {
    let mut tree = MemTree::new();
    let home = "/usr/lib/jvm/java-17";
    tree.file(format!("{home}/bin/java"), b"").file(format!("{home}/lib/modules"), b"");
    tree.link(format!("{home}/lib/security/cacerts"), "/etc/ssl/certs/java/cacerts")
        .file("/etc/ssl/certs/java/cacerts", b"");
    tree.link(format!("{home}/docs"), "/usr/share/doc/java").directory("/usr/share/doc/java");
    tree.link(format!("{home}/conf/none"), "/etc/none").link(format!("{home}/conf/log"), "/var/log/java");
    tree.directory("/var/log/java").link(format!("{home}/conf/up"), "/usr/lib");
    let expected = [home.to_owned(), format!("{home}/lib/security/cacerts")];
    let program = format!("{home}/bin/java");
    assert_eq!(paths(&ask(&tree, Language::Java, None, &program).unwrap()), expected);
    assert_eq!(paths(&ask(&tree, Language::Java, Some(home), &program).unwrap()), expected);
    let none = ask(&tree, Language::Java, Some("/etc"), &program).unwrap_err();
    assert!(none.to_string().starts_with("/etc is no Java home"), "{none}");
    tree.file("/usr/bin/true", b"");
    assert_eq!(ask(&tree, Language::Java, None, "/usr/bin/true").unwrap_err().to_string(), "/usr/bin/true is no Java");
}

#[test]
fn node_brings_its_program_and_the_modules_of_the_system() {
    let mut tree = MemTree::new();
    tree.file("/usr/bin/node", b"").directory("/usr/share/nodejs").directory("/usr/lib/aarch64-linux-gnu/nodejs");
    tree.link("/srv/app/node_modules/own", "../../shared")
        .directory("/srv/shared")
        .directory("/srv/app/node_modules/.bin");
    let parts = ask(&tree, Language::Node, Some("/srv/app"), "/usr/bin/node").unwrap();
    let expected = ["/srv/app", "/usr/share/nodejs", "/usr/lib/aarch64-linux-gnu/nodejs", "/srv/app/node_modules/own"];
    assert_eq!(paths(&parts), expected);
    tree.file("/bin/sh", b"");
    assert_eq!(ask(&tree, Language::Node, None, "/bin/sh").unwrap_err().to_string(), "/bin/sh is no Node.js");
}

#[test]
fn directories_that_are_compiled_into_a_program_are_found_wherever_they_stand_in_it() {
    let mut tree = MemTree::new();
    let names =
        ["/usr/share/perl5", "/etc/perl", "/usr/none/perl", "/usr/lib/debug/perl", "/var/lib/perl/open", "/usr/share"];
    let mut bytes = vec![1_u8; (64 << 10) - 7];
    for name in names {
        bytes.extend(b"\0");
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.extend([2; 40_000]);
    }
    tree.file("/usr/bin/perl", &bytes).file("/bin/sh", b"\x7fELF\0/usr/share\0");
    for name in names.iter().filter(|name| !name.contains("none")) {
        tree.directory(name);
    }
    tree.set("/var/lib/perl/open", |meta| meta.mode = 0o1777);
    let parts = ask(&tree, Language::Perl, None, "/usr/bin/perl").unwrap();
    assert_eq!(paths(&parts), ["/etc/perl", "/usr/share/perl5"]);
    assert_eq!(parts[0].said_by.as_ref().unwrap().at, Path::new("/usr/bin/perl"));
    assert_eq!(ask(&tree, Language::Perl, None, "/bin/sh").unwrap_err().to_string(), "/bin/sh is no Perl");
}

#[test]
fn every_language_has_a_word() {
    for language in Language::ALL {
        assert_eq!(Language::by_word(language.word()), Some(language));
    }
    assert_eq!(Language::by_word("cobol"), None);
}
