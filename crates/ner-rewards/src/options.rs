//! Which rewards count, and how much.

use ner_types::ReadMode;
use serde::{Deserialize, Serialize};

/// How much each of the paper's rewards counts in the total.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RewardWeights {
    /// Weight of the F1, 10 in the paper.
    pub f1: f64,
    /// Weight of the schema reward, 1 in the paper.
    pub schema: f64,
}

impl Default for RewardWeights {
    fn default() -> Self {
        RewardWeights {
            f1: 10.0,
            schema: 1.0,
        }
    }
}

/// Weights of rewards that the paper does not have; 0, the default, switches one off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtraWeights {
    /// Weight of the length reward, see [`LengthLimit`].
    pub length: f64,
    /// Weight of the format reward: 1 if the completion is one closed, non-empty reasoning block followed by the JSON
    /// object and nothing else, and the reader finds no problem; else 0.
    pub format: f64,
    /// Weight of the grounding reward: the share of the distinct predicted texts that stand in the sentence, literally
    /// or after Unicode normalisation. Without predictions it is 1 if a readable answer is rightly empty, else 0;
    /// without a sentence it is 0.
    pub grounding: f64,
}

/// From which length on a completion is punished.
///
/// The soft punishment of overlong answers of DAPO (Yu et al. 2025, arXiv 2503.14476, equation 13): 0 up to `free`,
/// then falling linearly to -1 at `max`. Lengths are characters of the whole completion, since this crate knows no
/// tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LengthLimit {
    /// Characters that cost nothing.
    pub free: usize,
    /// Characters at which the punishment is complete.
    pub max: usize,
}

impl Default for LengthLimit {
    /// About 3,072 and 4,096 tokens of English, at four characters each.
    fn default() -> Self {
        LengthLimit {
            free: 12_288,
            max: 16_384,
        }
    }
}

impl LengthLimit {
    /// The reward for so many characters, in [-1, 0].
    pub fn value(&self, n_chars: usize) -> f64 {
        if n_chars <= self.free {
            0.0
        } else if n_chars >= self.max {
            -1.0
        } else {
            -((n_chars - self.free) as f64) / (self.max - self.free) as f64
        }
    }
}

/// Everything that decides a reward. The default is the paper's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RewardOptions {
    /// Weights of the paper's two rewards.
    pub weights: RewardWeights,
    /// Weights of further rewards.
    pub extra: ExtraWeights,
    /// Limits of the length reward.
    pub length_limit: LengthLimit,
    /// How the answer is read; the paper's way by default.
    pub read: ReadMode,
    /// Whether an empty answer of the right shape earns an F1 of 1 where there is nothing to find. In the paper it
    /// earns 0, and a sentence without entities cannot teach the F1 anything.
    pub reward_empty: bool,
    /// Whether the schema reward is only for `{"entities": {label: [text]}}`. In the paper any JSON value earns it.
    pub require_shape: bool,
}

impl From<RewardWeights> for RewardOptions {
    fn from(weights: RewardWeights) -> Self {
        RewardOptions {
            weights,
            ..RewardOptions::default()
        }
    }
}
