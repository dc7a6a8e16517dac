//! What the process's allocator does with its memory.

/// Makes the allocator keep freed memory for the next allocation. A program calls it once, before its first tensor; a
/// library leaves it to its program.
///
/// The GNU C library asks the system for every large block and gives it back when it is freed. A training step frees
/// and asks for the same blocks over and over, and the system clears every page of each anew. With other C libraries
/// and on other systems this does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` only changes parameters of the allocator, under its own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        // Minus one is documented to mean that nothing is ever given back.
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

/// Asks the system to back the first 8 GiB of the heap by huge pages, where it has them and leaves the choice to
/// programs, as most do. A program calls it after [`keep_freed_memory`], without which large blocks are not part of the
/// heap.
///
/// The weights and the caches of a small model are thousands of pages of 4 kB, more than the TLB of a processor holds.
/// Only address space is reserved; where the system refuses that, nothing happens.
pub fn use_huge_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
    {
        const HEAP: usize = 1 << 33;
        const PAGE: usize = 1 << 21;
        // SAFETY: the range that is advised on lies inside of the block, from its first whole page on. The advice
        // changes no value, and the block, which nothing was written to, is what the heap will grow into.
        unsafe {
            let block = libc::malloc(HEAP);
            if !block.is_null() {
                let first = block.byte_add(block.align_offset(PAGE));
                libc::madvise(first, HEAP - PAGE, libc::MADV_HUGEPAGE);
                libc::free(block);
            }
        }
    }
}

/// Gives memory that was freed back to the system, once: after a model was narrowed, say, which [`keep_freed_memory`]
/// would keep as large as it was.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the allocator locks itself, and no memory in use is touched.
    unsafe {
        libc::malloc_trim(0);
    }
}
