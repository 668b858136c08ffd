//! The reference decides: extension modules as others publish them for Python, with libraries of their own that they find by
//! `$ORIGIN`, for musl and for glibc.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use thinjail_closure::closure::{Finder, Objects, Request, Role, System};
use thinjail_closure::tree::DirTree;
use thinjail_tests::figures::show;
use thinjail_tests::skip::Lack;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

const WHEELS: [&str; 6] = [
    "cryptography==50.0.2",
    "lxml==6.1.3",
    "numpy==2.4.6",
    "pandas==3.1.1",
    "pillow==13.0.0",
    "psycopg2-binary==2.9.13",
];

/// A directory with all of them unpacked.
fn wheels(platforms: &[&str], loader: &str) -> Result<TempDir, Lack> {
    skip::path(loader)?;
    let python = skip::program("python3")?;
    let dir = TempDir::new();
    let run = |program: &Path, words: &[&str]| -> Output {
        Command::new(program).args(words).current_dir(dir.path()).output().unwrap()
    };
    let made = run(&python, &["-m", "venv", "venv"]);
    if !made.status.success() {
        return Err(Lack::new(format!("no venv: {}", String::from_utf8_lossy(&made.stdout))));
    }
    let mut words = vec!["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", "wheels"];
    words.extend(["--python-version", "311", "--implementation", "cp"]);
    words.extend(platforms.iter().flat_map(|platform| ["--platform", platform]));
    words.extend(WHEELS);
    let pip = dir.path().join("venv/bin/pip");
    let fetched = run(&pip, &words);
    if !fetched.status.success() {
        return Err(Lack::new(format!("no wheels: {}", String::from_utf8_lossy(&fetched.stderr))));
    }
    for wheel in std::fs::read_dir(dir.path().join("wheels")).unwrap() {
        let wheel = wheel.unwrap().path();
        assert!(run(&python, &["-m", "zipfile", "-e", wheel.to_str().unwrap(), "modules"]).status.success());
    }
    Ok(dir)
}

/// The files that a loader loads for a module, and the names that it does not find.
fn theirs(loader: &str, module: &str) -> (BTreeSet<PathBuf>, BTreeSet<String>) {
    let mut command = Command::new(loader);
    // glibc's stops at the first that is missing when it is asked to list; musl's has no variable to ask by.
    if loader.contains("musl") {
        command.arg("--list");
    }
    let output = command.arg(module).env_clear().env("LD_TRACE_LOADED_OBJECTS", "1").output().unwrap();
    let (mut found, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for line in String::from_utf8_lossy(&output.stdout).lines().map(str::trim) {
        let (name, path) = line.split_once(" => ").unwrap_or((line, line));
        match path.rsplit_once(" (0x").map_or(path, |(path, _)| path) {
            "not found" => _ = missing.insert(name.to_owned()),
            path if path.starts_with('/') => _ = found.insert(Path::new(path).canonicalize().unwrap()),
            _ => {}
        }
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let lacked = errors.lines().filter_map(|line| line.strip_prefix("Error loading shared library ")?.split_once(": "));
    missing.extend(lacked.map(|(name, _)| name.to_owned()));
    found.insert(Path::new(loader).canonicalize().unwrap());
    (found, missing)
}

fn compare(dir: &TempDir, loader: &str) {
    let tree = DirTree::host().unwrap();
    let mut finder = Finder::new(&tree, System::running(0), Objects::default());
    let modules = finder.objects_below(&dir.path().join("modules")).unwrap();
    let (mut count, mut libraries, mut differences) = (0, 0, 0);
    for module in &modules {
        let mut request = Request::new(module.to_str().unwrap());
        request.interpreter = Some(loader.into());
        request.implied = false;
        let closure = finder.find(&request).unwrap();
        if closure.loader.is_none() {
            // It needs nothing, and so no loader.
            continue;
        }
        count += 1;
        let members = closure.members.iter().filter(|member| member.role != Role::Program);
        // glibc's list begins behind the module, musl's with what it is asked for.
        let own = module.canonicalize().unwrap();
        let ours: BTreeSet<PathBuf> = members.map(|member| member.resolved.real.clone()).collect();
        let lacked: BTreeSet<String> = closure.missing.iter().map(|missing| missing.name.clone()).collect();
        let (mut found, missing) = theirs(loader, request.program.as_str());
        found.remove(&own);
        libraries += ours.len();
        if (&ours, &lacked) != (&found, &missing) {
            differences += 1;
            show(&format!("{}: ours {ours:?} {lacked:?}, the loader's {found:?} {missing:?}", module.display()));
        }
    }
    show(&format!("{count} modules for {loader} that need {libraries} files, {differences} differ"));
    assert_eq!(differences, 0);
    assert!(count > 100);
}

#[test]
fn our_list_is_that_of_musl_for_modules_of_python() {
    const LOADER: &str = "/lib/ld-musl-x86_64.so.1";
    compare(&need!(wheels(&["musllinux_1_2_x86_64", "musllinux_1_1_x86_64"], LOADER)), LOADER);
}

#[test]
fn our_list_is_that_of_glibc_for_modules_of_python() {
    const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
    compare(
        &need!(wheels(&["manylinux_2_28_x86_64", "manylinux2014_x86_64", "manylinux_2_27_x86_64"], LOADER)),
        LOADER,
    );
}
