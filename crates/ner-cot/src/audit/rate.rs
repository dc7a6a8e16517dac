//! A share with its interval.

use serde::Serialize;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// All.
    pub of: usize,
    /// Those that count.
    pub hits: usize,
}

impl Rate {
    pub(super) fn add(&mut self, hit: bool) {
        self.of += 1;
        self.hits += usize::from(hit);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.of += other.of;
        self.hits += other.hits;
    }

    /// The share, from 0 to 1; 0 of none.
    pub fn share(self) -> f64 {
        self.hits as f64 / self.of.max(1) as f64
    }

    /// Wilson's interval at 95 % (Wilson 1927): from 0 to 1 if there is nothing.
    pub fn interval(self) -> (f64, f64) {
        /// The 97.5 % quantile of the normal distribution.
        const Z: f64 = 1.959_963_984_540_054;
        if self.of == 0 {
            return (0.0, 1.0);
        }
        let (n, p) = (self.of as f64, self.share());
        let scale = 1.0 + Z * Z / n;
        let centre = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        ((centre - half).max(0.0), (centre + half).min(1.0))
    }
}
