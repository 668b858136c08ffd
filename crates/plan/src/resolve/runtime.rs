//! The `runtime` key: the directories that the runtime of a language names, beside the closure of the program that it runs.

use thinjail_closure::runtime::{Language, Part, Runtime};

use super::identity::Who;
use super::inside::{Inside, Node};
use super::links::{self, Writable};
use super::mounts;
use super::problem::{Problem, Report};
use crate::facts::{Facts, PathFact, RuntimeFact};
use crate::nearest::nearest;
use crate::path::HostPath;
use crate::spec::Spec;
use crate::wishes::Wish;

/// What is written, understood; none where nothing is.
pub(crate) fn asked(spec: &Spec) -> Option<Result<Runtime, Problem>> {
    let written = spec.runtime.as_deref()?;
    let (word, path) = match written.split_once(':') {
        Some((word, path)) => (word, Some(path)),
        None => (written, None),
    };
    Some(language(word).and_then(|language| {
        let path = path.map(HostPath::new).transpose().map_err(|error| {
            Problem::setup(format!("runtime = {written:?}: {error}"))
                .help(format!("write the directory from the root on: runtime = \"{word}:/srv/app\""))
        })?;
        Ok(Runtime { language, path: path.map(|path| path.as_str().into()) })
    }))
}

fn language(word: &str) -> Result<Language, Problem> {
    Language::by_word(word).ok_or_else(|| {
        let words = Language::ALL.map(Language::word);
        let problem = Problem::setup(format!("runtime: {word:?} is no runtime that is known"));
        match nearest(word, words.into_iter()) {
            Some(meant) => problem.help(format!("did you mean {meant:?}?")),
            None => problem.help(format!("write one of {}, or name its directories in read", words.join(" "))),
        }
    })
}

/// Puts everything into place that the runtime reads.
pub(super) fn resolve(
    spec: &Spec,
    (who, writable): (&Who, &Writable),
    facts: &Facts,
    inside: &mut Inside,
    report: &mut Report,
) {
    let (Some(written), Some(asked)) = (&spec.runtime, asked(spec)) else { return };
    if report.keep(asked).is_none() {
        return;
    }
    match &facts.runtime {
        Some(RuntimeFact::Parts { parts, .. }) => {
            for part in parts {
                if let Err(problem) = place((written, part), (who, writable), facts, inside, report) {
                    if part.optional {
                        report.note(format!("{}: left out", problem.what));
                    } else {
                        report.problem(problem);
                    }
                }
            }
        }
        Some(RuntimeFact::Refused { why, help }) => {
            report.problem(Problem::setup(format!("runtime = {written:?}: {why}")).help(help));
        }
        // Without its program there is nothing to ask, and that is a problem of its own.
        None => {}
    }
}

fn place(
    (written, part): (&str, &Part),
    (who, writable): (&Who, &Writable),
    facts: &Facts,
    inside: &mut Inside,
    report: &mut Report,
) -> Result<(), Problem> {
    let said = format!("runtime = {written:?}: {}", part.why);
    let source = HostPath::from_path(&part.path).map_err(|error| Problem::setup(format!("{said}: {error}")))?;
    let Some(PathFact::Found(found)) = facts.paths.get(&source) else {
        return Err(Problem::setup(format!("{said}: the facts say nothing of {source}"))
            .help("gather the facts again with this profile"));
    };
    let real = HostPath::from_path(&found.real).map_err(|error| Problem::setup(format!("{said}: {error}")))?;
    // What the profile names itself is inside in its own way.
    let written_at = |dir: &HostPath| matches!(inside.entries.get(&dir.inside()).map(|entry| &entry.node), Some(Node::Bind { source, .. }) if source.path == *dir);
    let mut above = Some(real.clone());
    while let Some(dir) = above {
        if written_at(&dir) {
            return inside.make_way(source.as_str(), found, &said);
        }
        above = dir.parent();
    }
    if let Some(by) = &part.said_by {
        links::judge_said(&said, by, found, facts.caller)?;
    }
    writable.judge_part(&said, part.said_by.as_ref(), found)?;
    let wish = Wish { said, source, target: None, write: false, exec: true, optional: false, make: None };
    mounts::decide(&wish, who, facts, inside, report).map(drop)
}
