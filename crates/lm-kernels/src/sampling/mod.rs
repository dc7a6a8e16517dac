//! How a token is chosen from a row of logits: repetition penalty, temperature, top-k, top-p and min-p, in this order,
//! which is that of `transformers`.
//!
//! [`Sampler`] does it in plain code for one row on the host, in single or double precision.
//! [`ops::sample`](crate::ops::sample) does it for a batch where the logits lie; every backend draws the same tokens
//! from the same logits and uniform numbers, but for roundings at the border between two tokens.

mod real;
mod sampler;
#[cfg(test)]
mod tests;

pub use real::Real;
pub use sampler::{Draw, Sampler, probabilities};

/// The distribution that a token is drawn from.
///
/// Each of top-k, top-p and min-p looks at what the one before it has left. At temperature 0 only the penalty acts,
/// because the most probable token survives every cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingParams {
    /// Divides the logits; 0 takes the most probable token (the first of equals).
    pub temperature: f64,
    /// Keeps the `k` most probable tokens, and those tied with the last of them; `None` keeps all.
    pub top_k: Option<usize>,
    /// Keeps the smallest set of most probable tokens whose mass reaches this, in (0, 1], of equals the first; `None`
    /// keeps all.
    pub top_p: Option<f64>,
    /// Keeps the tokens that are at least this times as probable as the most probable one, in [0, 1]; `None` keeps all
    /// (Nguyen et al., *Turning Up the Heat: Min-p Sampling*, 2024).
    pub min_p: Option<f64>,
    /// Divides positive logits of tokens that were seen already, and multiplies negative ones: above 1 against
    /// repetitions, below 1 for them; `None` leaves them alone (Keskar et al., *CTRL*, 2019).
    pub repetition_penalty: Option<f64>,
}

impl Default for SamplingParams {
    /// The model's own distribution: temperature 1, nothing cut off, no penalty.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            repetition_penalty: None,
        }
    }
}

impl SamplingParams {
    /// Whether the most probable token is taken.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// The temperature of the log-probabilities: 1 where the most probable token is taken.
    pub(crate) fn scale(&self) -> f64 {
        if self.is_greedy() {
            1.0
        } else {
            self.temperature
        }
    }

    /// The number of tokens that top-k keeps of `all`, if it cuts any off.
    pub(crate) fn cut_by_count(&self, all: usize) -> Option<usize> {
        self.top_k.filter(|k| *k < all)
    }

    /// The mass that top-p keeps, if it cuts any off.
    pub(crate) fn cut_by_mass(&self) -> Option<f64> {
        self.top_p.filter(|p| *p < 1.0)
    }

    /// The share of the largest probability that min-p asks for; 0 for any.
    pub(crate) fn least_share(&self) -> f64 {
        self.min_p.unwrap_or(0.0)
    }
}

/// One row of [`ops::sample`](crate::ops::sample).
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRow {
    /// The distribution.
    pub params: SamplingParams,
    /// The token is the one at which the cumulative distribution, in the order of the token ids, passes this number in
    /// [0, 1). Nothing looks at it at temperature 0.
    pub uniform: f64,
    /// Tokens so far, for the repetition penalty; without one, nothing looks at them. One that occurs several times
    /// counts once, and one without a logit not at all.
    pub seen: Vec<u32>,
}

impl SampleRow {
    /// What logits are divided or multiplied by, and of which of `vocab` tokens, each once; nothing without a penalty.
    pub(crate) fn penalised(&self, vocab: usize) -> Option<(f64, Vec<u32>)> {
        let penalty = self.params.repetition_penalty?;
        let mut seen: Vec<u32> = self.seen.clone();
        seen.retain(|&id| (id as usize) < vocab);
        seen.sort_unstable();
        seen.dedup();
        (!seen.is_empty()).then_some((penalty, seen))
    }
}
