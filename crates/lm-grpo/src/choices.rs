//! What can be chosen about the objective, by the names that TRL gives to the choices.

use serde::{Deserialize, Serialize};

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
    /// The same, over the rollout batch: where this is divided into
    /// [`mini_batches`](crate::GrpoConfig::mini_batches), every one is divided by their mean number of tokens, so that
    /// all tokens weigh the same.
    Dapo,
    /// The normaliser of [`Dapo`](Self::Dapo) with the surrogate [`Cispo`](crate::Surrogate::Cispo).
    Cispo,
    /// The normaliser of [`Grpo`](Self::Grpo) with the surrogate [`Sapo`](crate::Surrogate::Sapo).
    Sapo,
    /// The mean over completions of each completion's token sum, so that with the ratio of a completion its loss is
    /// multiplied by its length. From *LUSPO: length-unbiased sequence policy optimization* (2026).
    Luspo,
    /// The normaliser of [`Dapo`](Self::Dapo) with the surrogate [`Vespo`](crate::Surrogate::Vespo).
    Vespo,
}

impl LossType {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpo => "grpo",
            Self::DrGrpo => "dr_grpo",
            Self::Bnpo => "bnpo",
            Self::Dapo => "dapo",
            Self::Cispo => "cispo",
            Self::Sapo => "sapo",
            Self::Luspo => "luspo",
            Self::Vespo => "vespo",
        }
    }
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
/// π_old is the trainer's policy before the first update, or the product of these over a completion, the surrogate is
/// multiplied by a weight made from `w`, which has no gradient; the KL penalty is not. The bounds of the weight are
/// [`engine_correction_cap`](crate::GrpoConfig::engine_correction_cap) and
/// [`engine_correction_floor`](crate::GrpoConfig::engine_correction_floor). Truncation is from Yao et al., *Your
/// efficient RL framework secretly brings you off-policy RL training* (2025), masking from the Ring team's *IcePop*
/// (2025); TRL calls them `token_truncate`, `token_mask`, `sequence_truncate` and `sequence_mask`. The built-in engine
/// needs none: it agrees with the trainer to 1e-4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineCorrection {
    /// Nothing; `sampling/*` tells how large the difference is.
    #[default]
    None,
    /// Each token has the weight `w`, but at least the floor and at most the cap.
    #[serde(alias = "token_truncate")]
    Truncate,
    /// Each token has the weight `w`, and 0 outside the bounds: such tokens teach nothing.
    #[serde(alias = "token_mask")]
    Mask,
    /// [`Truncate`](Self::Truncate) with one `w` for the completion.
    SequenceTruncate,
    /// [`Mask`](Self::Mask) with one `w` for the completion: such completions teach nothing.
    SequenceMask,
}

impl EngineCorrection {
    /// Whether the tokens of a completion share a weight.
    pub(crate) fn is_of_sequences(self) -> bool {
        matches!(self, Self::SequenceTruncate | Self::SequenceMask)
    }
}
