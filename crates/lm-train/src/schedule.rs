//! The learning rate as a function of the step: linear warm-up, then a decay to a floor.

use serde::{Deserialize, Serialize};

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Half a cosine from the peak to the floor.
    #[default]
    Cosine,
    /// A straight line from the peak to the floor.
    Linear,
    /// The peak until the end.
    Constant,
}

/// A learning-rate schedule over a known number of steps.
///
/// For step `s` counted from 0, warm-up length `w` and `n` steps in all:
///
/// - `s < w`: `peak · (s + 1) / w`, so that no step is wasted at a rate of 0;
/// - after it, with `p = (s − w) / (n − w)`, `peak · (r + (1 − r) · d(p))`, where `r` is the floor as a
///   share of the peak and `d(p)` is `(1 + cos πp) / 2`, `1 − p` or `1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    kind: ScheduleKind,
    peak: f64,
    warmup_steps: usize,
    total_steps: usize,
    min_ratio: f64,
}

impl Schedule {
    /// A schedule with a warm-up of `ceil(warmup_ratio · total_steps)` steps, as in transformers.
    ///
    /// `min_ratio` is the floor divided by the peak.
    pub fn new(
        kind: ScheduleKind,
        peak: f64,
        warmup_ratio: f64,
        min_ratio: f64,
        total_steps: usize,
    ) -> Self {
        let warmup_steps = (warmup_ratio * total_steps as f64).ceil() as usize;
        Self {
            kind,
            peak,
            warmup_steps: warmup_steps.min(total_steps),
            total_steps,
            min_ratio,
        }
    }

    /// The learning rate of `step`, counted from 0. Steps past the end keep the last rate's floor.
    pub fn lr(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        self.peak * (self.min_ratio + (1.0 - self.min_ratio) * self.decay(step))
    }

    /// How many steps the schedule covers.
    pub fn total_steps(&self) -> usize {
        self.total_steps
    }

    /// `d(p)` of the type's documentation: 1 at the end of the warm-up, 0 at the end of the run.
    fn decay(&self, step: usize) -> f64 {
        let length = (self.total_steps - self.warmup_steps).max(1) as f64;
        let progress = ((step - self.warmup_steps) as f64 / length).min(1.0);
        match self.kind {
            ScheduleKind::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            ScheduleKind::Linear => 1.0 - progress,
            ScheduleKind::Constant => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(kind: ScheduleKind, warmup_ratio: f64, min_ratio: f64) -> Vec<f64> {
        let schedule = Schedule::new(kind, 8.0, warmup_ratio, min_ratio, 6);
        (0..8).map(|step| schedule.lr(step)).collect()
    }

    #[track_caller]
    fn check(found: Vec<f64>, expected: [f64; 8]) {
        let close = found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close, "{found:?} is not {expected:?}");
    }

    #[test]
    fn linear_reaches_the_floor_and_stays_there() {
        check(
            rates(ScheduleKind::Linear, 1.0 / 3.0, 0.0),
            [4.0, 8.0, 8.0, 6.0, 4.0, 2.0, 0.0, 0.0],
        );
        check(
            rates(ScheduleKind::Linear, 1.0 / 3.0, 0.5),
            [4.0, 8.0, 8.0, 7.0, 6.0, 5.0, 4.0, 4.0],
        );
    }

    #[test]
    fn cosine_is_half_way_at_half_time() {
        let found = rates(ScheduleKind::Cosine, 1.0 / 3.0, 0.0);
        let quarter = 4.0 * (1.0 + std::f64::consts::FRAC_1_SQRT_2);
        check(
            found,
            [4.0, 8.0, 8.0, quarter, 4.0, 8.0 - quarter, 0.0, 0.0],
        );
    }

    #[test]
    fn constant_needs_no_warm_up() {
        check(rates(ScheduleKind::Constant, 0.0, 0.0), [8.0; 8]);
    }

    #[test]
    fn warm_up_may_fill_the_run() {
        let schedule = Schedule::new(ScheduleKind::Cosine, 1.0, 1.0, 0.0, 2);
        assert_eq!(
            [schedule.lr(0), schedule.lr(1), schedule.lr(2)],
            [0.5, 1.0, 1.0]
        );
    }
}
