//! What the process's allocator does with freed memory.

/// Makes the allocator keep freed memory for the next allocation. A program calls it once, before its first tensor; a library
/// leaves it to its program.
///
/// The GNU C library asks the system for every large block and gives it back when it is freed. A training step frees and asks
/// for the same blocks over and over, and the system clears every page of each anew. With other C libraries and on other
/// systems this does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` only changes parameters of the allocator, under its own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}
