//! The loss of a completion's tokens and the weight of each: the clipped surrogate, the KL penalty and the normalisers.

use crate::choices::{ImportanceSamplingLevel, KlEstimator, LossType};
use crate::ratio::{MAX_LOG_RATIO, clamped_exp};

/// The objective of GRPO and GSPO.
///
/// With `r_t = log π − log π_old`, `ρ = exp(r_t)` and `d = log π_ref − log π`, the loss of a token is
///
/// `−min(min(ρ, δ)·A, clip(ρ, 1 − ε, 1 + ε_high)·A)·w + β·kl(d)`
///
/// where `w` is the weight of [`EngineCorrection`](crate::EngineCorrection) and `kl` the [`KlEstimator`]. Without `δ`
/// the first ratio is not bounded. As `δ > 1 + ε_high`, the bound matters for negative advantages only: there the
/// surrogate is otherwise unbounded.
///
/// At the level of sequences (GSPO, Zheng et al. 2025) every token has the ratio of its completion,
/// `ρ = exp(Σ_t r_t / |o|)`. Each `r_t` enters it with `1/|o|`, so the derivative of the completion's losses, which all
/// contain ρ, is the same at every token: `∂/∂log π_t Σ_u ℓ_u w_u = ℓ'(log ρ)·(Σ_u w_u)/|o|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// How far below 1 the ratio may fall before its gradient is cut.
    pub epsilon: f64,
    /// How far above 1 it may rise.
    pub epsilon_high: f64,
    /// Greatest ratio for negative advantages.
    pub delta: Option<f64>,
    /// Weight of the KL penalty.
    pub beta: f64,
    /// Estimator of the divergence.
    pub kl_estimator: KlEstimator,
    /// What a ratio belongs to.
    pub importance_sampling_level: ImportanceSamplingLevel,
}

/// What the loss of a token depends on besides the advantage. Log-probabilities are natural and taken at the sampling
/// temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenInput {
    /// Log-probability under the policy.
    pub policy: f64,
    /// Log-probability under the policy that sampled it, as the trainer computes it.
    pub old: f64,
    /// Log-probability under the reference, if there is a penalty.
    pub reference: Option<f64>,
    /// Weight of the surrogate, see [`EngineCorrection`](crate::EngineCorrection); 1 without a correction.
    pub correction: f64,
}

/// Where the ratio was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clipped {
    /// With a negative advantage, the ratio is already below `1 − ε`.
    Low,
    /// With a positive advantage, it is already above `1 + ε_high`.
    High,
    /// With a negative advantage, it is above `δ`.
    Delta,
}

/// What one token contributes, before its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenTerm {
    /// Its loss.
    pub loss: f64,
    /// The derivative of the sum of the completion's losses with respect to the token's log-probability under the
    /// policy.
    pub gradient: f64,
    /// The estimate of the divergence from the reference; 0 without a reference.
    pub kl: f64,
    /// Whether the ratio was cut.
    pub clipped: Option<Clipped>,
}

/// The part of a loss that rewards decide, with its derivative with respect to the log-ratio.
#[derive(Clone, Copy)]
struct Surrogate {
    loss: f64,
    slope: f64,
    clipped: Option<Clipped>,
}

impl Objective {
    /// The terms of the tokens of one completion, in order.
    pub fn completion(&self, tokens: &[TokenInput], advantage: f64) -> Vec<TokenTerm> {
        match self.importance_sampling_level {
            ImportanceSamplingLevel::Token => {
                let term = |token| self.token(token, advantage);
                tokens.iter().map(term).collect()
            }
            ImportanceSamplingLevel::Sequence => self.sequence(tokens, advantage),
        }
    }

    /// The term of a token with a ratio of its own.
    pub fn token(&self, token: &TokenInput, advantage: f64) -> TokenTerm {
        let surrogate = self.surrogate(token.policy - token.old, advantage);
        let slope = surrogate.slope * token.correction;
        self.term(token, surrogate, slope)
    }

    /// The terms of tokens that share a ratio.
    fn sequence(&self, tokens: &[TokenInput], advantage: f64) -> Vec<TokenTerm> {
        let mean = |value: fn(&TokenInput) -> f64| {
            tokens.iter().map(value).sum::<f64>() / tokens.len().max(1) as f64
        };
        let surrogate = self.surrogate(mean(|token| token.policy - token.old), advantage);
        let slope = surrogate.slope * mean(|token| token.correction);
        let term = |token| self.term(token, surrogate, slope);
        tokens.iter().map(term).collect()
    }

    /// Adds the penalty to the surrogate, whose derivative with respect to this token is `slope`.
    fn term(&self, token: &TokenInput, surrogate: Surrogate, slope: f64) -> TokenTerm {
        let divergence = |reference| self.kl_estimator.estimate(reference - token.policy);
        let (kl, kl_slope) = token.reference.map_or((0.0, 0.0), divergence);
        TokenTerm {
            loss: surrogate.loss * token.correction + self.beta * kl,
            gradient: slope + self.beta * kl_slope,
            kl,
            clipped: surrogate.clipped,
        }
    }

    fn surrogate(&self, log_ratio: f64, advantage: f64) -> Surrogate {
        let (ratio, slope) = clamped_exp(log_ratio);
        let (capped, slope) = match self.delta {
            Some(delta) if ratio > delta => (delta, 0.0),
            _ => (ratio, slope),
        };
        let free = capped * advantage;
        let bounded = ratio.clamp(1.0 - self.epsilon, 1.0 + self.epsilon_high) * advantage;
        // Where the bounded branch is the smaller one, the ratio lies outside the range and the branch is flat.
        let (loss, slope) = if free <= bounded {
            (-free, -slope * advantage)
        } else {
            (-bounded, 0.0)
        };
        Surrogate {
            loss,
            slope,
            clipped: self.clipped(ratio, advantage),
        }
    }

    fn clipped(&self, ratio: f64, advantage: f64) -> Option<Clipped> {
        if advantage > 0.0 {
            (ratio > 1.0 + self.epsilon_high).then_some(Clipped::High)
        } else if advantage < 0.0 && ratio < 1.0 - self.epsilon {
            Some(Clipped::Low)
        } else if advantage < 0.0 && self.delta.is_some_and(|delta| ratio > delta) {
            Some(Clipped::Delta)
        } else {
            None
        }
    }
}

impl KlEstimator {
    /// The estimate from `d = log π_ref − log π`, and its derivative with respect to `log π`, which enters `d` with a
    /// minus.
    pub fn estimate(self, d: f64) -> (f64, f64) {
        match self {
            Self::K1 => (-d, 1.0),
            Self::K2 => (d * d / 2.0, -d),
            Self::K3 => k3(d),
        }
    }
}

fn k3(d: f64) -> (f64, f64) {
    let (exp, slope) = clamped_exp(d);
    let inside = d.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO);
    let linear_slope = if inside == d { 1.0 } else { 0.0 };
    (exp - inside - 1.0, linear_slope - slope)
}

impl LossType {
    /// The weight of each token of each completion, so that the loss of a rollout batch is the weighted sum of the
    /// losses of its tokens.
    ///
    /// `lengths` are the numbers of tokens of the B completions, `masked` says which of them are left out of the loss.
    /// With `N` the sum of the lengths and `N'` that of the completions that are not masked, the weights are
    ///
    /// | loss | weight of a token |
    /// |---|---|
    /// | [`Grpo`](Self::Grpo) | `1 / (B · length)` |
    /// | [`DrGrpo`](Self::DrGrpo) | `1 / (B · max_completion_length)` |
    /// | [`Bnpo`](Self::Bnpo) | `1 / N'` |
    /// | [`Dapo`](Self::Dapo) | `1 / N` |
    ///
    /// and 0 for the tokens of a masked completion.
    pub fn weights(
        self,
        lengths: &[usize],
        masked: &[bool],
        max_completion_length: usize,
    ) -> Vec<f64> {
        let completions = lengths.len() as f64;
        let of_all: usize = lengths.iter().sum();
        let pairs = || lengths.iter().zip(masked);
        let counted: usize = pairs()
            .filter(|(_, masked)| !**masked)
            .map(|(n, _)| n)
            .sum();
        let weight = |(&length, &masked): (&usize, &bool)| match self {
            _ if masked => 0.0,
            Self::Grpo => 1.0 / (completions * length.max(1) as f64),
            Self::DrGrpo => 1.0 / (completions * max_completion_length as f64),
            Self::Bnpo => 1.0 / counted.max(1) as f64,
            Self::Dapo => 1.0 / of_all.max(1) as f64,
        };
        pairs().map(weight).collect()
    }
}
