//! The reference decides, on systems of other processors: each a tree of Debian's own packages, which we look at by its
//! root, and whose loader runs in there.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use thinjail_closure::closure::{Finder, How, Objects, Request, Role, System};
use thinjail_closure::machine::{Cpu, Machine};
use thinjail_closure::tree::{DirTree, FileId, Kind, Tree};
use thinjail_tests::figures::show;
use thinjail_tests::skip::Lack;
use thinjail_tests::{need, skip};

/// Beside what every system has: programs of many libraries. What is emulated takes longer.
const PACKAGES: &str = "apache2-bin,curl,git,openssh-client,python3-minimal,samba-libs";
const PACKAGES_EMULATED: &str = "curl,openssh-client";

/// A system below a directory.
struct Foreign {
    root: PathBuf,
    loader: &'static str,
    /// What runs its programs, inside of it.
    emulator: Option<&'static str>,
    chroot: PathBuf,
}

impl Foreign {
    /// Unpacks it once; it stays below target for the next run.
    fn of(arch: &str, loader: &'static str, emulator: Option<&str>) -> Result<Self, Lack> {
        skip::root()?;
        let debootstrap = skip::program("debootstrap")?;
        let chroot = skip::program("chroot")?;
        let emulator = emulator.map(skip::program).transpose()?;
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("debian-{arch}"));
        let stamp = root.with_extension("stamp");
        let packages = if emulator.is_some() { PACKAGES_EMULATED } else { PACKAGES };
        if !fs::read_to_string(&stamp).is_ok_and(|made| made == packages) {
            // One that was cut short is no whole one. It holds no mounts.
            let _ = fs::remove_dir_all(&root);
            unpack(&debootstrap, arch, packages, &root);
            fs::write(&stamp, packages).unwrap();
        }
        if let Some(emulator) = &emulator {
            // By another process: what the other test starts meanwhile would inherit a descriptor that the emulator is written by,
            // and as long as it has that nobody executes it (ETXTBSY).
            let copied = Command::new("cp").arg(emulator).arg(root.join("emulator")).status().unwrap();
            assert!(copied.success());
        }
        let foreign = Self { root, loader, emulator: emulator.map(|_| "/emulator"), chroot };
        let made = foreign.run(&["/sbin/ldconfig"]);
        assert!(made.status.success(), "{made:?}");
        Ok(foreign)
    }

    /// Runs a program in it.
    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(&self.chroot);
        command.arg(&self.root);
        match self.emulator {
            Some(emulator) => command.arg(emulator),
            None => &mut command,
        };
        command.args(words).env_clear().stdin(Stdio::null()).output().unwrap()
    }

    /// What its loader lists: paths, and the names that it does not find.
    fn theirs(&self, file: &str) -> (Vec<PathBuf>, BTreeSet<String>) {
        // chroot(8) and the emulator are not to be asked in its place.
        let set = if self.emulator.is_some() { "-E" } else { "/usr/bin/env" };
        let output = self.run(&[set, "LD_TRACE_LOADED_OBJECTS=1", self.loader, file]);
        let (mut found, mut missing) = (Vec::new(), BTreeSet::new());
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let line = line.trim();
            let (name, path) = line.split_once(" => ").unwrap_or((line, line));
            let path = path.rsplit_once(" (0x").map_or(path, |(path, _)| path);
            match path {
                "not found" => _ = missing.insert(name.to_owned()),
                path if path.starts_with('/') => found.push(path.into()),
                _ => {}
            }
        }
        (found, missing)
    }
}

fn unpack(debootstrap: &Path, arch: &str, packages: &str, root: &Path) {
    let mut query = Command::new("apt-get");
    query.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    // The mirror that this machine's apt already uses.
    let mirrors = String::from_utf8(query.output().unwrap().stdout).unwrap();
    let mirror = mirrors.lines().find(|line| line.ends_with("/debian/")).unwrap();
    let (arch, include) = (format!("--arch={arch}"), format!("--include={packages}"));
    let mut command = Command::new(debootstrap);
    command.args(["--foreign", "--variant=minbase", &arch, &include, "bookworm"]).arg(root).arg(mirror);
    let made = command.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    // It has unpacked what it needs for its second stage, which would run programs of that processor.
    for entry in fs::read_dir(root.join("var/cache/apt/archives")).unwrap() {
        let package = entry.unwrap().path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let mut tar =
                Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&package).stdout(Stdio::piped()).spawn().unwrap();
            let mut unpack = Command::new("tar");
            unpack.args(["--skip-old-files", "--keep-directory-symlink", "-x", "-C"]).arg(root);
            assert!(unpack.stdin(tar.stdout.take().unwrap()).status().unwrap().success(), "{}", package.display());
            assert!(tar.wait().unwrap().success(), "{}", package.display());
            fs::remove_file(package).unwrap();
        }
    }
}

/// The regular files below the directories of programs and libraries.
fn files(tree: &DirTree) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut queue: Vec<PathBuf> = ["/usr/bin", "/usr/sbin", "/usr/lib"].map(Into::into).into();
    while let Some(directory) = queue.pop() {
        for (name, kind) in tree.entries(&directory).unwrap_or_default() {
            match kind {
                Kind::Directory => queue.push(directory.join(name)),
                Kind::File => all.push(directory.join(name)),
                _ => {}
            }
        }
    }
    all.sort();
    all
}

/// Compares all programs and libraries of the machine, and says how many there were.
fn compare(foreign: &Foreign, machine: Machine, cpu: Cpu) -> usize {
    let tree = DirTree::open_root(&foreign.root).unwrap();
    let mut finder = Finder::new(&tree, System { cpu, accept: None, ..System::default() }, Objects::default());
    let (mut count, mut libraries, mut differences) = (0, 0, 0);
    for file in files(&tree) {
        let resolved = finder.resolver().resolve(&file).unwrap();
        let Ok(object) = finder.object(&resolved) else { continue };
        if object.machine != machine || object.needs.is_empty() || !object.is_loadable() {
            continue;
        }
        let path = file.to_str().unwrap();
        let mut request = Request::new(path);
        request.interpreter = Some(foreign.loader.into());
        request.implied = false;
        let closure = finder.find(&request).unwrap();
        let ours = closure.members.iter().filter(|member| member.role == Role::Library && member.how != How::Implied);
        let interpreter = finder.resolver().resolve(foreign.loader.as_ref()).unwrap().meta.id;
        let ours: BTreeSet<FileId> = ours.map(|member| member.resolved.meta.id).chain([interpreter]).collect();
        let (found, lacked) = foreign.theirs(path);
        let found = found.iter().map(|path| finder.resolver().resolve(path).unwrap().meta.id);
        let theirs: BTreeSet<FileId> = found.chain([interpreter]).collect();
        let missing: BTreeSet<String> = closure.missing.iter().map(|missing| missing.name.clone()).collect();
        count += 1;
        libraries += ours.len();
        if (&ours, &missing) != (&theirs, &lacked) {
            differences += 1;
            show(&format!("{path}: ours {ours:?} {missing:?}, the loader's {theirs:?} {lacked:?}"));
        }
    }
    show(&format!("{count} files for {machine} that need {libraries}, {differences} differ"));
    assert_eq!(differences, 0);
    count
}

#[test]
fn our_list_is_the_loaders_list_in_a_tree_of_32_bits() {
    let foreign = need!(Foreign::of("i386", "/lib/ld-linux.so.2", None));
    if !foreign.run(&["/bin/true"]).status.success() {
        skip!("this kernel runs no programs of 32 bits");
    }
    assert!(compare(&foreign, Machine::I386, Cpu::running()) > 300);
}

#[test]
fn our_list_is_the_loaders_list_in_a_tree_for_arm() {
    let foreign = need!(Foreign::of("arm64", "/lib/ld-linux-aarch64.so.1", Some("qemu-aarch64-static")));
    assert!(compare(&foreign, Machine::AARCH64, Cpu::aarch64()) > 200);
}
