//! Every program of the system's directories, asked of rtld and of us.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use thinjail_closure::closure::{Closure, Finder, How, Objects, Request, Role, System};
use thinjail_closure::elf::{NeedKind, Object};
use thinjail_closure::tree::{DirTree, Tree};
use thinjail_tests::figures::show;
use thinjail_tests::skip;

const RTLD: &str = "/libexec/ld-elf.so.1";

/// Those that may not be found are told by their names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listed {
    files: BTreeSet<(u64, u64)>,
    missing: BTreeSet<String>,
}

fn id(path: &str) -> (u64, u64) {
    let meta = Path::new(path).metadata().unwrap();
    (meta.dev(), meta.ino())
}

/// What rtld prints. It is started by itself and not by the program: of one that changes its group it would take no
/// variable, and so run it.
fn theirs(program: &str) -> Listed {
    let mut rtld = Command::new(RTLD);
    rtld.arg(program).env_clear().env("LD_TRACE_LOADED_OBJECTS", "1");
    for format in ["LD_TRACE_LOADED_OBJECTS_FMT1", "LD_TRACE_LOADED_OBJECTS_FMT2"] {
        rtld.env(format, "%o\t%p\n");
    }
    let output = rtld.output().unwrap();
    let mut listed = Listed::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.split_once('\t') {
            Some((name, "not found")) => _ = listed.missing.insert(name.into()),
            // The kernel's own object has a name in brackets.
            Some((_, path)) if path.starts_with('/') && path != RTLD => _ = listed.files.insert(id(path)),
            _ => {}
        }
    }
    listed
}

/// The same of ours, and the files that a library asks for as a filter does: rtld loads them, and lists none.
fn ours(finder: &Finder<'_>, closure: &Closure) -> (Listed, BTreeSet<(u64, u64)>) {
    let (mut listed, mut filtees) = (Listed::default(), BTreeSet::new());
    let needs: Vec<_> = closure.members.iter().filter_map(|member| finder.object(&member.resolved).ok()).collect();
    let needed = |name: &str| {
        needs.iter().flat_map(|object| &object.needs).any(|need| need.kind == NeedKind::Needed && need.name == name)
    };
    for member in closure.members.iter().filter(|member| member.role == Role::Library && member.how != How::Implied) {
        let id = (member.resolved.meta.id.dev, member.resolved.meta.id.ino);
        if needed(&member.name) {
            listed.files.insert(id)
        } else {
            filtees.insert(id)
        };
    }
    listed.missing = closure.missing.iter().map(|missing| missing.name.clone()).collect();
    (listed, filtees)
}

fn programs() -> BTreeSet<PathBuf> {
    let directories = ["/bin", "/sbin", "/usr/bin", "/usr/sbin"];
    let entries = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten();
    entries.filter_map(|entry| entry.unwrap().path().canonicalize().ok()).filter(|path| path.is_file()).collect()
}

#[test]
fn our_list_is_the_list_of_rtld_for_every_program_of_the_system() {
    let tree = DirTree::host().unwrap();
    let mut finder = Finder::new(&tree, System::running(0), Objects::default());
    let (mut count, mut libraries, mut differences) = (0, 0, Vec::new());
    for program in programs() {
        let Some(path) = program.to_str() else { continue };
        let parsed = tree.open(&program).ok().and_then(|file| Object::parse(&*file).ok());
        if parsed.and_then(|object| object.interpreter).as_deref() != Some(RTLD) {
            continue;
        }
        let mut request = Request::new(path);
        request.implied = false;
        let closure = finder.find(&request).unwrap();
        let ((ours, filtees), mut theirs) = (ours(&finder, &closure), theirs(path));
        theirs.files.retain(|file| !filtees.contains(file));
        count += 1;
        libraries += ours.files.len();
        if ours != theirs {
            differences.push(format!("{path}: ours {ours:?}, rtld's {theirs:?}"));
        }
    }
    show(&format!("{count} programs that need {libraries} libraries, {} differ", differences.len()));
    differences.iter().for_each(|difference| show(difference));
    assert!(differences.is_empty());
    if count < 100 {
        skip!("this is no whole system: it has {count} programs");
    }
}
