//! `cargo xtask deny`: the dependencies against deny.toml.
//!
//! The file is cargo-deny's own, and its words mean what they mean there. cargo-deny itself takes longer to build than all
//! of our crates; the part of it that needs no network is this page.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::command;
use crate::error::{Context, Result};
use crate::workspace::Workspace;

/// The parts of deny.toml that are enforced; an unknown key is an error, or it would only seem to be enforced.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    multiple_versions: Level,
    wildcards: Level,
    /// A crate of ours names its sisters by path alone.
    allow_wildcard_paths: bool,
    deny: Vec<Named>,
    skip: Vec<Named>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    unknown_registry: Level,
    unknown_git: Level,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Level {
    Deny,
    Allow,
}

/// What `cargo metadata` says, as far as the rules go.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// None for our own.
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    req: String,
    path: Option<String>,
}

/// Prints each fault; whether there was none.
pub(crate) fn deny(workspace: &Workspace) -> Result<bool> {
    let rules: Rules = toml::from_str(&workspace.read("deny.toml")?).context(|| "read deny.toml".into())?;
    let json = command::output(&mut workspace.cargo(&["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Metadata = serde_json::from_str(&json).context(|| "read cargo metadata".into())?;
    let faults = faults(&rules, &metadata);
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("{} packages, {} faults", metadata.packages.len(), faults.len());
    Ok(faults.is_empty())
}

fn faults(rules: &Rules, metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &metadata.packages {
        let name = format!("{} {}", package.name, package.version);
        versions.entry(&package.name).or_default().push(&package.version);
        match &package.license {
            None => faults.push(format!("{name}: names no licence")),
            Some(license) if !allowed(license, &rules.licenses.allow) => {
                faults.push(format!("{name}: licence {license} is not allowed"));
            }
            Some(_) => {}
        }
        if let Some(banned) = rules.bans.deny.iter().find(|banned| banned.name == package.name) {
            faults.push(format!("{name}: banned: {}", banned.reason));
        }
        faults.extend(source_fault(&rules.sources, package).map(|fault| format!("{name}: {fault}")));
        if package.source.is_none() && rules.bans.wildcards == Level::Deny {
            let wild = package
                .dependencies
                .iter()
                .filter(|need| need.req == "*" && !(rules.bans.allow_wildcard_paths && need.path.is_some()));
            faults.extend(wild.map(|need| format!("{name}: depends on any version of {}", need.name)));
        }
    }
    if rules.bans.multiple_versions == Level::Deny {
        for (name, versions) in versions {
            if versions.len() > 1 && !rules.bans.skip.iter().any(|skip| skip.name == name) {
                faults.push(format!("{name}: several versions: {}", versions.join(", ")));
            }
        }
    }
    faults
}

fn source_fault(sources: &Sources, package: &Package) -> Option<String> {
    let source = package.source.as_deref()?;
    let level = if source.starts_with("git+") {
        sources.unknown_git
    } else if source == "registry+https://github.com/rust-lang/crates.io-index" {
        Level::Allow
    } else {
        sources.unknown_registry
    };
    (level == Level::Deny).then(|| format!("comes from {source}"))
}

/// An SPDX expression is satisfied: AND needs both sides, OR one, WITH is one name together with its licence. The old
/// `MIT/Apache-2.0` means OR.
fn allowed(expression: &str, allow: &[String]) -> bool {
    let text = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest, allow) && rest.is_empty()
}

fn either(rest: &mut &[&str], allow: &[String]) -> bool {
    let mut met = both(rest, allow);
    while let ["OR", tail @ ..] = *rest {
        *rest = tail;
        met |= both(rest, allow);
    }
    met
}

fn both(rest: &mut &[&str], allow: &[String]) -> bool {
    let mut met = one(rest, allow);
    while let ["AND", tail @ ..] = *rest {
        *rest = tail;
        met &= one(rest, allow);
    }
    met
}

fn one(rest: &mut &[&str], allow: &[String]) -> bool {
    match *rest {
        ["(", tail @ ..] => {
            *rest = tail;
            let met = either(rest, allow);
            let [")", tail @ ..] = *rest else { return false };
            *rest = tail;
            met
        }
        [license, "WITH", exception, tail @ ..] => {
            *rest = tail;
            allow.contains(&format!("{license} WITH {exception}"))
        }
        [license, tail @ ..] => {
            *rest = tail;
            allow.iter().any(|name| name == license)
        }
        [] => false,
    }
}

#[cfg(test)]
#[path = "deny/tests.rs"]
mod tests;
