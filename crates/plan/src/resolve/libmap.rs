//! The jail's own libmap.conf: where the host's has another library in the place of one that is asked for, FreeBSD's loader
//! must read the same inside.

use thinjail_closure::closure::Closure;
use thinjail_closure::hints::libmap;

use super::inside::{Entry, Inside, Node, Origin};
use super::problem::Problem;
use crate::path::RootPath;
use crate::step::Content;

/// The lines that had an effect on these programs.
#[derive(Clone, Debug, Default)]
pub(super) struct LibMap {
    maps: Vec<(String, String, String)>,
}

impl LibMap {
    pub(super) fn learn(&mut self, closure: &Closure) {
        for map in &closure.maps {
            let map = (map.by.clone(), map.from.clone(), map.to.clone());
            if !self.maps.contains(&map) {
                self.maps.push(map);
            }
        }
    }

    /// Puts it into place, if there is anything in it.
    pub(super) fn put(&self, inside: &mut Inside) -> Result<(), Problem> {
        if self.maps.is_empty() {
            return Ok(());
        }
        let bytes = libmap::write(&self.maps).into_bytes();
        let node = Node::File { content: Content::Bytes(bytes), mode: 0o444, uid: 0, gid: 0 };
        let why = "the loader inside takes the same libraries for others as outside";
        inside.put(RootPath::fixed(libmap::PATH), Entry::new(node, Origin::Usual, why))
    }
}
