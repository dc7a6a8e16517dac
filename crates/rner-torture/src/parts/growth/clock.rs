//! How long work takes when nothing else is in its way.

use std::hint::black_box;
use std::time::Instant;

use super::Work;

/// The least time of some runs, in seconds: what others do on the machine only makes runs longer. A run of a
/// few milliseconds is shorter than the turn that the system gives to a thread, so some runs are undisturbed.
pub(super) fn seconds(work: &mut Work, runs: usize) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..runs.max(1) {
        let begun = Instant::now();
        black_box(work());
        least = least.min(begun.elapsed().as_secs_f64());
    }
    least
}
