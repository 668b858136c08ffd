//! Files as others publish them, for FreeBSD and for processors that this machine does not have, resolved against a tree
//! that stands for their system.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "rules/elf_file.rs"]
mod elf_file;

use std::path::{Path, PathBuf};
use std::process::Command;

use elf_file::{Elf, library};
use thinjail_closure::closure::{Closure, Finder, How, Loader, Objects, Request, Role, System};
use thinjail_closure::hints::ld_elf_hints;
use thinjail_closure::machine::Machine;
use thinjail_closure::tree::DirTree;
use thinjail_tests::figures::show;
use thinjail_tests::skip::Lack;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

/// The file `name` of a package of npm's, below `to`.
fn published(package: &str, name: &str, to: &TempDir) -> Result<PathBuf, Lack> {
    let npm = skip::program("npm")?;
    let scratch = TempDir::new();
    let cache = scratch.at("cache");
    let args = ["pack", "--silent", "--cache", &cache, package];
    let packed = Command::new(npm).args(args).current_dir(scratch.path()).output().unwrap();
    let file = String::from_utf8(packed.stdout).unwrap();
    if !packed.status.success() {
        return Err(Lack::new(format!("npm has no {package}: {}", String::from_utf8_lossy(&packed.stderr))));
    }
    let unpacked =
        Command::new("tar").arg("xzf").arg(scratch.path().join(file.trim())).arg("-C").arg(to.path()).status();
    assert!(unpacked.unwrap().success());
    Ok(to.path().join("package").join(name))
}

fn put(tree: &TempDir, path: &str, elf: &Elf) {
    tree.dir(Path::new(&path[1..]).parent().unwrap().to_str().unwrap());
    tree.file(&path[1..], elf.build());
}

/// FreeBSD 15's libraries by name, in the places where they are; C++ comes from the ports.
fn freebsd() -> TempDir {
    let tree = TempDir::new();
    let own = || library().osabi(9);
    put(&tree, "/libexec/ld-elf.so.1", &own().soname("ld-elf.so.1").text("/lib:/usr/lib"));
    put(&tree, "/lib/libc.so.7", &own().soname("libc.so.7").auxiliary("libsys.so.7"));
    put(&tree, "/lib/libsys.so.7", &own().soname("libsys.so.7"));
    for name in ["libthr.so.3", "libm.so.5", "libgcc_s.so.1", "libutil.so.9", "libutil.so.10", "libjail.so.1"] {
        put(&tree, &format!("/lib/{name}"), &own().soname(name).needs("libc.so.7"));
    }
    for name in
        ["libkvm.so.7", "librt.so.1", "libprocstat.so.1", "libexecinfo.so.1", "libmemstat.so.3", "libdevstat.so.7"]
    {
        put(&tree, &format!("/usr/lib/{name}"), &own().soname(name).needs("libc.so.7"));
    }
    for name in ["libc++.so.1", "libcxxrt.so.1"] {
        put(&tree, &format!("/usr/local/lib/{name}"), &own().soname(name).needs("libc.so.7"));
    }
    tree.dir("var/run");
    tree.file("var/run/ld-elf.so.hints", ld_elf_hints::write(&["/lib", "/usr/lib", "/usr/local/lib"], false));
    tree
}

fn find(tree: &TempDir, request: &Request) -> Closure {
    let tree = DirTree::open_root(tree.path()).unwrap();
    Finder::new(&tree, System::default(), Objects::default()).find(request).unwrap()
}

fn libraries(closure: &Closure) -> Vec<&str> {
    let libraries = closure.members.iter().filter(|member| member.role == Role::Library);
    libraries.map(|member| member.path.to_str().unwrap()).collect()
}

#[test]
fn a_program_and_a_plugin_for_freebsd_find_all_below_another_root() {
    let tree = freebsd();
    need!(published("lightningcss-cli-freebsd-x64@1.33.0", "lightningcss", &tree));
    need!(published("@parcel/watcher-freebsd-x64@2.6.0", "watcher.node", &tree));
    let request = Request::new("/package/lightningcss");
    let alone = find(&tree, &request);
    assert_eq!((alone.loader, alone.missing.len()), (Some(Loader::FreeBsd), 0));
    let own = ["/lib/libthr.so.3", "/lib/libgcc_s.so.1", "/lib/libc.so.7", "/lib/libm.so.5", "/lib/libsys.so.7"];
    assert_eq!(libraries(&alone), own);

    let both = find(&tree, &request.loads(["/package"]));
    assert_eq!((both.missing.len(), both.wanting.len()), (0, 0));
    let more = ["/package/watcher.node", "/usr/local/lib/libc++.so.1", "/usr/local/lib/libcxxrt.so.1"];
    assert_eq!(libraries(&both)[own.len()..], more);
    let hinted = both.members.iter().find(|member| member.path.ends_with("libc++.so.1")).unwrap();
    assert_eq!(hinted.how, How::Hints);

    std::fs::remove_file(tree.at("lib/libm.so.5")).unwrap();
    let missing = find(&tree, &Request::new("/package/lightningcss")).missing;
    assert_eq!((missing.len(), missing[0].name.as_str()), (1, "libm.so.5"));
}

#[test]
fn what_our_cross_linker_made_for_freebsd_finds_all_below_another_root() {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/freebsd/build/x86_64-unknown-freebsd");
    let programs = ["debug/thinjail", "release/thinjail"].map(|program| built.join(program));
    let Some(program) = programs.iter().find(|program| program.exists()) else {
        assert!(std::env::var_os("THINJAIL_CROSS_LINKED").is_none(), "nothing was built for FreeBSD");
        show("nothing was built for FreeBSD yet");
        return;
    };
    let tree = freebsd();
    tree.program("thinjail", std::fs::read(program).unwrap());
    let closure = find(&tree, &Request::new("/thinjail"));
    assert_eq!((closure.loader, &closure.missing), (Some(Loader::FreeBsd), &Vec::new()));
    assert!(libraries(&closure).contains(&"/lib/libsys.so.7"), "the auxiliary of libc: {:?}", libraries(&closure));
}

#[test]
fn plugins_for_other_processors_and_libcs_find_all_below_another_root() {
    let arm32 = Machine { number: 40, wide: false, big_endian: false };
    let cases = [
        ("linux-arm64-glibc", Machine::AARCH64, "/lib/ld-linux-aarch64.so.1", Loader::Glibc),
        ("linux-arm64-musl", Machine::AARCH64, "/lib/ld-musl-aarch64.so.1", Loader::Musl),
        ("linux-arm-glibc", arm32, "/lib/ld-linux-armhf.so.3", Loader::Glibc),
    ];
    for (name, machine, interpreter, loader) in cases {
        let tree = TempDir::new();
        need!(published(&format!("@parcel/watcher-{name}@2.6.0"), "watcher.node", &tree));
        let directory = match (machine, loader) {
            (_, Loader::Musl) => "/usr/lib",
            (Machine::AARCH64, _) => "/usr/lib/aarch64-linux-gnu",
            _ => "/usr/lib/arm-linux-gnueabihf",
        };
        // Of glibc's the directories are read that were compiled in; of musl's none are found, and the usual ones count.
        let soname = interpreter.rsplit('/').next().unwrap();
        let built_in = library().machine(machine).soname(soname).text("/lib/none/").text(&format!("{directory}/"));
        put(&tree, interpreter, &built_in);
        for name in ["libstdc++.so.6", "libgcc_s.so.1", "libc.so.6", "libm.so.6", "libpthread.so.0"] {
            put(&tree, &format!("{directory}/{name}"), &library().machine(machine).soname(name));
            // Of this machine, and so passed over.
            put(&tree, &format!("/wrong/{name}"), &library().soname(name));
        }
        let host = DirTree::open_root(tree.path()).unwrap();
        let mut finder = Finder::new(&host, System::default(), Objects::default());
        let plugin = "/package/watcher.node";
        let mut request = Request::new(plugin);
        request.interpreter = finder.usual_interpreter(plugin.as_ref());
        if loader == Loader::Glibc {
            request.env.insert("LD_LIBRARY_PATH".into(), "/wrong".into());
        }
        assert_eq!(request.interpreter.as_deref(), Some(Path::new(interpreter)), "{name}");
        let closure = finder.find(&request).unwrap();
        assert_eq!((closure.loader, &closure.missing), (Some(loader), &Vec::new()), "{name}");
        let found = libraries(&closure);
        assert!(!found.is_empty() && found.iter().all(|path| path.starts_with(directory)), "{name}: {found:?}");
    }
}
