//! The heap of a build with musl; thinjail_sys says why.

#[global_allocator]
static HEAP: thinjail_sys::linux::heap::Heap = thinjail_sys::linux::heap::Heap::new();
