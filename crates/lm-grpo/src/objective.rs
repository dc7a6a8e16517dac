//! The loss of one token and the weight of one token: the clipped surrogate, the KL penalty and the normalisers.

use crate::{GrpoConfig, LossType};

/// Log-ratios are clamped to this before they are exponentiated.
///
/// A policy that has moved further from another on one token is not described by a ratio any more, and `exp` of a larger
/// number would only poison the sums.
const MAX_LOG_RATIO: f64 = 20.0;

/// The per-token objective of GRPO.
///
/// With `ρ = exp(log π − log π_old)` and `d = log π_ref − log π`, the loss of a token is
/// `−min(ρ·A, clip(ρ, 1 − ε, 1 + ε_high)·A) + β·(e^d − d − 1)`. The last term is the estimator that Schulman calls k3 in
/// *Approximating KL divergence* (2020): unbiased, and never negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// How far below 1 the ratio may fall before its gradient is cut.
    pub epsilon: f64,
    /// How far above 1 it may rise.
    pub epsilon_high: f64,
    /// Weight of the KL penalty.
    pub beta: f64,
}

/// Which end of the clipping range cut a token off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clipped {
    /// A token with a negative advantage is already less probable than `1 − ε`.
    Low,
    /// A token with a positive advantage is already more probable than `1 + ε_high`.
    High,
}

/// What one token contributes, before its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenTerm {
    /// Its loss.
    pub loss: f64,
    /// The derivative of the loss with respect to the token's log-probability under the policy.
    pub gradient: f64,
    /// The k3 estimate of the divergence from the reference; 0 without a reference.
    pub kl: f64,
    /// Whether the ratio was cut.
    pub clipped: Option<Clipped>,
}

impl Objective {
    /// The loss of a token from its log-probabilities (natural, at the sampling temperature) under the policy, under the
    /// policy that sampled it and, if there is a penalty, under the reference.
    pub fn token(
        &self,
        log_prob: f64,
        old: f64,
        reference: Option<f64>,
        advantage: f64,
    ) -> TokenTerm {
        let (surrogate, surrogate_gradient) = self.surrogate(log_prob - old, advantage);
        let (kl, kl_gradient) = reference.map_or((0.0, 0.0), |reference| k3(reference - log_prob));
        TokenTerm {
            loss: surrogate + self.beta * kl,
            gradient: surrogate_gradient + self.beta * kl_gradient,
            kl,
            clipped: self.clipped((log_prob - old).exp(), advantage),
        }
    }

    /// The clipped surrogate and its derivative with respect to the log-ratio.
    fn surrogate(&self, log_ratio: f64, advantage: f64) -> (f64, f64) {
        let (ratio, slope) = clamped_exp(log_ratio);
        let free = ratio * advantage;
        let bounded = ratio.clamp(1.0 - self.epsilon, 1.0 + self.epsilon_high) * advantage;
        // Where the bounded branch is the smaller one, the ratio lies outside the range and the branch is flat.
        if free <= bounded {
            (-free, -slope * advantage)
        } else {
            (-bounded, 0.0)
        }
    }

    fn clipped(&self, ratio: f64, advantage: f64) -> Option<Clipped> {
        if ratio < 1.0 - self.epsilon && advantage < 0.0 {
            Some(Clipped::Low)
        } else if ratio > 1.0 + self.epsilon_high && advantage > 0.0 {
            Some(Clipped::High)
        } else {
            None
        }
    }
}

impl From<&GrpoConfig> for Objective {
    fn from(config: &GrpoConfig) -> Self {
        Self {
            epsilon: config.epsilon,
            epsilon_high: config.epsilon_high,
            beta: config.beta,
        }
    }
}

/// `e^d − d − 1` and its derivative with respect to the policy's log-probability, which enters `d` with a minus.
fn k3(d: f64) -> (f64, f64) {
    let (exp, slope) = clamped_exp(d);
    let inside = d.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO);
    let linear_slope = if inside == d { 1.0 } else { 0.0 };
    (exp - inside - 1.0, linear_slope - slope)
}

/// `exp` of the clamped argument, and its derivative, which is 0 outside the range. NaN stays NaN.
fn clamped_exp(x: f64) -> (f64, f64) {
    let inside = x.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO);
    let exp = inside.exp();
    (exp, if inside == x { exp } else { 0.0 })
}

impl LossType {
    /// The weight of each token of each completion, so that the loss of a rollout batch is the weighted sum of the losses
    /// of its tokens.
    ///
    /// `lengths` are the numbers of tokens that count, 0 for a completion that is masked; B is their number, masked ones
    /// included. The weights are `1 / (B · length)` for [`LossType::Grpo`], `1 / (B · max_completion_length)` for
    /// [`LossType::DrGrpo`], and one over the sum of the lengths for [`LossType::Bnpo`].
    pub fn weights(self, lengths: &[usize], max_completion_length: usize) -> Vec<f64> {
        let batch = lengths.len() as f64;
        let total = lengths.iter().sum::<usize>().max(1) as f64;
        let weight = |length: usize| match self {
            Self::Grpo => 1.0 / (batch * length.max(1) as f64),
            Self::DrGrpo => 1.0 / (batch * max_completion_length as f64),
            Self::Bnpo => 1.0 / total,
        };
        lengths.iter().map(|&length| weight(length)).collect()
    }
}
