//! The key `runtime` with the real runtimes of Debian: programs that load modules, extensions and the libraries of those.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::process::Command;

use thinjail_tests::client::ask;
use thinjail_tests::jail::{Finished, thinjail};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

/// Runs a command as `nobody` by a runtime.
fn by(runtime: &str, command: &[&str]) -> Finished {
    thinjail(["run", "--user=nobody", "--tmp", "--runtime", runtime, "--"]).args(command).run()
}

/// What it says; and without the runtime it does not even start.
#[track_caller]
fn said(runtime: &str, command: &[&str]) -> String {
    let without = thinjail(["run", "--user=nobody", "--tmp", "--"]).args(command).run();
    assert_ne!(without.code(), Some(0), "{without:?}");
    by(runtime, command).expect_code(0).stdout.clone()
}

/// Compiles an object that needs a library which no program here needs by itself.
fn object_with_a_library(at: &Path, source: &str) {
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-x", "c", "-", "-Wl,--no-as-needed", "-l:libzstd.so.1", "-o"]).arg(at);
    let mut gcc = gcc.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut gcc.stdin.take().unwrap(), source.as_bytes()).unwrap();
    assert!(gcc.wait().unwrap().success());
}

#[test]
fn a_virtual_environment_of_python_runs_with_its_compiled_modules() {
    need!(skip::namespaces());
    let python = need!(skip::path("/usr/bin/python3"));
    need!(skip::program("gcc"));
    let temp = TempDir::new();
    let venv = temp.at("venv");
    ask(&python, &["-m", "venv", "--without-pip", &venv]);
    let (program, runtime) = (format!("{venv}/bin/python"), format!("python:{venv}"));
    // Of the system: modules with libraries of their own, and what a link of Debian's leads to.
    let import = "import sys, ssl, sqlite3, ctypes, sitecustomize; print(sys.prefix)";
    assert_eq!(said(&runtime, &[&program, "-c", import]), format!("{venv}\n"));
    // Of its own: a compiled one below a directory that a .pth file names.
    let source = temp.dir("source");
    let site = ask(Path::new(&program), &["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]);
    temp.file(
        &format!("{}/own.pth", site.trim().strip_prefix(&temp.at("")).unwrap()),
        format!("{}\n", source.display()),
    );
    object_with_a_library(&source.join("own.so"), "int number(void) { return 42; }");
    let load = "import sys; import ctypes; print(ctypes.CDLL(sys.path[-1] + '/own.so').number())";
    assert_eq!(said(&runtime, &[&program, "-c", load]), "42\n");
    // Packages of the system are not among those of a virtual environment without them.
    let packages =
        by(&runtime, &[&program, "-c", "import os; print(os.path.exists('/usr/lib/python3/dist-packages'))"]);
    assert_eq!(packages.expect_code(0).stdout, "False\n");

    let library = "/usr/lib/python3.11/os.py";
    let explain = thinjail(["explain", "--user=nobody", "--runtime", &runtime, "--", &program, library]).run();
    assert!(explain.expect_code(0).stdout.contains("the library of Python 3.11"), "{}", explain.stdout);
}

#[test]
fn a_python_without_a_virtual_environment_has_the_packages_of_the_system() {
    need!(skip::namespaces());
    let python = need!(skip::path("/usr/bin/python3"));
    need!(skip::path("/usr/lib/python3/dist-packages/gunicorn"));
    let python = python.to_str().unwrap();
    assert_eq!(said("python", &[python, "-c", "import gunicorn, ssl; print(gunicorn.__name__)"]), "gunicorn\n");
}

#[test]
fn node_loads_an_addon_and_its_library() {
    need!(skip::namespaces());
    let node = need!(skip::program("node"));
    need!(skip::program("gcc"));
    let temp = TempDir::new();
    let addon = temp.dir("app/node_modules/own").join("own.node");
    object_with_a_library(&addon, "void *napi_register_module_v1(void *env, void *exports) { return exports; }");
    temp.file("app/node_modules/own/package.json", "{ \"name\": \"own\", \"main\": \"own.node\" }");
    let main = temp.file("app/main.js", "console.log(typeof require('own'), require('crypto').randomBytes(3).length)");
    let runtime = format!("node:{}", temp.at("app"));
    assert_eq!(said(&runtime, &[node.to_str().unwrap(), main.to_str().unwrap()]), "object 3\n");
}

#[test]
fn perl_loads_modules_of_its_own_and_of_the_program() {
    need!(skip::namespaces());
    let perl = need!(skip::path("/usr/bin/perl"));
    let temp = TempDir::new();
    temp.dir("app/lib");
    temp.file("app/lib/Own.pm", "package Own; sub word { 'own' } 1;");
    let main = temp.program("app/main", format!("#!/usr/bin/perl\nuse lib '{}'; use Own; use POSIX; use Socket;\nprint Own::word, ' ', POSIX::floor(2.5), \"\\n\";", temp.at("app/lib")));
    let runtime = format!("perl:{}", temp.at("app"));
    // As a script, whose interpreter is asked in the end.
    assert_eq!(said(&runtime, &[main.to_str().unwrap()]), "own 2\n");
    assert_eq!(
        said("perl", &[perl.to_str().unwrap(), "-MData::Dumper", "-MList::Util=sum", "-e", "print sum(1, 2)"]),
        "3"
    );
}

#[test]
fn php_has_its_configuration_and_its_extensions() {
    need!(skip::namespaces());
    let php = need!(skip::program("php8.2"));
    let code = "echo extension_loaded('sockets') ? 'sockets ' : 'none ', ini_get('memory_limit');";
    assert_eq!(by("php", &[php.to_str().unwrap(), "-r", code]).expect_code(0).stdout, "sockets -1");
}

#[test]
fn ruby_has_its_library_and_the_gems_of_the_system() {
    need!(skip::namespaces());
    let ruby = need!(skip::path("/usr/bin/ruby"));
    let code = "require 'json'; require 'openssl'; require 'socket'; puts JSON.dump([Gem::Specification.find_by_name('rake').name])";
    assert_eq!(said("ruby", &[ruby.to_str().unwrap(), "-e", code]), "[\"rake\"]\n");
}

#[test]
fn java_starts_with_what_the_links_of_its_home_lead_to() {
    need!(skip::namespaces());
    let home = need!(skip::path("/usr/lib/jvm/java-17-openjdk-amd64"));
    let java = home.join("bin/java");
    let settings = ["-XshowSettings:properties", "-version"];
    let shown = by("java", &[&[java.to_str().unwrap()], &settings[..]].concat());
    shown.expect_code(0).expect_stderr(&["openjdk version \"17", &format!("java.home = {}", home.display())]);
    let named = by(&format!("java:{}", home.display()), &[java.to_str().unwrap(), "-version"]);
    named.expect_code(0).expect_stderr(&["openjdk version \"17"]);
}

#[test]
fn what_is_no_runtime_is_refused_before_anything_starts() {
    need!(skip::namespaces());
    let python = need!(skip::path("/usr/bin/python3"));
    let temp = TempDir::new();
    let python = python.to_str().unwrap();
    by(&format!("python:{}", temp.path().display()), &[python, "-c", "1"]).expect_code(125).expect_stderr(&[
        "is no virtual environment: there is no pyvenv.cfg in it",
        "help: make it with `python3 -m venv`",
    ]);
    temp.file("pyvenv.cfg", "home = /opt/none/bin\nversion = 3.11.2\n");
    by(&format!("python:{}", temp.path().display()), &[python, "-c", "1"])
        .expect_code(125)
        .expect_stderr(&["was made with the Python in /opt/none/bin, and there is no python3.11 in it"]);
    by("ruby", &["/bin/true"]).expect_code(125).expect_stderr(&["is no Ruby"]);
    by("java:/etc", &["/bin/true"]).expect_code(125).expect_stderr(&["/etc is no Java home"]);
    by("node:/nowhere", &["/bin/true"]).expect_code(125).expect_stderr(&["/nowhere does not exist"]);
}
