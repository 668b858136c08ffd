//! What we write is read by the real loader, and what we say it needs is what it needs.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use thinjail_closure::closure::{Closure, Finder, Objects, Request, Role, System, find};
use thinjail_closure::hints::ld_so_cache;
use thinjail_closure::tree::DirTree;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// A directory that holds /bin/ls of this machine, its interpreter in its place, and its libraries in /odd, where no
/// loader looks.
fn odd_place(closure: &Closure) -> TempDir {
    let root = TempDir::new();
    for directory in ["bin", "lib64", "odd", "etc"] {
        root.dir(directory);
    }
    for member in &closure.members {
        let name = member.path.file_name().unwrap().to_str().unwrap();
        let place = match member.role {
            Role::Library => format!("odd/{name}"),
            _ => member.path.to_str().unwrap()[1..].to_owned(),
        };
        fs::copy(&member.resolved.real, root.path().join(place)).unwrap();
    }
    root
}

fn host_closure() -> Closure {
    let closure = find(&DirTree::host().unwrap(), System::running(0), &Request::new("/bin/ls")).unwrap();
    assert_eq!(closure.missing, []);
    assert!(closure.members.len() > 3, "ls has more than one library");
    closure
}

/// The cache for what is in /odd.
fn cache(closure: &Closure) -> Vec<u8> {
    let libraries = closure.members.iter().filter(|member| member.role == Role::Library);
    let entries: Vec<_> = libraries.map(|member| (member.name.clone(), format!("/odd/{}", member.name))).collect();
    let mark = closure.cache.unwrap();
    ld_so_cache::write(&entries, mark.flags, mark.big_endian)
}

fn run(chroot: &Path, root: &TempDir) -> Output {
    Command::new(chroot).arg(root.path()).args(["/bin/ls", "/odd"]).env_clear().output().unwrap()
}

#[test]
fn the_loader_finds_libraries_by_the_cache_we_write_and_only_by_it() {
    need!(skip::root());
    need!(skip::path(LOADER));
    let chroot = need!(skip::program("chroot"));
    let closure = host_closure();
    let root = odd_place(&closure);
    let without = run(&chroot, &root);
    assert!(!without.status.success(), "{without:?}");

    fs::write(root.path().join("etc/ld.so.cache"), cache(&closure)).unwrap();
    let with = run(&chroot, &root);
    assert!(with.status.success(), "{with:?}");
    assert!(String::from_utf8(with.stdout).unwrap().contains("libc.so.6"));
}

#[test]
fn our_search_agrees_with_the_loader_about_the_new_place() {
    need!(skip::path(LOADER));
    let closure = host_closure();
    let root = odd_place(&closure);
    let find = || {
        let tree = DirTree::open_root(root.path()).unwrap();
        Finder::new(&tree, System::running(0), Objects::default()).find(&Request::new("/bin/ls")).unwrap()
    };
    let missing: Vec<_> = find().missing.into_iter().map(|missing| missing.role).collect();
    assert!(!missing.is_empty() && missing.iter().all(|&role| role == Role::Library));

    fs::write(root.path().join("etc/ld.so.cache"), cache(&closure)).unwrap();
    let inside = find();
    assert_eq!(inside.missing, []);
    assert_eq!(inside.members.len(), closure.members.len());
    let libraries = inside.members.iter().filter(|member| member.role == Role::Library);
    assert!(libraries.map(|member| &member.path).all(|path| path.starts_with("/odd")));
}

#[test]
fn ldconfig_lists_what_we_wrote() {
    let ldconfig = need!(skip::program("ldconfig"));
    need!(skip::path(LOADER));
    let root = TempDir::new();
    let entries = [("libz.so.1", "/a/libz.so.1"), ("libz.so.10", "/b/libz.so.10"), ("liba.so", "/c/liba.so")];
    let file = root.file("cache", ld_so_cache::write(&entries, 0x303, false));
    let output = Command::new(ldconfig).args([Path::new("-p"), Path::new("-C"), &file]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("3 libs found"), "{text}");
    for (name, path) in entries {
        assert!(text.contains(&format!("{name} (libc6,x86-64) => {path}")), "{text}");
    }
}

/// Loads every extension module of Python that can be loaded, and prints the files that are mapped then.
const PYTHON: &str = "
import glob, importlib.machinery, importlib.util, sys
for path in glob.glob(sys.argv[1] + '/**/*.so', recursive=True):
    name = path.split('/')[-1].split('.')[0]
    try:
        importlib.machinery.ExtensionFileLoader(name, path).create_module(
            importlib.util.spec_from_file_location(name, path))
    except ImportError:
        pass
print({line.split(maxsplit=5)[5].strip() for line in open('/proc/self/maps') if '.so' in line})
";

#[test]
fn what_python_has_mapped_with_all_its_modules_is_in_the_closure() {
    let python = need!(skip::program("python3"));
    let code = "import sysconfig; import sys; print(sys.executable, sysconfig.get_path('platstdlib') + '/lib-dynload')";
    let output = Command::new(&python).args(["-I", "-S", "-c", code]).env_clear().output().unwrap();
    // What PATH has may be a script that looks for the one that is meant.
    let output = String::from_utf8(output.stdout).unwrap();
    let (python, modules) = output.trim().split_once(' ').unwrap();
    if !Path::new(&modules).is_dir() {
        skip!("python3 has no directory of modules");
    }
    let output = Command::new(python).args(["-I", "-S", "-c", PYTHON, modules]).env_clear().output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mapped: Vec<&str> = text.split('\'').filter(|part| part.starts_with('/')).collect();
    assert!(mapped.len() > 20, "{text}");

    let tree = DirTree::host().unwrap();
    let request = Request::new(python).loads([modules]);
    let closure = find(&tree, System::running(0), &request).unwrap();
    for path in mapped {
        let found = closure.members.iter().any(|member| member.resolved.real == Path::new(path));
        assert!(found, "{path} is not in the closure");
    }
}
