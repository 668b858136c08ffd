//! Finds a profile by its name or by its path, and reads it.

mod search;
mod trust;

use std::path::{Path, PathBuf};

use thinjail_plan::facts::SystemKind;
use thinjail_plan::spec::toml::{Parsed, parse_all};

use crate::report::Failure;
pub(crate) use search::names;
use search::{Search, missing};
use trust::Trust;

/// Directories to search in place of the system's, separated by `:`.
const PATH_VARIABLE: &str = "THINJAIL_PROFILE_PATH";

/// Bytes in a profile.
const SIZE_MAX: u64 = thinjail_plan::spec::toml::MAX_BYTES as u64;

/// A profile and all that it is laid upon or is laid upon it.
#[derive(Debug)]
pub(crate) struct Profile {
    /// The jail's name.
    pub(crate) name: String,
    /// What stands for `%i` in it.
    pub(crate) instance: Option<String>,
    /// What it uses, itself, its drop-ins.
    pub(crate) layers: Vec<Layer>,
}

/// One file of a profile.
#[derive(Debug)]
pub(crate) struct Layer {
    /// The file.
    pub(crate) file: String,
    /// What is in it.
    pub(crate) text: String,
    /// What that says, and all that does not fit.
    pub(crate) parsed: Parsed,
}

/// The directories to search, the first that has a profile wins: those given by flag, else by the environment, else the
/// system's: the admin's and then the shipped one.
pub(crate) fn directories(given: &[PathBuf], system: SystemKind) -> Result<Vec<PathBuf>, Failure> {
    if !given.is_empty() {
        return given.iter().map(|directory| absolute(directory)).collect();
    }
    // A set-uid thinjail must not take a profile from the one who started it.
    let variable = if trust::is_set_id() { None } else { std::env::var_os(PATH_VARIABLE) };
    let Some(path) = variable.filter(|path| !path.is_empty()) else {
        return Ok(match system {
            SystemKind::Linux => vec!["/etc/thinjail".into(), "/usr/share/thinjail".into()],
            SystemKind::FreeBsd => vec!["/usr/local/etc/thinjail".into(), "/usr/local/share/thinjail".into()],
        });
    };
    let directories: Vec<_> =
        std::env::split_paths(&path).filter(|directory| !directory.as_os_str().is_empty()).collect();
    match directories.iter().find(|directory| !directory.is_absolute()) {
        // A flag is typed where it holds; a variable is inherited from somewhere.
        Some(directory) => Err(Failure::new(format!("search {} of {PATH_VARIABLE}", directory.display()))
            .cause("the path is relative")
            .help("write it from the root on")),
        None => Ok(directories),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::new(format!("find {}", path.display())).cause(error))
}

/// The profile called `name`: the first of the directories that has it, what it uses, and its drop-ins from all of them.
pub(crate) fn by_name(name: &str, directories: &[PathBuf]) -> Result<Profile, Failure> {
    let instance = check_name(name)?;
    let mut layers = Vec::new();
    let mut search = Search { directories, used: Vec::new() };
    if !search.find(name, 0, &mut layers)? {
        return Err(missing(name, directories));
    }
    Ok(Profile { name: name.to_owned(), instance, layers })
}

/// The profile that this text would be in the first of the directories, with its drop-ins.
pub(crate) fn of_text(name: &str, text: &str, directories: &[PathBuf]) -> Result<Profile, Failure> {
    let instance = check_name(name)?;
    let path = directories.first().map(|first| first.join(format!("{name}.toml"))).unwrap_or_default();
    let file = path.display().to_string();
    let layer = Layer { parsed: parse_all(text, &file), file, text: text.to_owned() };
    let mut layers = Vec::new();
    let mut search = Search { directories, used: Vec::new() };
    search.stack(layer, name, 1, &mut layers)?;
    search.drop_ins(name, &mut layers)?;
    Ok(Profile { name: name.to_owned(), instance, layers })
}

/// Reads the profile in a file; the jail's name is that of the file, without `.toml`. It has no drop-ins.
pub(crate) fn by_path(
    path: &Path,
    directories: impl FnOnce() -> Result<Vec<PathBuf>, Failure>,
) -> Result<Profile, Failure> {
    let path = absolute(path)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.strip_suffix(".toml").unwrap_or(name).to_owned();
    let instance = check_name(&name)?;
    let Some(layer) = read(&path)? else {
        return Err(Failure::new(at("open", &path))
            .cause("there is no such file")
            .help("write the path of one; a profile that is in its place is named without --profile, as NAME"));
    };
    // Who uses nothing needs none.
    let directories = if layer.parsed.spec.r#use.is_some() { directories()? } else { Vec::new() };
    let mut layers = Vec::new();
    Search { directories: &directories, used: Vec::new() }.stack(layer, &name, 0, &mut layers)?;
    Ok(Profile { name, instance, layers })
}

/// A name is a file name, a jail's name and part of a command line: what could mean something else in one of them is out.
///
/// What is behind an `@` is the name of an instance.
pub(crate) fn check_name(name: &str) -> Result<Option<String>, Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let plain = |part: &str| !part.is_empty() && !part.starts_with(['-', '.']) && part.chars().all(fits);
    match name.split_once('@') {
        _ if name.len() > 64 => {}
        None if plain(name) => return Ok(None),
        Some((name, instance)) if plain(name) && plain(instance) => return Ok(Some(instance.to_owned())),
        Some((all, "")) if plain(all) => {
            return Err(Failure::usage(format!("{name:?} is the profile of all instances, and no jail"))
                .help(format!("write which one behind it, as in `{name}1`: it is what %i stands for")));
        }
        _ => {}
    }
    Err(Failure::usage(format!("{name:?} can't be the name of a profile")).help(
        "a name has letters, digits, `_`, `.` and `-`, 64 at most, and starts with neither `-` nor `.`; \
         an instance is NAME@INSTANCE; a program is named by its path, or after `--`",
    ))
}

/// The layer in a file, if there is one.
fn read(path: &Path) -> Result<Option<Layer>, Failure> {
    let Some(opened) = Trust::of_caller().open(path)? else { return Ok(None) };
    let refused = |why: String, help: &str| Failure::new(at("read", path)).cause(why).help(help);
    let too_big = || refused("it has more than 256 KiB".into(), "a profile is a short text: check that this is one");
    if opened.size() > SIZE_MAX {
        return Err(too_big());
    }
    // It may grow while it is read.
    let bytes = opened.read(SIZE_MAX + 1).map_err(|error| Failure::new(at("read", path)).cause(error))?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(too_big());
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            let file = path.display().to_string();
            let parsed = parse_all(&text, &file);
            Ok(Some(Layer { file, text, parsed }))
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes().get(..at).unwrap_or_default().iter().filter(|&&byte| byte == b'\n').count() + 1;
            Err(refused(format!("line {line} is not UTF-8"), "save the profile as UTF-8"))
        }
    }
}

fn at(verb: &str, path: &Path) -> String {
    format!("{verb} the profile {}", path.display())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_that_mean_something_else_somewhere_are_refused() {
        for name in ["nginx", "php8.2-fpm", "a_b", "9p", "redis@6380"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in
            ["", "-x", ".x", "..", "a/b", "a b", "a\0", "ä", "a@", "@b", "a@.b", "a@b@c", "a%b", &"x".repeat(65)]
        {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
