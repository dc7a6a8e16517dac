//! The loss of a completion's tokens and the weight of each: the clipped surrogate, the KL penalty and the normalisers.

use crate::choices::{ImportanceSamplingLevel, KlEstimator, LossType};
use crate::ratio::{MAX_LOG_RATIO, clamped_exp};
use crate::surrogate::{Surrogate, sapo};

/// The objective of GRPO and its relatives.
///
/// With `r_t = log π − log π_old`, `ρ = exp(r_t)` and `d = log π_ref − log π`, the loss of a token with the surrogate
/// [`Clipped`](Surrogate::Clipped) is
///
/// `−min(min(ρ, δ)·A, clip(ρ, 1 − ε, 1 + ε_high)·A)·w + β·kl(d)`
///
/// where `w` is the weight of [`EngineCorrection`](crate::EngineCorrection) and `kl` the [`KlEstimator`], multiplied by
/// `ρ` if the bias correction is on. Without `δ` the first ratio is not bounded. As `δ > 1 + ε_high`, the bound matters
/// for negative advantages only: there the surrogate is otherwise unbounded.
///
/// At the level of sequences (GSPO, Zheng et al. 2025) every token has the ratio of its completion,
/// `ρ = exp(Σ_t r_t / |o|)`. Each `r_t` enters it with `1/|o|`, so the derivative of the completion's losses, which all
/// contain ρ, is the same at every token: `∂/∂log π_t Σ_u ℓ_u w_u = ℓ'(log ρ)·(Σ_u w_u)/|o|`. Where the ratio makes a
/// weight of the log-likelihood, which has no gradient, the tokens do not depend on each other.
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
    /// Whether the estimate is multiplied by the ratio, gradient included.
    pub kl_bias_correction: bool,
    /// What a ratio belongs to.
    pub importance_sampling_level: ImportanceSamplingLevel,
    /// What is made of a ratio.
    pub surrogate: Surrogate,
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

/// What the tokens that have a ratio get from it.
#[derive(Clone, Copy)]
enum Effect {
    /// A loss, with its derivative with respect to the log-ratio.
    Loss { loss: f64, slope: f64 },
    /// A weight of their log-probabilities.
    Weight(f64),
}

impl Objective {
    /// The terms of the tokens of one completion, in order.
    pub fn completion(&self, tokens: &[TokenInput], advantage: f64) -> Vec<TokenTerm> {
        let Some((effect, clipped)) = self.of_completion(tokens, advantage) else {
            let term = |token| self.token(token, advantage);
            return tokens.iter().map(term).collect();
        };
        let pooled = mean(tokens, |token| token.correction);
        let penalties = self.penalties(tokens);
        let term = |(token, penalty)| self.term(token, advantage, effect, pooled, clipped, penalty);
        tokens.iter().zip(penalties).map(term).collect()
    }

    /// The term of a token with a ratio of its own.
    pub fn token(&self, token: &TokenInput, advantage: f64) -> TokenTerm {
        let one = std::slice::from_ref(token);
        let (effect, clipped) = match self.of_completion(one, advantage) {
            Some(shared) => shared,
            None => self.of_ratio(token.policy - token.old, advantage),
        };
        let (own, penalty) = (token.correction, self.penalty(token));
        self.term(token, advantage, effect, own, clipped, penalty)
    }

    /// The penalties of the tokens of a completion, with their derivatives.
    fn penalties(&self, tokens: &[TokenInput]) -> Vec<(f64, f64)> {
        let of_tokens = self.importance_sampling_level == ImportanceSamplingLevel::Token;
        if of_tokens || !self.kl_bias_correction {
            return tokens.iter().map(|token| self.penalty(token)).collect();
        }
        let plain: Vec<(f64, f64)> = tokens.iter().map(|token| self.divergence(token)).collect();
        let mean_kl = plain.iter().map(|(kl, _)| kl).sum::<f64>() / plain.len().max(1) as f64;
        // The ratio has a part in the penalties of all tokens.
        let (ratio, slope) = clamped_exp(mean(tokens, |token| token.policy - token.old));
        let weighted = |(kl, own): (f64, f64)| (ratio * kl, ratio * own + slope * mean_kl);
        plain.into_iter().map(weighted).collect()
    }

    /// The penalty of a token with a ratio of its own, with its derivative.
    fn penalty(&self, token: &TokenInput) -> (f64, f64) {
        let (kl, own) = self.divergence(token);
        if !self.kl_bias_correction {
            return (kl, own);
        }
        let (ratio, slope) = clamped_exp(token.policy - token.old);
        (ratio * kl, ratio * own + slope * kl)
    }

    /// The estimate of the divergence at a token, with its derivative; 0 without a reference.
    fn divergence(&self, token: &TokenInput) -> (f64, f64) {
        let estimate = |reference| self.kl_estimator.estimate(reference - token.policy);
        token.reference.map_or((0.0, 0.0), estimate)
    }

    /// What all tokens share; nothing if each has a ratio of its own.
    fn of_completion(
        &self,
        tokens: &[TokenInput],
        advantage: f64,
    ) -> Option<(Effect, Option<Clipped>)> {
        if let Surrogate::Vespo { pos, neg } = self.surrogate {
            let gamma = if advantage < 0.0 { neg } else { pos };
            let input = |token: &TokenInput| (token.policy - token.old, token.correction);
            let weight = gamma.weight(tokens.iter().map(input));
            return Some((Effect::Weight(weight), None));
        }
        let has_one = self.importance_sampling_level == ImportanceSamplingLevel::Sequence;
        let log_ratio = || mean(tokens, |token| token.policy - token.old);
        has_one.then(|| self.of_ratio(log_ratio(), advantage))
    }

    /// Adds the penalty to the surrogate. `pooled` is the mean correction of the tokens that share the ratio.
    fn term(
        &self,
        token: &TokenInput,
        advantage: f64,
        effect: Effect,
        pooled: f64,
        clipped: Option<Clipped>,
        (kl, kl_slope): (f64, f64),
    ) -> TokenTerm {
        let (loss, slope) = match effect {
            Effect::Loss { loss, slope } => (loss * token.correction, slope * pooled),
            Effect::Weight(weight) => {
                let slope = -weight * advantage * self.factor(token);
                (slope * token.policy, slope)
            }
        };
        TokenTerm {
            loss: loss + self.beta * kl,
            gradient: slope + self.beta * kl_slope,
            kl,
            clipped,
        }
    }

    /// The correction, unless it is part of the weight already.
    fn factor(&self, token: &TokenInput) -> f64 {
        match self.surrogate {
            Surrogate::Vespo { .. } => 1.0,
            _ => token.correction,
        }
    }

    /// What follows from a ratio, and whether it was cut.
    fn of_ratio(&self, log_ratio: f64, advantage: f64) -> (Effect, Option<Clipped>) {
        let (ratio, slope) = clamped_exp(log_ratio);
        match self.surrogate {
            Surrogate::Sapo {
                temperature_pos,
                temperature_neg,
            } => {
                let rewarded = advantage > 0.0;
                let temperature = if rewarded {
                    temperature_pos
                } else {
                    temperature_neg
                };
                let (loss, slope) = sapo(log_ratio, advantage, temperature);
                (Effect::Loss { loss, slope }, None)
            }
            Surrogate::Cispo => {
                // Not `min`, which would turn NaN into a weight.
                let is_cut = ratio > self.epsilon_high;
                let weight = if is_cut { self.epsilon_high } else { ratio };
                let high = (is_cut && advantage > 0.0).then_some(Clipped::High);
                (Effect::Weight(weight), high)
            }
            Surrogate::Clipped | Surrogate::Vespo { .. } => (
                self.clipped_loss(ratio, slope, advantage),
                self.clipped(ratio, advantage),
            ),
        }
    }

    /// The clipped surrogate of a ratio whose derivative with respect to its logarithm is `slope`.
    fn clipped_loss(&self, ratio: f64, slope: f64, advantage: f64) -> Effect {
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
        Effect::Loss { loss, slope }
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

fn mean(tokens: &[TokenInput], value: fn(&TokenInput) -> f64) -> f64 {
    tokens.iter().map(value).sum::<f64>() / tokens.len().max(1) as f64
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
    /// The weight of each token of each completion, so that the loss of an optimizer batch is the weighted sum of the
    /// losses of its tokens.
    ///
    /// `lengths` are the numbers of tokens of the B completions, `masked` says which of them are left out of the loss.
    /// With `N` the sum of the lengths of the completions that are not masked, the weights are
    ///
    /// | loss | weight of a token |
    /// |---|---|
    /// | [`Grpo`](Self::Grpo), [`Sapo`](Self::Sapo) | `1 / (B · length)` |
    /// | [`DrGrpo`](Self::DrGrpo) | `1 / (B · max_completion_length)` |
    /// | [`Bnpo`](Self::Bnpo), [`Dapo`](Self::Dapo), [`Cispo`](Self::Cispo), [`Vespo`](Self::Vespo) | `1 / N` |
    /// | [`Luspo`](Self::Luspo) | `1 / B` |
    ///
    /// and 0 for the tokens of a masked completion.
    pub fn weights(
        self,
        lengths: &[usize],
        masked: &[bool],
        max_completion_length: usize,
    ) -> Vec<f64> {
        let completions = lengths.len() as f64;
        let pairs = || lengths.iter().zip(masked);
        let counted: usize = pairs()
            .filter(|(_, masked)| !**masked)
            .map(|(n, _)| n)
            .sum();
        let weight = |(&length, &masked): (&usize, &bool)| match self {
            _ if masked => 0.0,
            Self::Grpo | Self::Sapo => 1.0 / (completions * length.max(1) as f64),
            Self::DrGrpo => 1.0 / (completions * max_completion_length as f64),
            Self::Bnpo | Self::Dapo | Self::Cispo | Self::Vespo => 1.0 / counted.max(1) as f64,
            Self::Luspo => 1.0 / completions,
        };
        pairs().map(weight).collect()
    }

    /// [`weights`](Self::weights) of a rollout batch that is divided into mini-batches of as many completions, each
    /// an optimizer batch of its own. Those that divide by the tokens of the rollout batch divide by the mini-batches'
    /// mean, as in TRL; the others see their mini-batch alone.
    pub fn weights_of_mini_batches(
        self,
        lengths: &[usize],
        masked: &[bool],
        max_completion_length: usize,
        mini_batches: usize,
    ) -> Vec<f64> {
        if let Self::Dapo | Self::Cispo | Self::Vespo = self {
            let of_all = self.weights(lengths, masked, max_completion_length);
            return of_all.iter().map(|w| w * mini_batches as f64).collect();
        }
        let size = lengths.len().div_ceil(mini_batches.max(1)).max(1);
        let parts = lengths.chunks(size).zip(masked.chunks(size));
        parts
            .flat_map(|(lengths, masked)| self.weights(lengths, masked, max_completion_length))
            .collect()
    }
}
