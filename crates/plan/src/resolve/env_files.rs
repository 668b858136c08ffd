//! `env-file`: variables from files of the host that root reads. The plan has their names only, since they may be secrets.

use std::collections::{BTreeMap, BTreeSet};

use thinjail_closure::tree::{Kind, Resolved};

use super::links::Writable;
use super::problem::{Problem, Report};
use crate::facts::{EnvFileFact, Facts, PathFact};
use crate::path::HostPath;
use crate::plan::EnvFile;
use crate::spec::Spec;
use crate::step::Source;

/// Where which variable comes from: of several files the last one that has it, and none of what `env` has.
pub(super) fn resolve(spec: &Spec, facts: &Facts, report: &mut Report) -> Vec<EnvFile> {
    let mut files: Vec<EnvFile> = Vec::new();
    for written in &spec.env_file {
        let Some((source, names)) = report.keep(read(written, facts)) else { continue };
        let names: BTreeSet<String> = names.into_iter().filter(|name| !spec.env.contains_key(name)).collect();
        files.iter_mut().for_each(|before| before.names.retain(|name| !names.contains(name)));
        files.push(EnvFile { source, names: names.into_iter().collect() });
    }
    files.retain(|file| !file.names.is_empty());
    files
}

/// None of them may be what the program itself has written, or points to.
pub(super) fn check(spec: &Spec, writable: &Writable, facts: &Facts, report: &mut Report) {
    for written in &spec.env_file {
        let path = HostPath::new(written).ok();
        let Some(PathFact::Found(found)) = path.and_then(|path| facts.paths.get(&path)) else { continue };
        let said = format!("env-file = {written:?}");
        let own = writable.holds(&found.real);
        report.keep(writable.judge(&said, found));
        if own {
            report.problem(
                Problem::setup(format!("{said}: the program may write to it, and so choose its own environment"))
                    .help("keep it elsewhere"),
            );
        }
    }
}

/// The environment without what is in the files.
pub(super) fn without(mut env: BTreeMap<String, String>, files: &[EnvFile]) -> BTreeMap<String, String> {
    env.retain(|name, _| !files.iter().any(|file| file.names.contains(name)));
    env
}

fn read(written: &str, facts: &Facts) -> Result<(Source, Vec<String>), Problem> {
    let said = format!("env-file = {written:?}");
    let path = HostPath::new(written).map_err(|error| {
        Problem::setup(format!("{said}: {error}")).help(match written.strip_prefix('-') {
            Some(_) => "take the - out: a file that is named has to be there, and may be empty",
            None => "write it from the root on, beginning with a /, without `..`",
        })
    })?;
    let unknown = || {
        let problem = Problem::setup(format!("{said}: the facts say nothing of {path}"));
        problem.help("gather the facts again with this profile")
    };
    let found = match facts.paths.get(&path) {
        Some(PathFact::Found(found)) => found,
        Some(PathFact::Missing { at, .. }) => {
            return Err(Problem::setup(format!("{said}: {at} does not exist"))
                .help("make it, empty if need be, or take it out"));
        }
        Some(PathFact::Refused { why }) => return Err(Problem::setup(format!("{said}: {why}"))),
        None => return Err(unknown()),
    };
    let real = HostPath::from_path(&found.real).map_err(|error| Problem::setup(format!("{said}: {error}")))?;
    if found.meta.kind != Kind::File {
        return Err(Problem::setup(format!("{said}: {real} is no regular file")).help("name each file by itself"));
    }
    let fact = facts.env_files.get(&path).ok_or_else(unknown)?;
    let loose = match fact {
        EnvFileFact::Names { loose, .. } | EnvFileFact::Fault { loose, .. } | EnvFileFact::Refused { loose, .. } => {
            loose
        }
    };
    trust(&said, found, &real, *loose, facts.caller)?;
    match fact {
        EnvFileFact::Names { names, .. } => {
            Ok((Source { path: real, id: Some(found.meta.id), kind: Kind::File }, names.clone()))
        }
        EnvFileFact::Fault { fault, .. } => {
            Err(Problem::setup(format!("{said}: {real}:{}: {}", fault.line, fault.why)).help(fault.help.clone()))
        }
        EnvFileFact::Refused { why, .. } => Err(Problem::setup(format!("{said}: {why}"))),
    }
}

/// As with a profile: whoever can write it, or put another in its place, says what the daemon does.
fn trust(said: &str, found: &Resolved, real: &HostPath, loose: bool, caller: u32) -> Result<(), Problem> {
    let refused = |why: String, help: String| {
        let what = format!("{said}: {why}, and could have the program do anything");
        Err(Problem::setup(what).help(help))
    };
    let trusted = |uid: u32| uid == 0 || uid == caller;
    if !trusted(found.meta.uid) {
        return refused(
            format!("{real} belongs to uid {}", found.meta.uid),
            format!("chown root {real}, or keep it elsewhere"),
        );
    }
    if found.meta.mode & 0o022 != 0 {
        let why = format!("users other than its owner may write {real}");
        return refused(why, format!("chmod go-w {real}, or keep it elsewhere"));
    }
    if loose || found.links.iter().any(|link| link.loose || !trusted(link.uid)) {
        let why = format!("others may put another file in the place of {real}");
        return refused(why, "keep it in a directory in which only root may write, such as /etc".into());
    }
    Ok(())
}
