//! Notes that default bodies leave on their thread when they run, so that [`bodies`](crate::bodies()) can tell them
//! from a backend's own kernels.

use std::cell::Cell;

thread_local! {
    static DEFAULT_BODIES: Cell<u64> = const { Cell::new(0) };
}

/// Notes that a default body runs.
pub(crate) fn default_body_runs() {
    DEFAULT_BODIES.set(DEFAULT_BODIES.get() + 1);
}

/// How many default bodies ran on this thread so far.
pub(crate) fn default_bodies_run() -> u64 {
    DEFAULT_BODIES.get()
}
