//! Every path that will be inside, so that a walk of the tree from inside can be held against the plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thinjail_closure::tree::Kind;

use crate::path::RootPath;
use crate::plan::Plan;
use crate::step::{Planned, Step};

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// A directory of ours.
    Dir,
    /// A file of ours.
    File,
    /// A symbolic link of ours.
    Symlink {
        /// What it says.
        to: String,
    },
    /// A directory of the host, with all that is in it.
    MountedDir,
    /// A file or socket of the host.
    MountedFile,
    /// An empty file system in memory that the jail may write to.
    Tmpfs,
    /// A device.
    Device,
    /// A devfs, whose rules say what is in it.
    Devfs,
    /// A socket of ours.
    Socket,
    /// proc(5).
    Proc,
}

impl Plan {
    /// All steps that put something inside, in order.
    pub fn placing(&self) -> impl Iterator<Item = &Planned> {
        self.host.iter().chain(&self.inside).filter(|planned| planned.step.at().is_some())
    }

    /// Every path inside but those within a mounted directory, a devfs or proc(5).
    #[must_use]
    pub fn paths(&self) -> BTreeMap<RootPath, PathKind> {
        let mut paths = BTreeMap::new();
        for planned in self.placing() {
            step_paths(&planned.step, &mut paths);
        }
        paths
    }
}

fn step_paths(step: &Step, paths: &mut BTreeMap<RootPath, PathKind>) {
    let (at, kind) = match step {
        Step::MakeHostDir { .. } | Step::MakeCgroup { .. } | Step::Allow { .. } | Step::Confine(_) => return,
        Step::MakeDir { at, .. } => (at, PathKind::Dir),
        Step::PutFile { at, .. } | Step::Socket { at } => (at, PathKind::File),
        Step::Symlink { at, to } => (at, PathKind::Symlink { to: to.clone() }),
        Step::Bind { at, source, .. } => {
            let kind = match source.kind {
                Kind::Directory => PathKind::MountedDir,
                Kind::CharDevice => PathKind::Device,
                _ => PathKind::MountedFile,
            };
            (at, kind)
        }
        Step::Tmpfs { at, .. } if at.as_str() == "/" => (at, PathKind::Dir),
        Step::Tmpfs { at, .. } => (at, PathKind::Tmpfs),
        Step::Proc { at, .. } => (at, PathKind::Proc),
        Step::Devices { at, devfs: Some(_), .. } => (at, PathKind::Devfs),
        Step::LogSocket { at, .. } => (at, PathKind::Socket),
        Step::Devices { at, nodes, links, devfs: None } => {
            let nodes = nodes.iter().filter_map(|node| at.join(node.path.name()?).ok());
            paths.extend(nodes.map(|node| (node, PathKind::Device)));
            let links = links.iter().filter_map(|(name, to)| Some((at.join(name).ok()?, to.clone())));
            paths.extend(links.map(|(link, to)| (link, PathKind::Symlink { to })));
            (at, PathKind::Dir)
        }
    };
    paths.insert(at.clone(), kind);
}

impl Step {
    /// The place inside, if it has one.
    #[must_use]
    pub fn at(&self) -> Option<&RootPath> {
        match self {
            Self::MakeHostDir { .. } | Self::MakeCgroup { .. } | Self::Allow { .. } | Self::Confine(_) => None,
            Self::MakeDir { at, .. }
            | Self::PutFile { at, .. }
            | Self::Socket { at }
            | Self::Symlink { at, .. }
            | Self::Bind { at, .. }
            | Self::Tmpfs { at, .. }
            | Self::Devices { at, .. }
            | Self::LogSocket { at, .. }
            | Self::Proc { at, .. } => Some(at),
        }
    }
}
