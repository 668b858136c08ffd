//! Symbolic links on the way to a file: which are to be trusted, and how the same way is made inside.

use std::path::{Path, PathBuf};

use thinjail_closure::tree::{Kind, Link, Resolved};

use super::problem::Problem;
use crate::facts::{Facts, PathFact};
use crate::path::HostPath;
use crate::plan::Plan;
use crate::step::Step;
use crate::wishes::Wish;

/// Links followed at most, as path_resolution(7) has it.
const MOST_LINKS: usize = 40;

/// The law of links. A link is fit if no one but root and the caller could have put it there, or if its owner owns the
/// file at the end too (then nothing is gained by it: Apache's `SymLinksIfOwnerMatch`). Any other link could be pointed at
/// a file that its owner may not read, and we, being root, would bring that file in.
///
/// A link of root's in a directory of somebody else's is fit only if it ends at what everybody may read: it was written by
/// root, but that somebody can give it the name of another, and so choose among all that root's links there lead to.
pub(super) fn judge(said: &str, resolved: &Resolved, caller: u32) -> Result<(), Problem> {
    let trusted = |link: &Link| link.uid == 0 || link.uid == caller;
    let fit = |link: &&Link| {
        let kept = trusted(link) && !link.loose;
        let matched = link.uid == resolved.meta.uid && (!trusted(link) || is_public(resolved));
        kept || matched
    };
    match resolved.links.iter().find(|link| !fit(link)) {
        None => Ok(()),
        Some(link) => {
            let at = link.at.display();
            let to = link.to.display();
            let why = if trusted(link) && link.uid == resolved.meta.uid {
                "stands in a directory where others may write, and what is at its end is not for everybody to read"
                    .into()
            } else if trusted(link) {
                format!(
                    "stands in a directory where others may write, and the file at its end belongs to {}",
                    uid(resolved)
                )
            } else {
                format!("belongs to uid {}, and the file at its end to {}", link.uid, uid(resolved))
            };
            Err(Problem::setup(format!("{said}: the link {at} -> {to} {why}, so it could be pointed anywhere"))
                .help(format!("write {} if that is the file that is meant", resolved.real.display())))
        }
    }
}

/// Places that the jailed program may write to. What stands in them may be of its making, and as root or as the owner of the file
/// at the end it would be believed.
#[derive(Debug)]
pub(crate) struct Writable(Vec<PathBuf>);

impl Writable {
    pub(super) fn of<'a>(wishes: impl Iterator<Item = &'a Wish>, facts: &Facts) -> Self {
        // The link that is written as such a place is none in it.
        let written = wishes.filter(|wish| wish.write).map(|wish| match facts.paths.get(&wish.source) {
            Some(PathFact::Found(found)) => found.real.clone(),
            Some(PathFact::Missing { parent, .. }) => end(wish.source.as_str(), parent),
            _ => PathBuf::from(wish.source.as_str()),
        });
        Self(written.collect())
    }

    /// Those of a jail that there is.
    pub(crate) fn of_plan(plan: &Plan) -> Self {
        let steps = plan.host.iter().chain(&plan.inside).map(|planned| &planned.step);
        let written = steps.filter_map(|step| match step {
            Step::Bind { source, access, .. } | Step::Allow { source, access } if access.write => {
                Some(PathBuf::from(source.path.as_str()))
            }
            _ => None,
        });
        Self(written.collect())
    }

    /// Whether it is one of them, or stands in one.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.0.iter().any(|place| path.starts_with(place))
    }

    /// Whether one of them is there, or below.
    pub(super) fn meets(&self, path: &Path) -> bool {
        self.holds(path) || self.0.iter().any(|place| place.starts_with(path))
    }

    /// Refuses a way that goes through a link in one of them.
    pub(super) fn judge(&self, said: &str, resolved: &Resolved) -> Result<(), Problem> {
        self.judge_way(said, &resolved.links, &resolved.real)
    }

    /// The same for the way to what is to be made: as root we would make it, and give it to the program, wherever that link says.
    pub(super) fn judge_new(&self, said: &str, source: &HostPath, parent: &Resolved) -> Result<(), Problem> {
        self.judge_way(said, &parent.links, &end(source.as_str(), parent))
    }

    fn judge_way(&self, said: &str, links: &[Link], end: &Path) -> Result<(), Problem> {
        match links.iter().find(|link| self.holds(&link.at)) {
            None => Ok(()),
            Some(link) => {
                Err(problem(said, link).help(format!("write {} if that is the file that is meant", end.display())))
            }
        }
    }

    /// The same for a program and its libraries, which such links are ordinary among: they may lead to what the program could have
    /// put there itself, and to what everybody may read.
    pub(super) fn judge_loaded(&self, said: &str, resolved: &Resolved) -> Result<(), Problem> {
        if self.holds(&resolved.real) || is_public(resolved) {
            return Ok(());
        }
        self.judge(said, resolved)
    }

    /// The same for what a runtime brings, by a link or by what a file says.
    pub(super) fn judge_part(&self, said: &str, by: Option<&Link>, found: &Resolved) -> Result<(), Problem> {
        if self.holds(&found.real) {
            return Ok(());
        }
        let real = found.real.display();
        let led = found.links.iter().find(|link| self.holds(&link.at)).map(|link| problem(said, link));
        let told = || {
            let file = by.filter(|file| self.holds(&file.at))?;
            Some(Problem::setup(format!(
                "{said}: {} says {real}, and the program may write there, so it could say anything",
                file.at.display()
            )))
        };
        match led.or_else(told) {
            None => Ok(()),
            Some(problem) => Err(problem.help(format!("write {real} in read if that is what is meant"))),
        }
    }
}

fn problem(said: &str, link: &Link) -> Problem {
    let (at, to) = (link.at.display(), link.to.display());
    Problem::setup(format!(
        "{said}: the link {at} -> {to} stands where the program may write, so it could point it anywhere"
    ))
}

/// Where a path leads whose end is not there.
fn end(path: &str, parent: &Resolved) -> PathBuf {
    walk(path, &parent.links).map_or_else(|| path.into(), |way| way.real.into())
}

/// The same law for what a file says, as pyvenv.cfg does where Python is: it is as good as a link, to whoever can write it.
pub(super) fn judge_said(said: &str, by: &Link, found: &Resolved, caller: u32) -> Result<(), Problem> {
    let trusted = (by.uid == 0 || by.uid == caller) && !by.loose;
    if trusted || (by.uid == found.meta.uid && by.uid != 0 && !by.loose) {
        return Ok(());
    }
    let (file, to) = (by.at.display(), by.to.display());
    let why = if by.loose { "others may write it".into() } else { format!("it belongs to uid {}", by.uid) };
    Err(Problem::setup(format!("{said}: {file} says {to}, and {why}, so it could say anything"))
        .help(format!("write {to} in read if that is what is meant")))
}

/// Whether everybody may read it, by its own mode.
fn is_public(resolved: &Resolved) -> bool {
    let needed = if resolved.meta.kind == Kind::Directory { 0o005 } else { 0o004 };
    resolved.meta.mode & needed == needed
}

fn uid(resolved: &Resolved) -> String {
    format!("uid {}", resolved.meta.uid)
}

/// A way from the root on, with known links followed and everything else taken for plain names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// The path without any link in it.
    pub(super) real: String,
    /// Directories that are entered only to be left by `..`; they must be there as well.
    pub(super) entered: Vec<String>,
}

/// Walks `path`; none if it goes round in circles or its links say what is no UTF-8.
pub(super) fn walk(path: &str, links: &[Link]) -> Option<Way> {
    let mut pending: Vec<&str> = path.rsplit('/').collect();
    let mut here: Vec<&str> = Vec::new();
    let mut entered = Vec::new();
    let mut followed = 0;
    while let Some(name) = pending.pop() {
        match name {
            "" | "." => continue,
            ".." => {
                entered.push(joined(&here));
                here.pop();
                continue;
            }
            name => here.push(name),
        }
        let at = joined(&here);
        let Some(link) = links.iter().find(|link| link.at.to_str() == Some(at.as_str())) else { continue };
        followed += 1;
        if followed > MOST_LINKS {
            return None;
        }
        let to = link.to.to_str()?;
        here.pop();
        if to.starts_with('/') {
            here.clear();
        }
        pending.extend(to.rsplit('/'));
    }
    Some(Way { real: joined(&here), entered })
}

fn joined(names: &[&str]) -> String {
    format!("/{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn link(at: &str, to: &str) -> Link {
        Link { at: at.into(), to: to.into(), uid: 0, loose: false }
    }

    #[test]
    fn a_way_goes_through_links_and_then_on() {
        let links = [link("/var/run", "/run"), link("/run/a", "../srv/./a")];
        assert_eq!(walk("/var/run/a/b", &links).unwrap().real, "/srv/a/b");
        assert_eq!(walk("/var/run/a/b", &links).unwrap().entered, ["/run"]);
        assert_eq!(walk("/", &links).unwrap().real, "/");
    }

    #[test]
    fn a_way_in_circles_ends() {
        assert_eq!(walk("/a", &[link("/a", "b"), link("/b", "/a")]), None);
    }
}
