//! Every key of a profile has its tests: the list `tests/keys.txt` against the keys and the tests that there are.

use std::collections::BTreeMap;

use crate::code::code;
use crate::sources::Sources;

const LIST: &str = "tests/keys.txt";

/// The keys: the fields of Spec and Mount.
pub(crate) fn names(sources: &Sources) -> Vec<String> {
    let Some(spec) = sources.get("crates/plan/src/spec.rs") else { return Vec::new() };
    let code = code(spec);
    let fields = ["pub struct Spec {", "pub struct Mount {"].iter().flat_map(|start| {
        let body = code.split_once(start).map_or("", |(_, body)| body.split('}').next().unwrap_or_default());
        body.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':')).map(|(name, _)| name)
    });
    fields.map(|field| field.trim_start_matches("r#").replace('_', "-")).collect()
}

/// A key without a line, a line without a key, and a line that names no test of that key.
pub(crate) fn untested(sources: &Sources) -> Vec<String> {
    let Some(list) = sources.get(LIST) else { return vec![format!("{LIST} is not there")] };
    let keys = names(sources);
    let mut listed = BTreeMap::new();
    let mut faults = Vec::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [key, effect, error] = words[..] else {
            faults.push(format!("{LIST}: {line:?} is not a key, the test of its effect and the test of its error"));
            continue;
        };
        if !keys.iter().any(|known| known == key) {
            faults.push(format!("{LIST}: there is no key {key}"));
        }
        for test in [effect, error] {
            faults.extend(fault(sources, key, test).map(|why| format!("{LIST}: {key}: {test} {why}")));
        }
        if listed.insert(key, ()).is_some() {
            faults.push(format!("{LIST}: {key} is there twice"));
        }
    }
    let missing = keys.iter().filter(|key| !listed.contains_key(key.as_str()));
    faults.extend(
        missing.map(|key| format!("{LIST}: no line for {key}: name a test of its effect and one of its error")),
    );
    faults.sort();
    faults.dedup();
    faults
}

/// What is wrong with a name `file::test`.
fn fault(sources: &Sources, key: &str, test: &str) -> Option<String> {
    let Some((file, name)) = test.split_once("::") else { return Some("is no file::test".into()) };
    let Some(text) = sources.get(file) else { return Some("names no file".into()) };
    let head = format!("fn {name}()");
    let Some(at) = text.find(&head) else { return Some("names no test in it".into()) };
    if !text[..at].trim_end().ends_with(']') {
        return Some("is no test".into());
    }
    let body = &text[at + head.len()..];
    let body = &body[..body.find("\n}\n").unwrap_or(body.len())];
    let said = body.contains(key) || body.contains(&key.replace('-', "_"));
    (!said).then(|| "does not name the key".into())
}
