//! The jail's own ld.so.cache. The loader repeats its search inside; what the host's cache told it must be told there too,
//! and nothing else of the host.

use thinjail_closure::closure::{CacheMark, Closure, How, Role};
use thinjail_closure::hints::ld_so_cache;

use super::inside::{Entry, Inside, Node, Origin};
use super::problem::{Problem, Report};
use crate::path::RootPath;
use crate::step::Content;

/// Libraries for the cache, as the closures name them.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    mark: Option<CacheMark>,
    libraries: Vec<(String, String)>,
}

impl Cache {
    /// Takes in what the loader found by its cache or in its own directories. What was found by a path of the program's
    /// own is found by it again, and another program may want another file of that name.
    pub(super) fn learn(&mut self, program: &str, closure: &Closure, report: &mut Report) {
        let Some(mark) = closure.cache else { return };
        if *self.mark.get_or_insert(mark) != mark {
            report.note(format!(
                "{program} is of another machine than the main program: the jail's ld.so.cache has no libraries for it"
            ));
            return;
        }
        for member in closure.members.iter().filter(|member| member.role == Role::Library && !member.name.contains('/'))
        {
            let by_search = matches!(member.how, How::Cache | How::Default | How::Implied | How::Dlopen | How::Preload);
            if let (true, Some(path)) = (by_search, member.path.to_str()) {
                self.libraries.push((member.name.clone(), path.into()));
            }
        }
    }

    /// Puts it into place, if there is anything in it.
    pub(super) fn put(&self, inside: &mut Inside) -> Result<(), Problem> {
        let Some(mark) = self.mark.filter(|_| !self.libraries.is_empty()) else { return Ok(()) };
        let bytes = ld_so_cache::write(&self.libraries, mark.flags, mark.big_endian);
        let node = Node::File { content: Content::Bytes(bytes), mode: 0o444, uid: 0, gid: 0 };
        let why = "the loader inside finds these programs' libraries by it, and no others";
        inside.put(RootPath::fixed(ld_so_cache::PATH), Entry::new(node, Origin::Usual, why))
    }
}
