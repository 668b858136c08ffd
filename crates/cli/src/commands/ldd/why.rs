//! `--why`: the chain that leads to a library, and who else asks for it.

use std::path::Path;

use thinjail_closure::closure::{Closure, Finder, How, Member, Role};

use super::shown;

/// From the program to the library, a file a line, each with the rule it was found by. None where there is no such member.
pub(super) fn text(finder: &Finder<'_>, closure: &Closure, library: &str) -> Option<String> {
    let member = wanted(closure, library)?;
    let mut chain = vec![member];
    while let Some(by) = chain.last().and_then(|member| member.needed_by.as_ref())
        && chain.len() <= closure.members.len()
        && let Some(above) = closure.members.iter().find(|member| member.path == *by)
    {
        chain.push(above);
    }
    let mut out = String::new();
    for member in chain.iter().rev() {
        out += &line(member);
        out.push('\n');
    }
    let others = others(finder, closure, member);
    if !others.is_empty() {
        out += "also needed by\n";
        out.extend(others.iter().map(|other| format!("  {}\n", shown(&other.path))));
    }
    Some(out)
}

/// By its path, by the name it is asked for, or by the beginning of that: `libssl` is libssl.so.3.
fn wanted<'c>(closure: &'c Closure, library: &str) -> Option<&'c Member> {
    let path = Path::new(library);
    let exact = |member: &&Member| {
        member.path == path
            || member.resolved.real == path
            || member.name == library
            || member.path.file_name() == Some(path.as_os_str())
    };
    let begins = |member: &&Member| {
        let name = member.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix(library).is_some_and(|rest| rest.starts_with(".so") || rest.starts_with('-'))
    };
    closure.members.iter().find(exact).or_else(|| closure.members.iter().find(begins))
}

fn line(member: &Member) -> String {
    let path = shown(&member.path);
    match (member.role, member.how) {
        (_, How::Asked) => path.into_owned(),
        (Role::Interpreter, _) => format!("is started by its interpreter {path}"),
        (Role::Script, _) => format!("is run by {path}, found by {}", member.how),
        (Role::Program | Role::Library, how) => {
            format!("needs {}: {path}, found by {how}", shown(Path::new(&member.name)))
        }
    }
}

/// Those that ask for the same file, but not first. A loader knows it by the name it was found by and by its soname.
fn others<'c>(finder: &Finder<'_>, closure: &'c Closure, wanted: &Member) -> Vec<&'c Member> {
    let soname = finder.object(&wanted.resolved).ok().and_then(|object| object.soname.clone());
    let names = [Some(wanted.name.clone()), soname];
    let asks = |member: &&Member| {
        Some(&member.path) != wanted.needed_by.as_ref()
            && finder.object(&member.resolved).is_ok_and(|object| {
                object.needs.iter().any(|need| names.iter().flatten().any(|name| *name == need.name))
            })
    };
    closure.members.iter().filter(asks).collect()
}
