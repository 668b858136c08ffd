//! Everything that is refused: each rule by its name, with the text and the help that a user sees.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../world/mod.rs"]
mod world;

mod devices;
mod freebsd;
mod identity;
mod links;
mod pidfile;
mod program;
mod runtime;
mod service;
mod sources;
mod targets;
mod unprivileged;
mod unsupervised;
mod words;

use thinjail_closure::tree::Kind;
use thinjail_plan::facts::ProgramFact;
use thinjail_plan::resolve::Class;
use thinjail_plan::spec::Spec;
use world::World;

const WWW: &str = "user = \"www-data\"\n";

fn www(profile: &str) -> String {
    format!("{WWW}{profile}")
}

/// The one problem of a profile for `www-data` on an ordinary Debian.
fn problem(profile: &str) -> (String, String) {
    World::linux().problem(&www(profile))
}

fn what(profile: &str) -> String {
    problem(profile).0
}
