//! The tree as text, once as the plan says it and once as the probe saw it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

use thinjail_closure::tree::{FileId, Kind};
use thinjail_plan::plan::Plan;
use thinjail_plan::step::{Access, Content, Source, Step};
use thinjail_tests::walk::{Entry, Mount, walk};

/// Path by path what the plan says of a name, or what the probe saw of it.
pub type Listing = BTreeMap<String, String>;

/// How a plan says what a name is.
#[derive(Default)]
struct Said {
    mode: Option<(u32, u32, u32)>,
    to: Option<String>,
    content: Option<Vec<u8>>,
    id: Option<FileId>,
    device: Option<u64>,
    mount: Option<Mount>,
}

impl Said {
    fn line(&self, kind: Kind) -> String {
        let mut line = format!("{kind:?}");
        if let Some((mode, uid, gid)) = self.mode {
            line += &format!(" {mode:o} {uid}:{gid}");
        }
        if let Some(to) = &self.to {
            line += &format!(" -> {to}");
        }
        if let Some(content) = &self.content {
            line += &format!(" {:?}", String::from_utf8_lossy(content));
        }
        if let Some(FileId { dev, ino }) = self.id {
            line += &format!(" #{dev}:{ino}");
        }
        if let Some(device) = self.device {
            line += &format!(" device {device:#x}");
        }
        if let Some(mount) = &self.mount {
            let Access { write, exec, dev } = mount.access;
            let words =
                [(!write, "ro"), (!mount.suid, "nosuid"), (!dev, "nodev"), (!exec, "noexec"), (mount.proc, "proc")];
            let words: Vec<_> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
            line += &format!(" mounted {}", words.join(","));
        }
        line
    }
}

fn mounted(access: Access) -> Option<Mount> {
    Some(Mount { access, suid: false, proc: false })
}

/// Everything that the plan puts inside. A directory of the host stands for all that it holds now.
pub fn planned(plan: &Plan) -> Listing {
    let mut listing = Listing::new();
    let steps = plan.inside.iter().map(|planned| &planned.step);
    let mut put = |at: &str, kind: Kind, said: Said| listing.insert(at.to_owned(), said.line(kind));
    for step in steps {
        match step {
            Step::MakeDir { at, mode, uid, gid } => {
                put(at.as_str(), Kind::Directory, Said { mode: Some((*mode, *uid, *gid)), ..Said::default() });
            }
            Step::Socket { at } => {
                put(at.as_str(), Kind::Socket, Said { mode: Some((0o666, 0, 0)), ..Said::default() });
            }
            Step::PutFile { at, content, mode, uid, gid } => {
                let content = match content {
                    Content::Text(text) => text.clone().into_bytes(),
                    Content::Bytes(bytes) => bytes.clone(),
                    Content::Copy(source) => fs::read(&source.path).unwrap(),
                };
                let said = Said { mode: Some((*mode, *uid, *gid)), content: Some(content), ..Said::default() };
                put(at.as_str(), Kind::File, said);
            }
            Step::Symlink { at, to } => {
                put(at.as_str(), Kind::Symlink, Said { to: Some(to.clone()), ..Said::default() });
            }
            Step::Bind { source, at, access } => {
                let said = Said { id: source.id, mount: mounted(*access), ..Said::default() };
                put(at.as_str(), source.kind, said);
                for below in below(source) {
                    let path = format!("{at}{}", below.path);
                    put(&path, below.kind, of_the_host(&below));
                }
            }
            Step::Tmpfs { at, mode, uid, gid, access, .. } => {
                let said = Said { mode: Some((*mode, *uid, *gid)), mount: mounted(*access), ..Said::default() };
                put(at.as_str(), Kind::Directory, said);
            }
            Step::Devices { at, nodes, links, .. } => {
                // A mount of its own with nodes of its own, which are the host's devices.
                let access = Access { write: false, exec: false, dev: true };
                let said = Said { mode: Some((0o755, 0, 0)), mount: mounted(access), ..Said::default() };
                put(at.as_str(), Kind::Directory, said);
                for node in nodes {
                    let host = fs::symlink_metadata(&node.path).unwrap();
                    let mode = Some((host.mode() & 0o7777, host.uid(), host.gid()));
                    let said = Said { mode, device: Some(host.rdev()), ..Said::default() };
                    put(&format!("{at}/{}", node.path.name().unwrap()), node.kind, said);
                }
                for (name, to) in links {
                    put(&format!("{at}/{name}"), Kind::Symlink, Said { to: Some(to.clone()), ..Said::default() });
                }
            }
            Step::Proc { at, .. } => {
                let mount = Mount { access: Access::default(), suid: false, proc: true };
                put(at.as_str(), Kind::Directory, Said { mount: Some(mount), ..Said::default() });
            }
            Step::Confine(_) => {}
            Step::MakeHostDir { .. } | Step::MakeCgroup { .. } | Step::Allow { .. } | Step::LogSocket { .. } => {
                panic!("a step of the host is inside: {step:?}")
            }
        }
    }
    listing
}

/// What the host's directory holds, below it; nothing if it is no directory.
fn below(source: &Source) -> Vec<Entry> {
    let all = if source.kind == Kind::Directory { walk(source.path.as_ref()).unwrap() } else { Vec::new() };
    all.into_iter().filter(|entry| entry.path != "/").collect()
}

fn of_the_host(entry: &Entry) -> Said {
    Said { id: Some(entry.id), to: entry.to.clone(), ..Said::default() }
}

/// What the probe saw, each name told by as much as the plan tells of it.
pub fn seen(entries: &[Entry], plan: &Plan) -> Listing {
    let step = |at: &str| {
        let mut steps = plan.inside.iter().map(|planned| &planned.step);
        steps.find(|step| step.at().is_some_and(|place| place.as_str() == at))
    };
    let device_link = |entry: &Entry| entry.kind == Kind::Symlink && entry.path.starts_with("/dev/");
    let said = |entry: &Entry| {
        let mode = Some((entry.mode, entry.uid, entry.gid));
        let (to, mount) = (entry.to.clone(), entry.mount);
        match step(&entry.path) {
            Some(Step::MakeDir { .. } | Step::Devices { .. } | Step::Tmpfs { .. }) => {
                Said { mode, mount, ..Said::default() }
            }
            Some(Step::PutFile { .. }) => Said { mode, mount, content: entry.content.clone(), ..Said::default() },
            Some(Step::Symlink { .. }) => Said { to, mount, ..Said::default() },
            Some(Step::Proc { .. }) => Said { mount, ..Said::default() },
            None if entry.kind == Kind::CharDevice && entry.path.starts_with("/dev/") => {
                Said { mode, mount, device: Some(entry.device), ..Said::default() }
            }
            None if device_link(entry) => Said { to, mount, ..Said::default() },
            _ => Said { mount, ..of_the_host(entry) },
        }
    };
    entries.iter().map(|entry| (entry.path.clone(), said(entry).line(entry.kind))).collect()
}

#[track_caller]
pub fn assert_equal(planned: &Listing, seen: &Listing) {
    let paths: BTreeSet<_> = planned.keys().chain(seen.keys()).collect();
    let differences: Vec<_> = paths
        .into_iter()
        .filter(|path| planned.get(*path) != seen.get(*path))
        .map(|path| format!("{path}\n  planned: {:?}\n  seen:    {:?}", planned.get(path), seen.get(path)))
        .collect();
    assert!(differences.is_empty(), "inside is not the plan:\n{}", differences.join("\n"));
}

pub fn parse(lines: &str) -> Vec<Entry> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
