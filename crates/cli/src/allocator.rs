//! The heap of a build with musl, whose own is made to be small: each allocation searches, and much of a start is allocations.
//!
//! This one takes 64 KiB of the system at a time and uses again what was freed; from 2 MiB that are free at its end it gives
//! back. So a supervisor keeps what its start needed, a fifth of a MiB, and no more than that however long it lives.

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static HEAP: GlobalDlmalloc = GlobalDlmalloc;
