//! The reference decides: for every ELF program and library of this machine our list is the one that its loader prints.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use thinjail_closure::closure::{Closure, FindError, Finder, How, NotExecutable, Objects, Request, Role, System};
use thinjail_closure::elf::Object;
use thinjail_closure::machine::Machine;
use thinjail_closure::tree::{DirTree, Tree};
use thinjail_tests::figures::show;
use thinjail_tests::{need, skip};

/// Device and inode, and the path for the message.
type Files = BTreeSet<(u64, u64)>;

fn id(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}

/// What the loader would load, and the names it does not find; none where it says that the file is not dynamic.
fn listed(interpreter: &str, program: &Path) -> Option<(Files, BTreeSet<String>)> {
    // As ldd(1) asks, since --list stops at the first library that is not found. The rest of the environment must not
    // decide.
    let output =
        Command::new(interpreter).arg(program).env_clear().env("LD_TRACE_LOADED_OBJECTS", "1").output().unwrap();
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

/// The regular files below directories, links and their targets once. The kernel tells a program its path without links,
/// ld.so --list the path it is given.
fn files(directories: &[&str], deep: bool) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    let mut queue: Vec<PathBuf> = directories.iter().map(Into::into).collect();
    while let Some(directory) = queue.pop() {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            if deep && entry.file_type().unwrap().is_dir() {
                queue.push(entry.path());
            }
            all.extend(entry.path().canonicalize().ok().filter(|path| path.is_file()));
        }
    }
    all
}

/// Compares the files, and says how many there were.
fn compare(what: &str, files: BTreeSet<PathBuf>, interpreter_of: impl Fn(&Object) -> Option<String>) -> usize {
    let tree = DirTree::host().unwrap();
    let mut system = System::running(0);
    system.accept = None;
    let mut finder = Finder::new(&tree, system, Objects::default());
    let (mut count, mut libraries, mut differences) = (0, 0, Vec::new());
    for file in files {
        let parsed = tree.open(&file).map_err(Into::into).and_then(|file| Object::parse(&*file));
        let Ok(object) = parsed else { continue };
        let Some(interpreter) = interpreter_of(&object).filter(|path| Path::new(path).exists()) else { continue };
        let mut request = Request::new(file.to_str().unwrap());
        request.interpreter = Some(interpreter.clone().into());
        let closure = match finder.find(&request) {
            Ok(closure) => closure,
            // An object file, or the debugging symbols of something else.
            Err(FindError::NotExecutable { why: NotExecutable::NoProgram, .. }) => continue,
            Err(error) => panic!("{}: {error}", file.display()),
        };
        let Some(reference) = listed(&interpreter, &file) else { continue };
        let ours = ours(&closure);
        count += 1;
        libraries += ours.0.len();
        if ours != reference {
            differences.push(format!("{}: ours {ours:?}, the loader's {reference:?}", file.display()));
        }
    }
    show(&format!("{count} {what} that need {libraries} files, {} differ", differences.len()));
    differences.iter().for_each(|difference| show(difference));
    assert!(differences.is_empty());
    count
}

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
const LOADER_32: &str = "/lib/ld-linux.so.2";

/// Where skips are forbidden, the packages that xtask names are installed, and there are so many. Elsewhere any will do.
fn enough(count: usize, expected: usize) {
    let all = std::env::var_os("THINJAIL_NO_SKIPS").is_some();
    assert!(count >= if all { expected } else { 20 }, "only {count} files were compared");
}

#[test]
fn our_list_is_the_loaders_list_for_every_program() {
    need!(skip::path(LOADER));
    let directories = ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/games"];
    let count = compare("programs", files(&directories, false), |object| {
        object.interpreter.clone().filter(|path| path.contains("/ld-linux"))
    });
    enough(count, 500);
}

#[test]
fn our_list_is_the_loaders_list_for_every_library() {
    need!(skip::path(LOADER));
    let count = compare("libraries", files(&["/usr/lib", "/usr/libexec"], true), |object| {
        (object.machine == Machine::X86_64 && !object.needs.is_empty()).then(|| LOADER.into())
    });
    enough(count, 1000);
}

#[test]
fn our_list_is_the_loaders_list_for_every_library_of_32_bits() {
    need!(skip::path(LOADER_32));
    let count = compare("libraries of 32 bits", files(&["/usr/lib32"], true), |object| {
        (object.machine == Machine::I386 && !object.needs.is_empty()).then(|| LOADER_32.into())
    });
    assert!(count >= 10, "only {count} files were compared");
}
