//! Weights for an engine that computes other probabilities than the trainer.

use crate::choices::EngineCorrection;
use crate::ratio::clamped_exp;

/// A correction with its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EngineWeight {
    /// What is done.
    pub correction: EngineCorrection,
    /// Greatest weight, positive.
    pub cap: f64,
    /// Least weight, below the greatest.
    pub floor: Option<f64>,
}

impl EngineWeight {
    /// The weights of the tokens of one completion, from their log-ratios `log π_old − log π_engine`. See
    /// [`EngineCorrection`].
    pub fn of_tokens(self, log_ratios: &[f64]) -> Vec<f64> {
        match self.correction {
            EngineCorrection::None => vec![1.0; log_ratios.len()],
            _ if self.correction.is_of_sequences() => {
                let weight = self.bounded(engine_ratio(log_ratios.iter().sum()));
                vec![weight; log_ratios.len()]
            }
            _ => self.distinct(log_ratios),
        }
    }

    /// The different ones of these weights: one for each token, or one for the completion. Without a correction, what
    /// they would be without bounds.
    pub(crate) fn distinct(self, log_ratios: &[f64]) -> Vec<f64> {
        if self.correction.is_of_sequences() {
            vec![self.bounded(engine_ratio(log_ratios.iter().sum()))]
        } else {
            let weight = |&log_ratio: &f64| self.bounded(engine_ratio(log_ratio));
            log_ratios.iter().map(weight).collect()
        }
    }

    /// Not by `min` and `max`, which would turn NaN into a weight.
    fn bounded(self, ratio: f64) -> f64 {
        let floor = self.floor.unwrap_or(0.0);
        let bound = if ratio > self.cap {
            self.cap
        } else if ratio < floor {
            floor
        } else {
            return ratio;
        };
        match self.correction {
            EngineCorrection::None => ratio,
            EngineCorrection::Truncate | EngineCorrection::SequenceTruncate => bound,
            EngineCorrection::Mask | EngineCorrection::SequenceMask => 0.0,
        }
    }
}

/// How much more probable something sampled is to the trainer than to the engine.
fn engine_ratio(log_ratio: f64) -> f64 {
    clamped_exp(log_ratio).0
}
