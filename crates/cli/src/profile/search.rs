//! Where the files of a profile are: itself, what it uses, its drop-ins.

use std::path::{Path, PathBuf};

use thinjail_plan::nearest::nearest;

use super::{Layer, check_name, read};
use crate::report::Failure;

/// Profiles upon profiles: more is a mistake.
const USES_MAX: usize = 8;

/// A search through directories, the first of which wins.
pub(super) struct Search<'a> {
    pub(super) directories: &'a [PathBuf],
    /// What has been gone through: a profile that uses itself would never end.
    pub(super) used: Vec<String>,
}

impl Search<'_> {
    /// Puts the profile called `name` and its drop-ins upon `layers`; says whether there is one. The first directories are left
    /// out by who stands in one of them and builds upon the same name further on.
    pub(super) fn find(&mut self, name: &str, from: usize, layers: &mut Vec<Layer>) -> Result<bool, Failure> {
        let template = name.split_once('@').map(|(name, _)| format!("{name}@"));
        for stem in [Some(name), template.as_deref()].into_iter().flatten() {
            for (index, directory) in self.directories.iter().enumerate().skip(from) {
                let Some(layer) = read(&directory.join(format!("{stem}.toml")))? else { continue };
                self.stack(layer, name, index + 1, layers)?;
                if from == 0 {
                    for stem in [template.as_deref(), Some(name)].into_iter().flatten() {
                        self.drop_ins(stem, layers)?;
                    }
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One layer upon what it uses. `next` is the directory behind the one that it is in.
    pub(super) fn stack(
        &mut self,
        layer: Layer,
        name: &str,
        next: usize,
        layers: &mut Vec<Layer>,
    ) -> Result<(), Failure> {
        if let Some(used) = &layer.parsed.spec.r#use {
            let failed = |what: &str| Failure::new(format!("{}: use = {used:?}: {what}", layer.file));
            check_name(used).map_err(|wrong| Failure { what: failed(&wrong.what).what, ..wrong })?;
            if self.used.contains(&layer.file) || self.used.len() >= USES_MAX {
                let way = self.used.join(" uses ");
                return Err(failed("it goes round in circles").cause(way).help("take one `use` out"));
            }
            self.used.push(layer.file.clone());
            let from = if used == name { next } else { 0 };
            if !self.find(used, from, layers)? {
                let there = self.directories.get(from..).unwrap_or_default();
                let missing = nowhere(used, there);
                // It may be the nearest itself.
                let others = names(there).into_iter().filter(|other| other != name && !other.ends_with('@'));
                let help = match others.collect::<Vec<_>>() {
                    others if others.is_empty() => "take `use` out, or write that profile".to_owned(),
                    others => match nearest(used, others.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean {near:?}?"),
                        None => format!("write one of {}; or take `use` out", others.join(", ")),
                    },
                };
                let what = format!("{}: use = {used:?}: {}", layer.file, missing.what);
                return Err(Failure { what, ..missing }.help(help));
            }
        }
        layers.push(layer);
        Ok(())
    }

    /// `NAME.d/*.toml` of all directories by file name; of the same name, the first directory's.
    pub(super) fn drop_ins(&self, stem: &str, layers: &mut Vec<Layer>) -> Result<(), Failure> {
        let mut files: Vec<(std::ffi::OsString, PathBuf)> = Vec::new();
        for directory in self.directories {
            for (name, path) in listed(&directory.join(format!("{stem}.d")))? {
                if files.iter().all(|(known, _)| *known != name) {
                    files.push((name, path));
                }
            }
        }
        files.sort();
        for (_, path) in files {
            // One that was removed meanwhile is not there.
            let Some(layer) = read(&path)? else { continue };
            if let Some(used) = &layer.parsed.spec.r#use {
                let what =
                    format!("{}: use = {used:?}: a drop-in is laid upon its profile, and uses no other", layer.file);
                return Err(Failure::new(what).help("write `use` into the profile itself"));
            }
            layers.push(layer);
        }
        Ok(())
    }
}

/// The TOML files in a directory, if it is there.
fn listed(directory: &Path) -> Result<Vec<(std::ffi::OsString, PathBuf)>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("list the drop-ins in {}", directory.display())).cause(error);
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        // Hidden files are an editor's.
        let bytes = name.as_encoded_bytes();
        if bytes.ends_with(b".toml") && !bytes.starts_with(b".") {
            files.push((name, entry.path()));
        }
    }
    Ok(files)
}

fn nowhere(name: &str, directories: &[PathBuf]) -> Failure {
    let places: Vec<_> = directories.iter().map(|dir| dir.display().to_string()).collect();
    Failure::not_configured(format!("there is no profile {name:?} in {}", places.join(" or ")))
}

/// There is no such profile; and which one may have been meant.
pub(super) fn missing(name: &str, directories: &[PathBuf]) -> Failure {
    let failure = nowhere(name, directories);
    let there = names(directories);
    if let Some(all) = there.iter().find(|other| other.strip_suffix('@') == Some(name)) {
        return failure.help(format!("write which instance, as in `{all}1`: {all}.toml is the profile of all of them"));
    }
    if let Some(near) = nearest(name, there.iter().map(String::as_str)) {
        return failure
            .help(format!("did you mean {near:?}? To run a program, write `thinjail run -- {name}`, or its path"));
    }
    failure.help(match directories.first() {
        _ if name.ends_with(".toml") => format!("a profile in a file is named by `--profile {name}`"),
        Some(first) => {
            let file = first.join(format!("{name}.toml"));
            format!("write {}; to run a program, write `thinjail run -- {name}`, or its path", file.display())
        }
        None => format!("to run a program, write `thinjail run -- {name}`, or its path"),
    })
}

/// The profiles that there are, sorted. What can't be listed has none.
pub(crate) fn names(directories: &[PathBuf]) -> Vec<String> {
    let files = directories.iter().filter_map(|directory| listed(directory).ok()).flatten();
    let names = files.filter_map(|(name, _)| Some(name.to_str()?.strip_suffix(".toml")?.to_owned()));
    let mut names: Vec<String> = names.filter(|name| check_name(name.trim_end_matches('@')).is_ok()).collect();
    names.sort();
    names.dedup();
    names
}
