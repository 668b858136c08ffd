//! The heap of a build with musl, whose own is made to be small: each allocation searches, and much of a start is allocations.
//!
//! dlmalloc takes 64 KiB of the system at a time and uses again what was freed; from 2 MiB that are free at its end it gives
//! back. So a supervisor keeps what its start needed, a fifth of a MiB, and no more than that however long it lives.
//!
//! Its own lock is a mutex of libc, and of all that `thinjail ldd` does a twentieth. Nobody waits for a lock where there is one
//! thread, so this one has no more than what keeps it sound with several.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::Dlmalloc;

/// The heap; a `#[global_allocator]`.
pub struct Heap {
    taken: AtomicBool,
    inner: UnsafeCell<Dlmalloc>,
}

// SAFETY: `inner` is reached in `with` alone, by one thread at a time, and a Dlmalloc does not care by which one.
unsafe impl Sync for Heap {}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Heap")
    }
}

impl Heap {
    /// One with nothing in it.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a static is made by a const function, which Default has not")]
    pub const fn new() -> Self {
        Self { taken: AtomicBool::new(false), inner: UnsafeCell::new(Dlmalloc::new()) }
    }

    /// Calls with the inner heap. `call` asks for no memory of this heap, and does not panic: dlmalloc does neither.
    fn with<T>(&self, call: impl FnOnce(&mut Dlmalloc) -> T) -> T {
        while self.taken.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        // SAFETY: whoever finds `taken` not taken is the only one here until it says so below.
        let inner = unsafe { &mut *self.inner.get() };
        let done = call(inner);
        self.taken.store(false, Ordering::Release);
        done
    }
}

// SAFETY: each function hands its own contract on to dlmalloc, which has the same. In line they would make the program a sixth
// larger, and each start touch more of it.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        self.with(|inner| unsafe { inner.malloc(layout.size(), layout.align()) })
    }

    #[inline(never)]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller got `ptr` here, for this layout.
        self.with(|inner| unsafe { inner.free(ptr, layout.size(), layout.align()) });
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        self.with(|inner| unsafe { inner.calloc(layout.size(), layout.align()) })
    }

    #[inline(never)]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller got `ptr` here, for this layout, and the new size is not too large.
        self.with(|inner| unsafe { inner.realloc(ptr, layout.size(), layout.align(), new_size) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Memory of the heap, filled with one byte.
    struct Block<'h>(&'h Heap, *mut u8, Layout, u8);

    impl<'h> Block<'h> {
        fn new(heap: &'h Heap, size: usize, mark: u8) -> Self {
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: the size is not 0.
            let at = unsafe { heap.alloc(layout) };
            assert!(!at.is_null());
            // SAFETY: so many bytes were just given.
            unsafe { at.write_bytes(mark, size) };
            Self(heap, at, layout, mark)
        }

        fn is_whole(&self) -> bool {
            // SAFETY: it was filled in `new`, and is freed in `drop`.
            unsafe { std::slice::from_raw_parts(self.1, self.2.size()) }.iter().all(|&byte| byte == self.3)
        }
    }

    impl Drop for Block<'_> {
        fn drop(&mut self) {
            // SAFETY: it was allocated in `new` with this layout.
            unsafe { self.0.dealloc(self.1, self.2) };
        }
    }

    #[test]
    fn what_one_thread_has_no_other_one_gets() {
        static HEAP: Heap = Heap::new();
        let work = |mark: u8| {
            let mut blocks: Vec<Block<'_>> = Vec::new();
            for turn in 0..20_000usize {
                blocks.push(Block::new(&HEAP, 1 + turn * 37 % 900, mark));
                if blocks.len() > 40 {
                    assert!(blocks.swap_remove(turn % 40).is_whole(), "by {mark}, in turn {turn}");
                }
            }
            assert!(blocks.iter().all(Block::is_whole), "by {mark}");
        };
        std::thread::scope(|scope| (1..=4).for_each(|mark| drop(scope.spawn(move || work(mark)))));
    }
}
