//! Why is a path inside, or why isn't it?

use thinjail_closure::tree::Kind;

use crate::path::RootPath;
use crate::plan::Plan;
use crate::show;
use crate::step::{Devfs, Planned, Source, Step};

/// Links followed at most, as path_resolution(7) has it.
const MOST_LINKS: usize = 40;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Explanation {
    /// Whether the path leads to something inside, as far as the plan can tell.
    pub inside: bool,
    /// The way to it and the reason, a line each.
    pub lines: Vec<String>,
}

/// Follows `path` through the planned tree: every link on the way, then the step that brings it, or the nearest thing.
pub fn explain(plan: &Plan, path: &RootPath) -> Explanation {
    let mut lines = Vec::new();
    let mut path = path.clone();
    for _ in 0..MOST_LINKS {
        match find(plan, &path) {
            Found::Step(planned) => {
                lines.extend(step(planned, &path));
                return Explanation { inside: true, lines };
            }
            Found::Link { planned, at, to, rest } => {
                lines.push(planned.map_or_else(|| format!("link {at} to {}", to.1), show::line));
                match follow(&to, &rest) {
                    Some(next) => path = next,
                    None => break,
                }
            }
            Found::Within { planned, rest } => {
                let (inside, more) = within(planned, &path, rest);
                lines.extend(more);
                return Explanation { inside, lines };
            }
            Found::Nothing { below } => {
                lines.extend(nothing(plan, &path, &below));
                return Explanation { inside: false, lines };
            }
        }
    }
    lines.push(format!("{path}: the links go round in circles"));
    Explanation { inside: false, lines }
}

enum Found<'a> {
    /// This very path has a step.
    Step(&'a Planned),
    /// The path, or one on the way to it, is a link.
    Link { planned: Option<&'a Planned>, at: RootPath, to: (RootPath, String), rest: String },
    /// It is below a mount that the plan does not look into.
    Within { planned: &'a Planned, rest: &'a str },
    /// Nothing; the nearest directory that is there.
    Nothing { below: RootPath },
}

fn find<'a>(plan: &'a Plan, path: &'a RootPath) -> Found<'a> {
    // From the root down, as the kernel walks: the first link or mount on the way decides.
    let mut ways: Vec<RootPath> = Vec::new();
    let mut up = Some(path.clone());
    while let Some(way) = up {
        up = way.parent();
        ways.push(way);
    }
    let mut nearest = RootPath::root();
    let mut enclosing = None;
    for way in ways.iter().rev() {
        let last = way == path;
        let planned = plan.placing().find(|planned| planned.step.at() == Some(way));
        match planned {
            Some(planned) => match &planned.step {
                Step::Symlink { to, .. } if !last => return link(Some(planned), way, to, path),
                Step::Bind { source, .. } if source.kind == Kind::Directory && !last => {
                    enclosing = Some((planned, way.clone()))
                }
                Step::Proc { .. } | Step::Tmpfs { .. } if !last && way.as_str() != "/" => {
                    enclosing = Some((planned, way.clone()));
                }
                Step::Devices { .. } if !last => enclosing = Some((planned, way.clone())),
                Step::Symlink { to, .. } => return link(Some(planned), way, to, path),
                _ if last => return Found::Step(planned),
                _ => enclosing = None,
            },
            None => {
                if let Some((planned, at)) = &enclosing {
                    if let Step::Devices { links, .. } = &planned.step
                        && let Some((_, to)) = links.iter().find(|(name, _)| at.join(name).as_ref() == Ok(way))
                    {
                        return link(None, way, to, path);
                    }
                    continue;
                }
                return Found::Nothing { below: nearest };
            }
        }
        nearest = way.clone();
    }
    match enclosing {
        Some((planned, at)) => Found::Within { planned, rest: path.below(&at).unwrap_or_default() },
        None => Found::Nothing { below: nearest },
    }
}

fn link<'a>(planned: Option<&'a Planned>, way: &RootPath, to: &str, path: &RootPath) -> Found<'a> {
    Found::Link {
        planned,
        at: way.clone(),
        to: (way.parent().unwrap_or_else(RootPath::root), to.into()),
        rest: path.below(way).unwrap_or_default().into(),
    }
}

/// Where a link leads, with what was below it.
fn follow((dir, to): &(RootPath, String), rest: &str) -> Option<RootPath> {
    let mut names: Vec<&str> = if to.starts_with('/') { Vec::new() } else { dir.parts().collect() };
    for name in to.split('/').chain(rest.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    RootPath::new(&format!("/{}", names.join("/"))).ok()
}

fn step(planned: &Planned, path: &RootPath) -> Vec<String> {
    let mut lines = vec![show::line(planned)];
    if let Step::Bind { source: Source { path: source, .. }, .. } = &planned.step
        && source.inside() != *path
    {
        lines.push(format!("{path} is the host's {source}"));
    }
    lines.push(format!("because: {}", planned.why));
    lines
}

fn within(planned: &Planned, path: &RootPath, rest: &str) -> (bool, Vec<String>) {
    let line = show::line(planned);
    let because = format!("because: {}", planned.why);
    match &planned.step {
        Step::Bind { source, .. } => {
            let host = source.path.join(rest).map_or_else(|_| source.path.to_string(), |host| host.to_string());
            (true, vec![line, format!("{path} is the host's {host}, if that is there"), because])
        }
        Step::Tmpfs { .. } => (false, vec![line, format!("{path} is there only if the jail makes it"), because]),
        Step::Proc { .. } => (true, vec![line, format!("{path} is the kernel's to give"), because]),
        Step::Devices { at, nodes, devfs, .. } => {
            let node =
                nodes.iter().find(|node| node.path.name().and_then(|name| at.join(name).ok()).as_ref() == Some(path));
            match (node, devfs) {
                (Some(node), _) => (true, vec![line, format!("{path} is the host's {}", node.path), because]),
                (None, Some(Devfs::Ruleset(number))) => {
                    (true, vec![line, format!("{path} is there if devfs ruleset {number} shows it"), because])
                }
                (None, Some(Devfs::Only(shown))) if shown.iter().any(|pattern| shows(pattern, rest)) => {
                    (true, vec![line, format!("{path} is the host's, if that is there"), because])
                }
                (None, Some(Devfs::Only(_)) | None) => {
                    (false, vec![line, format!("{path} is not inside: it is none of these devices")])
                }
            }
        }
        _ => (false, vec![line, format!("{path} is not inside")]),
    }
}

/// Whether a pattern of ours is about a device: its name, or a directory's and `/*`.
fn shows(pattern: &str, name: &str) -> bool {
    let within = |dir: &str| name.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
    pattern == name || pattern.strip_suffix("/*").is_some_and(within)
}

/// The nearest thing: what else is in the directory, by name.
fn nothing(plan: &Plan, path: &RootPath, below: &RootPath) -> Vec<String> {
    let mut lines = vec![format!("{path} is not inside")];
    let mut names: Vec<&str> = plan
        .placing()
        .filter_map(|planned| planned.step.at()?.below(below).filter(|rest| !rest.is_empty() && !rest.contains('/')))
        .collect();
    names.sort_unstable();
    names.dedup();
    const SHOWN: usize = 12;
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    lines.push(if names.is_empty() {
        format!("the nearest is {below}, which is empty")
    } else {
        format!("the nearest is {below}, in which there is {}{tail}", names.join(" "))
    });
    lines
}
