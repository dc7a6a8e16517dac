//! What can be chosen about the objective, by the names that TRL gives to the choices.

use serde::{Deserialize, Serialize};

use crate::ratio::clamped_exp;

/// How the losses of a batch's tokens become one number; see [`LossType::weights`] for the formulas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossType {
    /// The mean over completions of each completion's token mean: a token of a short completion weighs more.
    Grpo,
    /// The sum divided by a constant, completions × `max_completion_length`: every token weighs the same, and the
    /// length of the completions does not matter. This does not choose [`ScaleRewards`]; the paper of Dr. GRPO wants
    /// `none`.
    #[default]
    DrGrpo,
    /// The mean over the tokens that count. Masking some completions raises the weight of the others.
    Bnpo,
    /// The sum divided by the tokens of the whole rollout batch, masked ones included, as TRL counts them: masking some
    /// completions leaves the weight of the others alone. Without masking it equals [`LossType::Bnpo`], because here
    /// the rollout batch is the optimizer batch (in TRL, `bnpo` divides by the tokens of a micro-batch).
    Dapo,
}

/// Whether the probability ratio belongs to a token or to a completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportanceSamplingLevel {
    /// Every token has its own ratio, as in GRPO.
    #[default]
    Token,
    /// All tokens of a completion share the ratio `exp(mean of their log-ratios)`: GSPO, from Zheng et al., *Group
    /// sequence policy optimization* (2025). It is much nearer to 1 than that of a token, so the clipping range must be
    /// narrower: the paper uses 3e-4 and 4e-4.
    Sequence,
}

/// How the divergence from the reference is estimated from `d = log π_ref − log π` of the sampled token.
///
/// The names are those of Schulman, *Approximating KL divergence* (2020). As a term of the loss, only the derivative
/// matters: that of k1 is constant and has mean 0 over the policy's own samples, so it is a measurement rather than a
/// penalty; that of k2 is, in the mean, the gradient of the divergence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimator {
    /// `−d`: unbiased, may be negative.
    K1,
    /// `d² / 2`: biased, never negative.
    K2,
    /// `e^d − d − 1`: unbiased, never negative; that of TRL and of the paper.
    #[default]
    K3,
}

/// What the centred rewards are divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleRewards {
    /// Nothing.
    None,
    /// The standard deviation of the group plus 1e-4. Easy and hard prompts then weigh the same.
    #[default]
    Group,
    /// The standard deviation of the batch plus 1e-4.
    Batch,
}

/// What is done about a rollout engine that computes other probabilities than the trainer.
///
/// The completions are samples of the engine's distribution. With `w = exp(log π_old − log π_engine)` of a token, where
/// π_old is the trainer's policy before the first update, the surrogate of the token is multiplied by a weight made
/// from `w`, which has no gradient; the KL penalty is not. Truncation is from Yao et al., *Your efficient RL framework
/// secretly brings you off-policy RL training* (2025), masking from the Ring team's *IcePop* (2025); TRL has both as
/// `token_truncate` and `token_mask`. The built-in engine needs neither: it agrees with the trainer to 1e-4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineCorrection {
    /// Nothing; `sampling/*` tells how large the difference is.
    #[default]
    None,
    /// The weight is `min(w, cap)`, where `cap` is [`engine_correction_cap`](crate::GrpoConfig::engine_correction_cap).
    Truncate,
    /// The weight is `w` up to `cap` and 0 above: such tokens teach nothing.
    Mask,
}

/// A correction with its cap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EngineWeight {
    pub(crate) correction: EngineCorrection,
    /// Greatest weight, positive.
    pub(crate) cap: f64,
}

impl EngineWeight {
    /// The weight of a token's surrogate, from its log-probabilities under trainer and engine.
    pub(crate) fn of(self, old: f64, engine: f64) -> f64 {
        let ratio = engine_ratio(old, engine);
        match self.correction {
            EngineCorrection::None => 1.0,
            // Not `min`, which would turn NaN into a weight.
            EngineCorrection::Truncate if ratio > self.cap => self.cap,
            EngineCorrection::Mask if ratio > self.cap => 0.0,
            EngineCorrection::Truncate | EngineCorrection::Mask => ratio,
        }
    }
}

/// How much more probable a sampled token is to the trainer than to the engine.
pub(crate) fn engine_ratio(old: f64, engine: f64) -> f64 {
    clamped_exp(old - engine).0
}
