//! Symbolic links below a directory that lead out of it, and below the directories that they lead to.
//!
//! A link is judged before its end is looked at, and a directory before it is entered: what the program or a stranger may write to
//! would else choose what is inside, and how long we look.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use thinjail_closure::tree::{FileId, Kind, Resolver};
use thinjail_plan::facts::{LinkFact, LinksAsked, LinksFact, LinksLimit, PathFact};
use thinjail_plan::path::HostPath;
use thinjail_plan::resolve::SYSTEM;

use super::paths::{path, why};

/// Names looked at below one directory, and links listed, at most: whoever names /usr is told so, and waits for nothing.
const MOST_NAMES: usize = 50_000;
const MOST_LINKS: usize = 2_000;

const PROGRAM: &str = "the program may write there";
const OTHERS: &str = "a user other than root could point it elsewhere";

/// Those of each directory that is one.
pub(super) fn look(resolver: &mut Resolver<'_>, asked: &LinksAsked, caller: u32) -> BTreeMap<HostPath, LinksFact> {
    let mut writable = BTreeSet::new();
    for place in &asked.write {
        writable.extend(resolver.resolve(place.as_ref()).map(|found| found.meta.id));
    }
    let mut all = BTreeMap::new();
    for directory in &asked.read {
        let Ok(found) = resolver.resolve(directory.as_ref()) else { continue };
        if found.meta.kind == Kind::Directory {
            let look = Look {
                law: Law { writable: &writable, caller },
                follow: asked.follow,
                inside: vec![found.real.clone()],
                pending: VecDeque::from([found.real]),
                most: (MOST_NAMES, MOST_LINKS),
                fit: 0,
                found: LinksFact::default(),
            };
            all.insert(directory.clone(), look.at(resolver));
        }
    }
    all
}

/// What they lead to, which is asked for by the path that they say.
pub(super) fn ends(all: &BTreeMap<HostPath, LinksFact>) -> BTreeSet<HostPath> {
    let links = all.values().flat_map(|fact| &fact.links);
    links.filter(|link| matches!(link.way, PathFact::Found(_))).map(|link| link.to.clone()).collect()
}

/// Where links are believed.
struct Law<'w> {
    /// Places that the program may write to, whatever their names.
    writable: &'w BTreeSet<FileId>,
    caller: u32,
}

impl Law<'_> {
    /// Whether it is a place that the program may write to, or stands in one. `real` has no link in it.
    fn is_programs(&self, resolver: &mut Resolver<'_>, real: &Path) -> bool {
        real.ancestors().any(|above| resolver.resolve(above).is_ok_and(|found| self.writable.contains(&found.meta.id)))
    }

    /// Why a directory is not entered.
    fn closed(&self, resolver: &mut Resolver<'_>, real: &Path) -> Option<&'static str> {
        let Ok(found) = resolver.resolve(real) else { return Some("it can't be looked at") };
        if self.is_programs(resolver, real) {
            return Some(PROGRAM);
        }
        let trusted = found.meta.uid == 0 || found.meta.uid == self.caller;
        // Also with the sticky bit, which keeps nobody from making links there.
        let open = !trusted || found.meta.mode & 0o022 != 0;
        (open || resolver.is_loose(real).unwrap_or(true)).then_some("a user other than root may write there")
    }

    /// Why what a link says is not followed. `to` is not followed by the kernel, so that nothing is asked of where it must not go.
    fn unfit(&self, resolver: &mut Resolver<'_>, at: &Path, to: &Path) -> Option<&'static str> {
        let Ok(own) = resolver.tree().lstat(at) else { return Some("it can't be looked at") };
        if !(own.uid == 0 || own.uid == self.caller) {
            return Some(OTHERS);
        }
        // What is missing is told by who resolves it for good.
        let found = resolver.resolve(to).ok()?;
        if found.links.iter().any(|link| link.loose || !(link.uid == 0 || link.uid == self.caller)) {
            return Some(OTHERS);
        }
        let mut ways = found.links.iter().filter_map(|link| link.at.parent()).chain([found.real.as_path()]);
        if ways.any(|way| self.is_programs(resolver, way)) {
            return Some(PROGRAM);
        }
        resolver.is_loose(&found.real).unwrap_or(true).then_some(OTHERS)
    }
}

struct Look<'w> {
    law: Law<'w>,
    follow: bool,
    /// Directories that are inside with all that is below them.
    inside: Vec<PathBuf>,
    pending: VecDeque<PathBuf>,
    /// How many names, and links.
    most: (usize, usize),
    /// Links that are followed, which count.
    fit: usize,
    found: LinksFact,
}

impl Look<'_> {
    fn at(mut self, resolver: &mut Resolver<'_>) -> LinksFact {
        let mut names = 0;
        while let Some(directory) = self.pending.pop_front() {
            let Ok(here) = HostPath::from_path(&directory) else { continue };
            if let Some(why) = self.law.closed(resolver, &directory) {
                self.found.closed.insert(here, why.into());
                continue;
            }
            // What can't be listed has no links that we could know of; whether the program may read it is another matter.
            let Ok(entries) = resolver.tree().entries(&directory) else { continue };
            for (name, kind) in entries {
                names += 1;
                if names > self.most.0 {
                    self.found.limit = Some(LinksLimit::Names(self.most.0, here));
                    return self.found;
                }
                match kind {
                    Kind::Directory => self.pending.push_back(directory.join(name)),
                    Kind::Symlink => self.link(resolver, &directory, &name),
                    _ => {}
                }
                if self.fit > self.most.1 {
                    self.found.limit = Some(LinksLimit::Links(self.most.1, here));
                    return self.found;
                }
            }
        }
        self.found
    }

    fn link(&mut self, resolver: &mut Resolver<'_>, directory: &Path, name: &OsStr) {
        let at = directory.join(name);
        let Ok(said) = resolver.tree().readlink(&at) else { return };
        let to = plain(&directory.join(said));
        let is_inside = |path: &Path| self.inside.iter().any(|inside| path.starts_with(inside));
        // Another link in here may follow, which is looked at by itself.
        if is_inside(&to) || SYSTEM.iter().any(|own| to.starts_with(own)) {
            return;
        }
        // One that has no UTF-8 can't stand in a plan.
        let (Ok(link), Ok(end)) = (HostPath::from_path(&at), HostPath::from_path(&to)) else { return };
        if let Some(why) = self.law.unfit(resolver, &at, &to) {
            self.found.links.push(LinkFact { at: link, to: end, way: PathFact::Refused { why: why.into() } });
            return;
        }
        let way = match (path(resolver, &link), resolver.resolve(&to)) {
            (PathFact::Found(way), Ok(found)) if way.real != found.real => {
                PathFact::Refused { why: format!("{end} is not where it leads: there is a link before the `..` in it") }
            }
            (PathFact::Found(way), Err(error)) => {
                PathFact::Refused { why: format!("it leads to {}: {}", way.real.display(), why(&error)) }
            }
            (way, _) => way,
        };
        if let PathFact::Found(found) = &way {
            self.fit += 1;
            let root = found.real.as_os_str() == "/" || SYSTEM.iter().any(|own| found.real.starts_with(own));
            if self.follow && found.meta.kind == Kind::Directory && !root && !is_inside(&found.real) {
                self.inside.push(found.real.clone());
                self.pending.push_back(found.real.clone());
            }
        }
        self.found.links.push(LinkFact { at: link, to: end, way });
    }
}

/// Without `.` and `..`, by the letters alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use thinjail_closure::tree::{MemTree, Tree};

    use super::*;

    fn links(tree: &MemTree, directory: &str) -> Vec<String> {
        let mut resolver = Resolver::new(tree, 0);
        let directory = HostPath::new(directory).unwrap();
        let asked = LinksAsked { read: BTreeSet::from([directory.clone()]), follow: true, ..LinksAsked::default() };
        let all = look(&mut resolver, &asked, 0);
        all[&directory].links.iter().map(|link| format!("{} {}", link.at, link.to)).collect()
    }

    #[test]
    fn those_that_lead_out_are_listed_also_of_directories_that_they_lead_to() {
        let mut tree = MemTree::new();
        tree.file("/etc/app/own", b"").file("/usr/share/app/a.conf", b"").file("/srv/else", b"");
        tree.link("/etc/app/enabled/a.conf", "../../../usr/share/app/a.conf");
        tree.link("/etc/app/more", "/usr/share/app").link("/usr/share/app/last", "/srv/else");
        tree.link("/etc/app/within", "own").link("/etc/app/gone", "/nowhere").link("/etc/app/round", "round");
        let found = links(&tree, "/etc/app");
        let wanted = [
            "/etc/app/gone /nowhere",
            "/etc/app/more /usr/share/app",
            "/etc/app/enabled/a.conf /usr/share/app/a.conf",
            "/usr/share/app/last /srv/else",
        ];
        assert_eq!(found.iter().filter(|link| wanted.contains(&link.as_str())).count(), found.len(), "{found:?}");
        assert!(found.contains(&wanted[3].to_owned()), "{found:?}");
    }

    #[test]
    fn directories_that_lead_to_one_another_end() {
        let mut tree = MemTree::new();
        tree.directory("/a").directory("/b").link("/a/b", "/b").link("/b/a", "/a");
        assert_eq!(links(&tree, "/a"), ["/a/b /b"]);
    }

    /// What was found, by the link and the reason if it is not followed, then directories that were not entered.
    fn found(tree: &MemTree, write: &[&str], most: (usize, usize)) -> (Vec<String>, Vec<String>, Option<LinksLimit>) {
        let mut resolver = Resolver::new(tree, 0);
        let ids = write.iter().map(|path| resolver.resolve(Path::new(path)).unwrap().meta.id);
        let writable: BTreeSet<FileId> = ids.collect();
        let look = Look {
            law: Law { writable: &writable, caller: 0 },
            follow: true,
            inside: vec!["/a".into()],
            pending: VecDeque::from(["/a".into()]),
            most,
            fit: 0,
            found: LinksFact::default(),
        };
        let LinksFact { links, closed, limit } = look.at(&mut resolver);
        let link = |LinkFact { at, way, .. }: &LinkFact| match way {
            PathFact::Refused { why } => format!("{at}: {why}"),
            _ => format!("{at}"),
        };
        (links.iter().map(link).collect(), closed.into_iter().map(|(at, why)| format!("{at}: {why}")).collect(), limit)
    }

    const MANY: (usize, usize) = (100, 100);

    #[test]
    fn where_the_program_may_write_no_link_is_read_by_whatever_name() {
        let mut tree = MemTree::new();
        tree.file("/etc/key", b"").link("/a/data/key", "/etc/key").link("/a/own", "/srv/w/key");
        tree.link("/srv/w/key", "/etc/key")
            .link("/a/all", "/srv/w")
            .link("/a/way", "/srv/w/sub/x")
            .file("/srv/w/sub/x", b"");
        // The same directory mounted at a second place.
        let same = tree.lstat(Path::new("/srv/w")).unwrap().id;
        tree.directory("/a/again").link("/a/again/key", "/etc/key").set("/a/again", |meta| meta.id = same);
        let (links, closed, _) = found(&tree, &["/a/data", "/srv/w"], MANY);
        let why = "the program may write there";
        assert_eq!(links, [format!("/a/all: {why}"), format!("/a/own: {why}"), format!("/a/way: {why}")]);
        assert_eq!(closed, [format!("/a/again: {why}"), format!("/a/data: {why}")]);
    }

    #[test]
    fn where_strangers_may_write_no_link_is_read() {
        let mut tree = MemTree::new();
        tree.file("/etc/key", b"");
        for (name, uid, mode) in [("own", 1000, 0o755), ("group", 0, 0o775), ("sticky", 0, 0o1777), ("fit", 0, 0o755)] {
            tree.link(format!("/a/{name}/key"), "/etc/key");
            tree.set(format!("/a/{name}"), |meta| (meta.uid, meta.mode) = (uid, mode));
        }
        // Also at the end of a link of root's, and on its way; and the link itself.
        for home in ["/home/x", "/home/y"] {
            tree.link(format!("{home}/key"), "/etc/key").set(home, |meta| meta.uid = 1000);
        }
        tree.link("/a/end", "/home/x").link("/a/way", "/home/y/key").link("/a/theirs", "/etc/key");
        tree.set("/a/theirs", |meta| meta.uid = 1000);
        let (links, closed, _) = found(&tree, &[], MANY);
        let why = "a user other than root";
        let point = format!("{why} could point it elsewhere");
        assert_eq!(
            links,
            ["/a/end".into(), format!("/a/theirs: {point}"), format!("/a/way: {point}"), "/a/fit/key".into()]
        );
        let places = ["/a/group", "/a/own", "/a/sticky", "/home/x"];
        assert_eq!(closed, places.map(|at| format!("{at}: {why} may write there")));
    }

    #[test]
    fn only_links_that_are_followed_count() {
        let mut tree = MemTree::new();
        tree.file("/etc/key", b"").link("/a/z", "/etc/key");
        for name in 0..5 {
            tree.link(format!("/a/{name}"), "/etc/key").set(format!("/a/{name}"), |meta| meta.uid = 1000);
        }
        assert_eq!(found(&tree, &[], (6, 1)).2, None);
        let here = || HostPath::new("/a").unwrap();
        assert_eq!(found(&tree, &[], (5, 1)).2, Some(LinksLimit::Names(5, here())));
        tree.link("/a/y", "/etc/key");
        assert_eq!(found(&tree, &[], (7, 1)).2, Some(LinksLimit::Links(1, here())));
    }

    #[test]
    fn what_is_the_kernels_is_not_looked_into() {
        let mut tree = MemTree::new();
        tree.link("/a/proc", "/proc/1").link("/a/null", "/dev/null").link("/a/sys", "/sys").file("/sys/x", b"");
        tree.directory("/proc/1").special("/dev/null", Kind::CharDevice).link("/a/root", "/").link("/b", "/etc/x");
        assert_eq!(found(&tree, &[], MANY), (vec!["/a/root".into()], vec![], None));
    }
}
