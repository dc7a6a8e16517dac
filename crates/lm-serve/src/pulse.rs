//! Whether the thread with the weights is alive, for those who ask beside it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// After so long without a step, the thread counts as stuck.
const STUCK: Duration = Duration::from_secs(30);

/// The last sign of life of the thread with the weights.
#[derive(Debug)]
pub(crate) struct Pulse {
    start: Instant,
    /// Milliseconds from the start to the last step, plus 1; 0 while there is nothing to do.
    last: AtomicU64,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// A step begins.
    pub(crate) fn beat(&self) {
        self.last.store(self.now() + 1, Ordering::Relaxed);
    }

    /// There is nothing to do.
    pub(crate) fn rest(&self) {
        self.last.store(0, Ordering::Relaxed);
    }

    /// For how long the thread has been at one step, if that is too long.
    pub(crate) fn stuck(&self) -> Option<Duration> {
        let last = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        let silent = Duration::from_millis(self.now().saturating_sub(last));
        (silent >= STUCK).then_some(silent)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_step_that_lasts_is_stuck() {
        let pulse = Pulse {
            start: Instant::now() - 2 * STUCK,
            last: AtomicU64::new(0),
        };
        assert_eq!(pulse.stuck(), None);
        pulse.beat();
        assert_eq!(pulse.stuck(), None);
        pulse.last.store(1, Ordering::Relaxed);
        assert!(pulse.stuck().is_some_and(|silent| silent >= 2 * STUCK));
        pulse.rest();
        assert_eq!(pulse.stuck(), None);
    }
}
