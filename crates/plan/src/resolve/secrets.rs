//! `secrets`: a file that only root can read on the host, copied to its place inside for the user that runs and nobody else.

use thinjail_closure::tree::Kind;

use super::identity::Who;
use super::inside::{Entry, Inside, Node, Origin};
use super::links::{self, Writable};
use super::problem::Problem;
use crate::facts::{Facts, PathFact};
use crate::path::HostPath;
use crate::step::{Content, Source};

/// Keys and passwords are short; what is larger is data, and belongs into a mount.
const MOST: u64 = 1 << 20;

/// Only its owner reads it, and nobody writes it.
const MODE: u32 = 0o400;

/// Puts one of them into place.
pub(super) fn place(
    written: &str,
    (who, writable): (&Who, &Writable),
    facts: &Facts,
    inside: &mut Inside,
) -> Result<(), Problem> {
    let said = format!("secrets = {written:?}");
    let path = HostPath::new(written).map_err(|error| {
        Problem::setup(format!("{said}: {error}")).help("write it from the root on, beginning with a /, without `..`")
    })?;
    let found = match facts.paths.get(&path) {
        Some(PathFact::Found(found)) => found,
        Some(PathFact::Missing { at, .. }) => {
            return Err(Problem::setup(format!("{said}: {at} does not exist")).help("make it, or take it out"));
        }
        Some(PathFact::Refused { why }) => return Err(Problem::setup(format!("{said}: {why}"))),
        None => {
            return Err(Problem::setup(format!("{said}: the facts say nothing of {path}"))
                .help("gather the facts again with this profile"));
        }
    };
    links::judge(&said, found, facts.caller)?;
    writable.judge(&said, found)?;
    let real = HostPath::from_path(&found.real).map_err(|error| Problem::setup(format!("{said}: {error}")))?;
    if ["/proc", "/sys", "/dev"].iter().any(|dir| real.below(&HostPath::fixed(dir)).is_some()) {
        return Err(
            Problem::setup(format!("{said}: {real} is the kernel's, and no file of root's")).help("take it out")
        );
    }
    if found.meta.kind != Kind::File {
        return Err(Problem::setup(format!("{said}: {real} is no regular file")).help("name each file by itself"));
    }
    if found.meta.size > MOST {
        return Err(Problem::setup(format!("{said}: {real} has more than 1 MiB")).help("name it in read = [...]"));
    }
    let at = real.inside();
    let source = Source { path: real, id: Some(found.meta.id), kind: Kind::File };
    let node = Node::File { content: Content::Copy(source), mode: MODE, uid: who.ids.uid, gid: who.ids.gid };
    inside.bring(written, found, at, Entry::new(node, Origin::Written, said).asked(&path).bytes(found.meta.size))
}
