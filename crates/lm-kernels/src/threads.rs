//! Which threads compute.

/// Makes the calling thread one of those that share the work of the CPU kernels. A program calls it once, in the thread
/// that computes, before its first tensor; a library leaves it to its program.
///
/// A thread outside the pool dispatches every operation to it and sleeps until it is done, which for the small
/// operations of a decode step takes longer than the operation. With one thread only nothing changes: other threads
/// that compute would wait for this one, and it perhaps for them. Other backends than Flex have threads of their own.
pub fn compute_in_this_thread() {
    #[cfg(feature = "flex")]
    if let threads @ 2.. = threads() {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .use_current_thread();
        // It fails if the pool is there already, which then stays as it is.
        let _ = pool.build_global();
    }
}

/// As many as the pool would have by itself.
#[cfg(feature = "flex")]
fn threads() -> usize {
    let wanted = std::env::var("RAYON_NUM_THREADS").ok();
    let wanted = wanted.and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}
