//! Python: a virtual environment says in pyvenv.cfg with which interpreter it was made; an interpreter finds its library from
//! where it stands. <https://docs.python.org/3/library/site.html>, PEP 405.

use std::path::{Path, PathBuf};

use super::{Look, RuntimeError};
use crate::closure::Member;
use crate::tree::Kind;

/// A virtual environment.
pub(super) fn venv(look: &mut Look<'_, '_>, path: &Path) -> Result<(), RuntimeError> {
    look.named(path, "virtual environment")?;
    let file = path.join("pyvenv.cfg");
    let lines = look.lines(&file).ok_or_else(|| RuntimeError::NoVenv { path: path.into() })?;
    let value = |key: &str| {
        let pairs = lines.iter().filter_map(|line| line.split_once('='));
        pairs
            .map(|(name, value)| (name.trim().to_lowercase(), value.trim()))
            .find(|(name, _)| name == key)
            .map(|it| it.1)
    };
    let no_key = |key| RuntimeError::NoKey { path: file.clone(), key };
    let home = PathBuf::from(value("home").filter(|home| home.starts_with('/')).ok_or_else(|| no_key("home"))?);
    // virtualenv and uv say version_info.
    let version =
        value("version").or_else(|| value("version_info")).and_then(short).ok_or_else(|| no_key("version"))?;

    let no_base = |what| RuntimeError::NoBase { path: path.into(), home: home.clone(), what };
    let names =
        [format!("python{version}"), "python3".into(), "python".into(), format!("pypy{version}"), "pypy3".into()];
    if !names.iter().any(|name| look.found(&home.join(name), Kind::File).is_some()) {
        return Err(no_base(format!("there is no {} in it", names[0])));
    }
    let prefix = home.parent().unwrap_or(&home);
    if !library(look, prefix, &version, Some(&file)) {
        return Err(no_base(format!("there is no {}/lib/python{version}/os.py", prefix.display())));
    }
    if value("include-system-site-packages").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        packages(look, prefix, &version, Some(&file));
    }
    for lib in ["lib", "lib64"] {
        paths(look, &path.join(lib).join(format!("python{version}/site-packages")));
    }
    Ok(())
}

/// An interpreter without a virtual environment.
pub(super) fn bare(look: &mut Look<'_, '_>, program: Option<&Member>) -> Result<(), RuntimeError> {
    let Some(program) = program else { return Ok(()) };
    let real = &program.resolved.real;
    let name = real.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.starts_with("python") && !name.starts_with("pypy") {
        return Err(RuntimeError::OtherProgram { program: real.clone(), language: super::Language::Python });
    }
    let prefix = real.parent().and_then(Path::parent).unwrap_or(real);
    let version = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let version = short(version).or_else(|| only_version(look, prefix));
    let no_library = || RuntimeError::NoLibrary { program: real.clone() };
    let version = version.ok_or_else(no_library)?;
    if !library(look, prefix, &version, None) {
        return Err(no_library());
    }
    packages(look, prefix, &version, None);
    Ok(())
}

/// The standard library, told by the file that CPython itself looks for. Says whether it is there.
fn library(look: &mut Look<'_, '_>, prefix: &Path, version: &str, said_by: Option<&Path>) -> bool {
    let mut found = false;
    for lib in ["lib", "lib64"] {
        for name in [format!("python{version}"), format!("pypy{version}")] {
            let directory = prefix.join(lib).join(name);
            let is_it = look.found(&directory.join("os.py"), Kind::File).is_some()
                || look.found(&directory.join("lib-dynload"), Kind::Directory).is_some();
            if is_it {
                found |= look.found(&directory.join("os.py"), Kind::File).is_some();
                look.directory(&directory, format!("the library of Python {version}"), said_by);
            }
        }
    }
    found
}

/// Packages of the system: those of the library's own site-packages are below it; Debian keeps its own elsewhere.
fn packages(look: &mut Look<'_, '_>, prefix: &Path, version: &str, said_by: Option<&Path>) {
    let why = || format!("packages of Python {version}");
    let local = if prefix == Path::new("/usr") { "/usr/local".into() } else { prefix.join("local") };
    let places = [
        prefix.join(format!("lib/python{version}/site-packages")),
        prefix.join(format!("lib64/python{version}/site-packages")),
        local.join(format!("lib/python{version}/dist-packages")),
        prefix.join("lib/python3/dist-packages"),
    ];
    for place in places {
        if look.directory(&place, why(), said_by) {
            paths(look, &place);
        }
    }
}

/// The directories that `*.pth` files name, as editable installs do: a line each. What begins with `import` is code.
fn paths(look: &mut Look<'_, '_>, packages: &Path) {
    for name in look.names(packages).into_iter().filter(|name| name.ends_with(".pth") && !name.starts_with('.')) {
        let file = packages.join(&name);
        for line in look.lines(&file).unwrap_or_default().iter().filter(|line| line.starts_with('/')) {
            look.directory(Path::new(line), format!("{} names it", file.display()), Some(&file));
        }
    }
}

/// The one version whose library is there.
fn only_version(look: &mut Look<'_, '_>, prefix: &Path) -> Option<String> {
    let names = look.names(&prefix.join("lib"));
    let mut versions = names.iter().filter_map(|name| short(name.strip_prefix("python")?)).filter(|v| v.contains('.'));
    versions.next().filter(|_| versions.next().is_none())
}

/// `3.11` of `3.11.2`.
fn short(version: &str) -> Option<String> {
    let mut numbers = version.split('.');
    let (major, minor) = (numbers.next()?, numbers.next()?);
    let minor = minor.split(|c: char| !c.is_ascii_digit()).next()?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(major) && number(minor)).then(|| format!("{major}.{minor}"))
}
