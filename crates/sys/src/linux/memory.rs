//! Giving memory back: a supervisor waits for days and needs next to nothing meanwhile.

use std::ffi::{c_int, c_void};

extern "C" fn forget(info: *mut libc::dl_phdr_info, _size: usize, _data: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr(3) passes a pointer to its own structure, which lives through the call.
    let info = unsafe { &*info };
    // SAFETY: `dlpi_phdr` points to `dlpi_phnum` program headers of a mapped object.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    const PAGE: u64 = 4096;
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        // Whole pages only: the edges may share a page with what is written to.
        let start = (info.dlpi_addr + header.p_vaddr).next_multiple_of(PAGE);
        let end = (info.dlpi_addr + header.p_vaddr + header.p_memsz) / PAGE * PAGE;
        if end > start {
            // SAFETY: the range lies in a private file mapping that is not writable, so each page holds what the file holds
            // and comes back from there when it is touched; the file of a running program can't be written (ETXTBSY).
            unsafe { libc::madvise(start as *mut c_void, (end - start) as usize, libc::MADV_DONTNEED) };
        }
    }
    // The first object is the program; with others, whose files may be replaced in place, we don't meddle.
    1
}

/// `madvise(text and constants, MADV_DONTNEED)` and `malloc_trim(0)`: the pages that only the start needed go back to the
/// system. What is needed after all is read from the page cache again.
///
/// madvise(2), malloc_trim(3), dl_iterate_phdr(3).
pub fn give_back() {
    // SAFETY: the callback keeps nothing of what it is passed.
    unsafe { libc::dl_iterate_phdr(Some(forget), std::ptr::null_mut()) };
    trim();
}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: takes no memory of ours and only gives back what is free.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}
