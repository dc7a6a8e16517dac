//! Sharing loops between threads.
//!
//! Work is cut at places that depend on the shapes only, so results do not depend on the number of threads.

use rayon::prelude::*;

/// Element visits below which a loop stays on the calling thread.
const PARALLEL_WORK: usize = 1 << 15;

/// Parts into which the tasks of one thread are cut at least, if there are as many.
const BATCHES_PER_THREAD: usize = 4;

/// Runs `f` on every chunk of `out` with the chunk's number; `work` is the number of elements that all chunks together
/// visit.
pub(super) fn for_chunks<T: Send>(
    out: &mut [T],
    chunk: usize,
    work: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    let chunk = chunk.max(1);
    if work < PARALLEL_WORK {
        out.chunks_mut(chunk)
            .enumerate()
            .for_each(|(i, out)| f(i, out));
    } else {
        out.par_chunks_mut(chunk)
            .enumerate()
            .for_each(|(i, out)| f(i, out));
    }
}

/// [`for_chunks`] over two outputs at once; `a` and `b` are cut into as many chunks, which visit `work` elements
/// together.
pub(super) fn for_chunks2<T: Send, U: Send>(
    work: usize,
    (a, chunk_a): (&mut [T], usize),
    (b, chunk_b): (&mut [U], usize),
    f: impl Fn(usize, &mut [T], &mut [U]) + Send + Sync,
) {
    let (chunk_a, chunk_b) = (chunk_a.max(1), chunk_b.max(1));
    if work < PARALLEL_WORK {
        let pairs = a.chunks_mut(chunk_a).zip(b.chunks_mut(chunk_b));
        pairs.enumerate().for_each(|(i, (a, b))| f(i, a, b));
    } else {
        let pairs = a.par_chunks_mut(chunk_a).zip(b.par_chunks_mut(chunk_b));
        pairs.enumerate().for_each(|(i, (a, b))| f(i, a, b));
    }
}

/// Runs `f` on every task, in parallel when their `work` in element visits deserves it.
pub(super) fn for_tasks<T: Send>(tasks: Vec<T>, work: usize, f: impl Fn(T) + Send + Sync) {
    if tasks.len() < 2 || work < PARALLEL_WORK {
        tasks.into_iter().for_each(f);
    } else {
        // Dispatching costs as much as a small task, and tasks differ in size: a few batches for each thread.
        let together = (tasks.len() / (BATCHES_PER_THREAD * rayon::current_num_threads())).max(1);
        tasks.into_par_iter().with_max_len(together).for_each(f);
    }
}
