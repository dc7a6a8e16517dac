//! Times the steps of a run.

use std::time::{Duration, Instant};

/// Times steps, leaving out what happens between them.
pub(crate) struct Clock {
    started: Instant,
    last: Duration,
    busy: Duration,
    steps: u32,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            last: Duration::ZERO,
            busy: Duration::ZERO,
            steps: 0,
        }
    }
}

impl Clock {
    /// Begins to time a step.
    pub(crate) fn start_step(&mut self) {
        self.started = Instant::now();
    }

    /// Ends it.
    pub(crate) fn end_step(&mut self) {
        self.last = self.started.elapsed();
        self.busy += self.last;
        self.steps += 1;
    }

    /// Seconds that the last step took.
    pub(crate) fn last(&self) -> f64 {
        self.last.as_secs_f64()
    }

    /// Seconds that `remaining` steps take at the mean pace so far.
    pub(crate) fn eta(&self, remaining: usize) -> f64 {
        remaining as f64 * self.busy.as_secs_f64() / f64::from(self.steps.max(1))
    }
}
