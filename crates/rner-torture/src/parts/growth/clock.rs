//! The time that a thread spends on the processor.

use std::hint::black_box;
use std::time::Instant;

use super::Work;

/// The least time of some runs, in seconds: what others do on the machine only makes runs longer.
pub(super) fn seconds(work: &mut Work, runs: usize) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..runs.max(1) {
        let (begun, spent) = (Instant::now(), on_processor());
        black_box(work());
        let spent = on_processor()
            .zip(spent)
            .map(|(after, before)| after - before);
        least = least.min(spent.unwrap_or_else(|| begun.elapsed().as_secs_f64()));
    }
    least
}

/// Seconds that this thread has run, where the system says.
fn on_processor() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    (nanoseconds > 0.0).then_some(nanoseconds / 1e9)
}
