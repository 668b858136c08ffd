//! The reference decides: for every ELF program of this machine our list is the one that its loader prints.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use thinjail_closure::closure::{Closure, Finder, How, Loader, Objects, Request, Role, System};
use thinjail_closure::elf::Object;
use thinjail_closure::tree::{DirTree, Tree};

/// Device and inode, and the path for the message.
type Files = BTreeSet<(u64, u64)>;

fn id(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}

/// What the loader would load, and the names it does not find; none where it says that the file is not dynamic.
fn listed(interpreter: &str, program: &Path) -> Option<(Files, BTreeSet<String>)> {
    // The environment of the test must not decide.
    let output = Command::new(interpreter).arg("--list").arg(program).env_clear().output().unwrap();
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("statically linked") {
        return None;
    }
    let (mut files, mut missing) = (Files::new(), BTreeSet::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line = line.trim();
        let (name, path) = line.split_once(" => ").unwrap_or((line, line));
        if path == "not found" {
            missing.insert(name.to_owned());
            continue;
        }
        let path = path.rsplit_once(" (0x").map_or(path, |(path, _)| path);
        if path.starts_with('/') {
            files.insert(id(Path::new(path)).unwrap());
        }
    }
    // It lists itself only where something needs it.
    files.insert(id(Path::new(interpreter)).unwrap());
    Some((files, missing))
}

fn ours(closure: &Closure) -> (Files, BTreeSet<String>) {
    let implied: BTreeSet<_> = closure.members.iter().filter(|member| member.how == How::Implied).collect_ids();
    let files = closure.members.iter().filter(|member| member.role != Role::Program).collect_ids();
    (&files - &implied, closure.missing.iter().map(|missing| missing.name.clone()).collect())
}

trait CollectIds {
    fn collect_ids(self) -> Files;
}

impl<'m, I: Iterator<Item = &'m thinjail_closure::closure::Member>> CollectIds for I {
    fn collect_ids(self) -> Files {
        self.map(|member| (member.resolved.meta.id.dev, member.resolved.meta.id.ino)).collect()
    }
}

fn programs() -> Vec<PathBuf> {
    let mut all = BTreeSet::new();
    for directory in ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/libexec", "/usr/lib"] {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        for entry in entries {
            // The kernel tells a program its path without links, ld.so --list the path it is given.
            if let Ok(path) = entry.unwrap().path().canonicalize()
                && path.is_file()
            {
                all.insert(path);
            }
        }
    }
    all.into_iter().collect()
}

#[test]
fn our_list_is_the_loaders_list_for_every_program() {
    let tree = DirTree::host().unwrap();
    let mut finder = Finder::new(&tree, System::running(0), Objects::default());
    let (mut count, mut libraries, mut differences) = (0, 0, Vec::new());
    for program in programs() {
        let Ok(object) = tree.open(&program).map_err(Into::into).and_then(|file| Object::parse(&*file)) else {
            continue;
        };
        let Some(interpreter) = &object.interpreter else { continue };
        if !Path::new(interpreter).exists() || !interpreter.contains("/ld-linux") {
            continue;
        }
        let closure = finder.find(&Request::new(program.to_str().unwrap())).unwrap();
        assert_eq!(closure.loader, Some(Loader::Glibc));
        let Some(reference) = listed(interpreter, &program) else {
            differences.push(format!("{}: the loader calls it static", program.display()));
            continue;
        };
        let ours = ours(&closure);
        count += 1;
        libraries += ours.0.len();
        if ours != reference {
            differences.push(format!("{}: ours {ours:?}, the loader's {reference:?}", program.display()));
        }
    }
    eprintln!("{count} programs with {libraries} files, {} differ", differences.len());
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(count > 20, "only {count} programs");
}
