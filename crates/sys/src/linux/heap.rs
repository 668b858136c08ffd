//! The heap of a build with musl, whose own is made to be small: each allocation searches, and much of a start is allocations.
//!
//! dlmalloc takes 64 KiB of the system at a time and uses again what was freed; from 2 MiB that are free at its end it gives
//! back. So a supervisor keeps what its start needed, a fifth of a MiB, and no more than that however long it lives.
//!
//! Its own lock is a mutex of libc, and of all that `thinjail ldd` does a twentieth. Nobody waits for a lock where there is one
//! thread, so this one has no more than what keeps it sound with several.
//!
//! Of a start's thousand blocks all but a few are small. Those are cut from larger ones, by size, and kept for the next of their
//! size once they are free: to search for each a place that fits, and to join it with its neighbours after that, took a thirtieth
//! of a start. What was small once is never large again, so that a supervisor keeps of each size as many as it ever had at once.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::{self, null_mut};
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

    /// A small block of a class, cut from a piece that this thread has.
    #[cold]
    #[inline(never)]
    fn cut(&self, class: usize, bins: &mut Bins) -> *mut u8 {
        let size = (class + 1) * GRAIN;
        if bins.left < size {
            // SAFETY: the size is not 0, and the alignment a power of two.
            let piece = self.with(|inner| unsafe { inner.malloc(PIECE, GRAIN) });
            if piece.is_null() {
                return piece;
            }
            if bins.left > 0 {
                // What is left of the one before is a block of a smaller class.
                let (rest, class) = (bins.piece, bins.left / GRAIN - 1);
                // SAFETY: `left` bytes from `piece` on are ours and used by nobody, and as many as its class has.
                unsafe { bins.put(rest, class) };
            }
            (bins.piece, bins.left) = (piece, PIECE);
        }
        let block = bins.piece;
        // SAFETY: at least `size` bytes are left from here on.
        bins.piece = unsafe { block.add(size) };
        bins.left -= size;
        block
    }
}

/// Small blocks are multiples of this, and lie at multiples of it.
const GRAIN: usize = 16;

/// How many sizes of small blocks there are: up to 512 bytes.
const CLASSES: usize = 32;

/// As much is asked of the inner heap to be cut into small blocks.
const PIECE: usize = 8 << 10;

/// The small blocks of a thread that are free, and what is still to be cut.
struct Bins {
    /// Of each class the one that was freed last; each begins with the address of the one before it.
    free: [*mut u8; CLASSES],
    /// Where the rest of a piece begins.
    piece: *mut u8,
    /// How many bytes that has, a multiple of [`GRAIN`].
    left: usize,
}

thread_local! {
    // Without a destructor, so that it costs no registration and can be reached as long as the thread lives.
    static BINS: UnsafeCell<Bins> =
        const { UnsafeCell::new(Bins { free: [null_mut(); CLASSES], piece: null_mut(), left: 0 }) };
}

impl Bins {
    /// Calls with those of this thread. `call` asks for no memory but the inner heap's, and does not panic.
    fn with<T>(call: impl FnOnce(&mut Self) -> T) -> T {
        // SAFETY: no other thread reaches them, and `call` comes here no second time.
        BINS.with(|bins| call(unsafe { &mut *bins.get() }))
    }

    /// A free block of a class.
    fn get(&mut self, class: usize) -> Option<*mut u8> {
        let block = self.free[class];
        if block.is_null() {
            return None;
        }
        // SAFETY: a block in a list is free, begins with a pointer that `put` wrote, and is aligned for one.
        self.free[class] = unsafe { block.cast::<*mut u8>().read() };
        Some(block)
    }

    /// Keeps a block that is free.
    ///
    /// # Safety
    /// `block` lies at a multiple of [`GRAIN`], has at least as many bytes as its class, and nobody uses it.
    unsafe fn put(&mut self, block: *mut u8, class: usize) {
        // SAFETY: the caller's word; a pointer fits into the smallest class.
        unsafe { block.cast::<*mut u8>().write(self.free[class]) };
        self.free[class] = block;
    }
}

/// Which small blocks a layout is served with, if with any.
const fn class(layout: Layout) -> Option<usize> {
    let size = layout.size();
    if size == 0 || size > CLASSES * GRAIN || layout.align() > GRAIN { None } else { Some((size - 1) / GRAIN) }
}

// SAFETY: a layout of a class gets a block that is at least as large and aligned, that nobody else has until it is given back
// with the same layout, and that is never given back to the inner heap; by whichever thread that is done, its bins keep it. For
// every other layout each function hands its own contract on to dlmalloc, which has the same. In line they would make the
// program a sixth larger, and each start touch more of it.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some(class) => Bins::with(|bins| bins.get(class).unwrap_or_else(|| self.cut(class, bins))),
            // SAFETY: the caller's layout.
            None => self.with(|inner| unsafe { inner.malloc(layout.size(), layout.align()) }),
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        match class(layout) {
            // SAFETY: the caller got `ptr` here, for this layout, and uses it no more.
            Some(class) => Bins::with(|bins| unsafe { bins.put(ptr, class) }),
            // SAFETY: the caller got `ptr` here, for this layout.
            None => self.with(|inner| unsafe { inner.free(ptr, layout.size(), layout.align()) }),
        }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if class(layout).is_none() {
            // SAFETY: the caller's layout.
            return self.with(|inner| unsafe { inner.calloc(layout.size(), layout.align()) });
        }
        // SAFETY: the caller's layout.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: so many bytes were just given.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    #[inline(never)]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's: the new size is not too large, and the alignment is the one of a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (class(layout), class(wanted)) {
            // SAFETY: the caller got `ptr` here, for this layout, and the new size is not too large.
            (None, None) => self.with(|inner| unsafe { inner.realloc(ptr, layout.size(), layout.align(), new_size) }),
            (old, new) if old == new => ptr,
            _ => {
                // SAFETY: the new size is not 0.
                let block = unsafe { self.alloc(wanted) };
                if !block.is_null() {
                    // SAFETY: both have that many bytes, and no two blocks that are in use share any.
                    unsafe { ptr::copy_nonoverlapping(ptr, block, layout.size().min(new_size)) };
                    // SAFETY: the caller got `ptr` here, for this layout.
                    unsafe { self.dealloc(ptr, layout) };
                }
                block
            }
        }
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
    fn a_block_keeps_its_content_whatever_size_it_is_given() {
        static HEAP: Heap = Heap::new();
        let sizes = [1, 15, 16, 17, 31, 32, 33, 500, 511, 512, 513, 600, 4096, 70_000];
        for align in [1, 8, 16, 64] {
            for from in sizes {
                for to in sizes {
                    let layout = Layout::from_size_align(from, align).unwrap();
                    // SAFETY: the sizes are not 0.
                    let block = unsafe { HEAP.alloc_zeroed(layout) };
                    assert!(block.addr().is_multiple_of(align));
                    // SAFETY: so many bytes were just given.
                    let bytes = unsafe { std::slice::from_raw_parts_mut(block, from) };
                    assert!(bytes.iter().all(|byte| *byte == 0), "{from}");
                    bytes.fill(7);
                    // SAFETY: it was given for this layout; the old slice is used no more.
                    let block = unsafe { HEAP.realloc(block, layout, to) };
                    assert!(block.addr().is_multiple_of(align));
                    // SAFETY: so many bytes were just given, and those of the old block are written.
                    let bytes = unsafe { std::slice::from_raw_parts_mut(block, from.min(to)) };
                    assert!(bytes.iter().all(|byte| *byte == 7), "{from} to {to}");
                    // SAFETY: so many bytes were just given.
                    unsafe { block.write_bytes(9, to) };
                    // SAFETY: it was given for this size and alignment.
                    unsafe { HEAP.dealloc(block, Layout::from_size_align(to, align).unwrap()) };
                }
            }
        }
    }

    #[test]
    fn what_is_free_is_used_again() {
        static HEAP: Heap = Heap::new();
        let at = |size| {
            let block = Block::new(&HEAP, size, 1);
            block.1.addr()
        };
        let first = at(100);
        // Of one class, and so in one place.
        assert!((97..=112).all(|size| at(size) == first));
        assert_ne!(at(96), first);
        assert_ne!(at(113), first);
        // The rest of a piece is cut smaller once it does not suffice: no two blocks share a byte.
        let blocks: Vec<_> =
            (0..4000_usize).map(|turn| Block::new(&HEAP, 1 + turn * 53 % 512, turn.to_le_bytes()[0])).collect();
        assert!(blocks.iter().all(Block::is_whole));
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
