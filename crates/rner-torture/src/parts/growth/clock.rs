//! How long work takes, whatever else the machine does.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

use super::Work;

/// The least processor time of some runs, in seconds, of all threads together: what others do on the machine lengthens
/// the time on the wall, and only little that of the processor.
pub(super) fn seconds(work: &mut Work, runs: usize) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..runs.max(1) {
        let begun = used();
        black_box(work());
        least = least.min(used() - begun);
    }
    least
}

/// Processor time of this process, in seconds.
fn used() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}
