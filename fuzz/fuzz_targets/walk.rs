//! The whole walk, in a system that the input describes: it asks for no path outside of the tree, ends,
//! and tells of files that are there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thinjail_closure::closure::{Finder, Objects};
use thinjail_closure::tree::{Kind, Tree};
use thinjail_fuzz::{Input, Watched, World, bounded};

fuzz_target!(|data: &[u8]| {
    let World { tree, request, system } = World::of(&mut Input(data));
    let watched = Watched(&tree);
    bounded(data.len(), 1 << 20, 2048, || {
        let finders = [
            Finder::new(&watched, system.clone(), Objects::default()),
            Finder::without_links(&watched, system.clone()),
        ];
        let found = finders.map(|mut finder| finder.find(&request).ok());
        for member in found.iter().flatten().flat_map(|closure| &closure.members) {
            let meta = tree.lstat(&member.resolved.real);
            assert!(meta.is_ok_and(|meta| meta.id == member.resolved.meta.id && meta.kind == Kind::File));
        }
        let [told, untold] =
            found.map(|closure| closure.map(|closure| closure.members.into_iter().map(|m| m.path).collect::<Vec<_>>()));
        assert_eq!(told, untold);
    });
});
