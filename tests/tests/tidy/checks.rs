//! What is checked: each from the sources to a list of faults, `file:line: what`.

use crate::code::{code, is_word, line_of, untested, words};
use crate::sources::Sources;

/// What a pure room may not name: they decide, and never look.
const IMPURE_STD: &[&str] = &["fs", "net", "env", "process", "thread"];
const IMPURE_TYPES: &[&str] = &["Instant", "SystemTime"];
const IMPURE_CRATES: &[&str] = &["thinjail_sys", "thinjail_jail", "rustix", "libc"];

fn pure(path: &str) -> bool {
    let room = path.starts_with("crates/closure/src/") || path.starts_with("crates/plan/src/");
    // The one place where a closure meets real files.
    room && path != "crates/closure/src/tree/dir.rs" && !path.ends_with("/tests.rs")
}

pub(crate) fn impure(sources: &Sources) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in sources.rust().filter(|(path, _)| pure(path)) {
        let code = code(text);
        let code = untested(&code);
        for name in IMPURE_TYPES {
            faults.extend(words(code, name).map(|at| format!("{path}:{}: {name} in a pure room", line_of(code, at))));
        }
        for name in IMPURE_CRATES {
            // A variable may have the name of a library.
            let named = words(code, name)
                .filter(|at| code[at + name.len()..].starts_with("::") || code[..*at].ends_with("use "));
            faults.extend(named.map(|at| format!("{path}:{}: {name} in a pure room", line_of(code, at))));
        }
        for at in words(code, "std") {
            if code[at..].starts_with("std::env::consts") {
                // What it was compiled for is no look at the environment.
                continue;
            }
            for module in modules(&code[at + "std".len()..]).filter(|module| IMPURE_STD.contains(module)) {
                faults.push(format!("{path}:{}: std::{module} in a pure room", line_of(code, at)));
            }
        }
    }
    faults
}

/// What follows `std`: `::fs::File` is fs; `::{env, fs::{self, File}}` is env and fs.
fn modules(after: &str) -> impl Iterator<Item = &str> {
    let after = after.strip_prefix("::").unwrap_or_default();
    let mut depth = 0;
    let names = match after.strip_prefix('{') {
        Some(group) => {
            &group[..group
                .find(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    depth < 0
                })
                .unwrap_or(group.len())]
        }
        None => &after[..after.find(|c| !is_word(c)).unwrap_or(after.len())],
    };
    let mut depth = 0;
    names
        .split(move |c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0 && c == ','
        })
        .map(|item| item.trim().split(|c| !is_word(c)).next().unwrap_or_default())
}

pub(crate) fn unsafe_code(sources: &Sources) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in sources.rust() {
        let code = code(text);
        for at in words(&code, "unsafe") {
            let line = line_of(&code, at);
            if !path.starts_with("crates/sys/") {
                faults.push(format!("{path}:{line}: unsafe outside crates/sys"));
            } else if !code[at + "unsafe".len()..].trim_start().starts_with("fn") && !argued(text, line) {
                faults.push(format!("{path}:{line}: unsafe without `// SAFETY:` in the three lines above"));
            }
        }
    }
    faults
}

/// A comment that says SAFETY begins or ends in the three lines above; a long one is read up to its beginning.
fn argued(text: &str, line: usize) -> bool {
    let above: Vec<&str> = text.lines().take(line - 1).map(str::trim_start).collect();
    let near = above.iter().rev().take(3).any(|line| line.contains("// SAFETY:"));
    let mut comment = above.iter().rev().skip_while(|line| !line.starts_with("//")).take_while(|l| l.starts_with("//"));
    let adjacent = above.iter().rev().take(3).any(|line| line.starts_with("//"));
    near || (adjacent && comment.any(|line| line.starts_with("// SAFETY:")))
}

pub(crate) fn target_os(sources: &Sources) -> Vec<String> {
    const FREE: &[&str] = &["crates/sys/", "crates/xtask/", "tests/"];
    let mut faults = Vec::new();
    for (path, text) in sources.rust() {
        if FREE.iter().any(|room| path.starts_with(room)) || path.contains("/tests/") {
            continue;
        }
        let code = code(text);
        let code = untested(&code);
        for at in words(code, "target_os") {
            if !before_mod_or_use(code, at) {
                faults.push(format!("{path}:{}: target_os on other than a mod or use line", line_of(code, at)));
            }
        }
    }
    faults
}

/// The attribute around this place belongs to a `mod` or `use`, perhaps with other attributes between.
fn before_mod_or_use(code: &str, at: usize) -> bool {
    let Some(start) = code[..at].rfind("#[") else { return false };
    let Some(end) = attribute(&code[start..]) else { return false };
    if start + end < at {
        return false;
    }
    let mut rest = code[start + end..].trim_start();
    while let Some(end) = attribute(rest) {
        rest = rest[end..].trim_start();
    }
    if let Some(public) = rest.strip_prefix("pub") {
        let public = public.trim_start();
        rest = public.strip_prefix('(').and_then(|scope| scope.split_once(')')).map_or(public, |(_, rest)| rest);
        rest = rest.trim_start();
    }
    rest.starts_with("mod ") || rest.starts_with("use ")
}

/// How long the `#[...]` is that a text begins with.
fn attribute(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("#[")?;
    let mut depth = 1;
    let end = inside.find(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        depth == 0
    })?;
    Some("#[".len() + end + 1)
}

pub(crate) fn long(sources: &Sources) -> Vec<String> {
    let written = |path: &str| [".rs", ".sh", ".py"].iter().any(|end| path.ends_with(end));
    sources
        .iter()
        .filter(|(path, text)| written(path) && text.lines().count() > 600)
        .map(|(path, text)| format!("{path}: {} lines", text.lines().count()))
        .collect()
}

pub(crate) fn names(sources: &Sources) -> Vec<String> {
    const NOTHING: &[&str] = &["util", "utils", "helper", "helpers", "misc", "common", "imp"];
    let parts = |path: &str| path.split('/').any(|part| NOTHING.contains(&part.split('.').next().unwrap_or_default()));
    sources
        .rust()
        .filter(|(path, _)| parts(path))
        .map(|(path, _)| format!("{path}: says nothing about its job"))
        .collect()
}

/// Of the names that git keeps, those of what was built. [`Sources`] passes over it.
pub(crate) fn built(kept: &str) -> Vec<String> {
    let target = |path: &str| path.split('/').any(|part| part == "target");
    kept.lines().filter(|path| target(path)).map(|path| format!("{path}: is no source")).collect()
}

pub(crate) fn marks(sources: &Sources) -> Vec<String> {
    // Put together here, or this file would be the first to fail.
    const WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    const CODE: &[&str] = &[concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];
    let written = |path: &str| [".rs", ".sh", ".toml", ".md", ".5", ".8"].iter().any(|end| path.ends_with(end));
    let mut faults = Vec::new();
    for (path, text) in sources.iter().filter(|(path, _)| written(path)) {
        let code = if path.ends_with(".rs") { code(text) } else { String::new() };
        let marks = WORDS.iter().flat_map(|word| words(text, word).map(move |at| (*word, line_of(text, at))));
        let macros = CODE.iter().flat_map(|mark| code.match_indices(mark).map(|(at, _)| (*mark, line_of(&code, at))));
        faults.extend(marks.chain(macros).map(|(mark, line)| format!("{path}:{line}: {mark}")));
    }
    faults
}

pub(crate) fn machine(sources: &Sources) -> Vec<String> {
    const NAMES: &[&str] = &[
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/."),
        concat!("deb.debian", ".org"),
        concat!("security.debian", ".org"),
        concat!("snapshot.debian", ".org"),
        concat!("pypi", ".org"),
        concat!("pythonhosted", ".org"),
        concat!("npmjs", ".org"),
        concat!("index.crates", ".io"),
        concat!("static.crates", ".io"),
        concat!("artifac", "tory"),
    ];
    let mut faults = Vec::new();
    for (path, text) in sources.iter() {
        for name in NAMES {
            faults
                .extend(text.match_indices(name).map(|(at, _)| format!("{path}:{}: names {name}", line_of(text, at))));
        }
    }
    faults
}

pub(crate) fn first_line(sources: &Sources) -> Vec<String> {
    let room = |path: &str| path.starts_with("crates/") && path.contains("/src/") && !path.ends_with("/tests.rs");
    sources
        .rust()
        .filter(|(path, text)| room(path) && text.strip_prefix("//! ").is_none_or(|job| job.trim_start().is_empty()))
        .map(|(path, _)| format!("{path}: the first line does not say its job (`//! ...`)"))
        .collect()
}

/// `.It Ic key`, for each field of Spec and Mount.
pub(crate) fn keys(sources: &Sources) -> Vec<String> {
    let Some(page) = sources.get("man/thinjail.toml.5") else {
        return vec!["the man page of profiles is not where it was".into()];
    };
    let described: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".It Ic ")).collect();
    let keys = crate::keys::names(sources);
    if keys.is_empty() {
        return vec!["crates/plan/src/spec.rs: no fields found".into()];
    }
    let missing = keys.iter().filter(|key| !described.contains(&key.as_str()));
    missing.map(|key| format!("man/thinjail.toml.5: no entry `.It Ic {key}`")).collect()
}

pub(crate) fn lints(sources: &Sources) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in sources.iter().filter(|(path, _)| path.ends_with("/Cargo.toml")) {
        // sys is where unsafe lives: it has lints of its own, with what makes unsafe bearable.
        let wanted: &[&str] = match path {
            "crates/sys/Cargo.toml" => &[
                "undocumented_unsafe_blocks = \"deny\"",
                "multiple_unsafe_ops_per_block = \"deny\"",
                "unsafe_op_in_unsafe_fn = \"deny\"",
            ],
            _ => &["[lints]\nworkspace = true"],
        };
        faults
            .extend(wanted.iter().filter(|lint| !text.contains(**lint)).map(|lint| format!("{path}: lacks {lint:?}")));
    }
    faults
}
