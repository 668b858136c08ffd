//! `--tree`: each file below the one that asks for it first, and by which rule it was found.

use std::collections::HashMap;
use std::path::Path;

use thinjail_closure::closure::{Closure, How, Member, Role};

use super::shown;

/// Deeper ones stand where these do: a chain of libraries may have any length, a line may not.
const LEVELS_MAX: usize = 64;

/// The program on the first line, and what it needs below it, moved in.
pub(super) fn text(closure: &Closure) -> String {
    let mut below: HashMap<&Path, Vec<usize>> = HashMap::new();
    for (at, member) in closure.members.iter().enumerate() {
        if let Some(by) = &member.needed_by {
            below.entry(by).or_default().push(at);
        }
    }
    let mut out = String::new();
    // What is still to be printed, the next one last. A chain may be longer than a stack of calls.
    let first = closure.members.iter().enumerate().filter(|(_, member)| member.needed_by.is_none());
    let mut next: Vec<(usize, usize)> = first.map(|(at, _)| (at, 0)).collect();
    next.reverse();
    while let Some((at, level)) = next.pop() {
        let Some(member) = closure.members.get(at) else { continue };
        line(&mut out, level, &of(member));
        for missing in closure.missing.iter().filter(|missing| missing.needed_by == member.path) {
            line(&mut out, level + 1, &format!("{} => not found", shown(Path::new(&missing.name))));
        }
        // Taken out, so that no file is printed twice.
        let members = below.remove(member.path.as_path()).unwrap_or_default();
        next.extend(members.into_iter().rev().map(|at| (at, level + 1)));
    }
    out
}

fn line(out: &mut String, level: usize, text: &str) {
    out.extend(std::iter::repeat_n("  ", level.min(LEVELS_MAX)));
    *out += text;
    out.push('\n');
}

/// A member and how it was found. What was found by its path is told by that path alone.
fn of(member: &Member) -> String {
    let path = shown(&member.path);
    match (member.role, member.how) {
        (_, How::Asked) => path.into_owned(),
        (Role::Interpreter, _) => format!("{path} (interpreter)"),
        (Role::Script, How::Path) => format!("{path} (runs it)"),
        (_, How::Path) => format!("{path} (by its path)"),
        (_, how) => format!("{} => {path} ({how})", shown(Path::new(&member.name))),
    }
}
