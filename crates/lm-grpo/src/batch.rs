//! A rollout batch: the completions of one step with everything that its passes need.

use lm_train::{BatchLimits, EpochPlan};
use serde::{Deserialize, Serialize};

use crate::metrics::{PassStats, RolloutStats};

/// A completion that was sampled and scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trajectory {
    /// Index of the prompt.
    pub(crate) prompt: usize,
    /// The sampled tokens; at least one.
    pub(crate) completion: Vec<u32>,
    /// Log-probabilities as the rollout engine computed them; empty if it did not.
    pub(crate) sampled: Vec<f32>,
    /// Advantage of the completion.
    pub(crate) advantage: f64,
    /// Weight of each of its tokens in the loss of the batch.
    pub(crate) weight: f64,
    /// Whether it is left out of the loss.
    pub(crate) masked: bool,
    /// Log-probabilities under the reference; empty without a KL penalty.
    pub(crate) reference: Vec<f32>,
    /// Log-probabilities under the policy that sampled it, from the first pass; empty before.
    pub(crate) old: Vec<f32>,
}

/// The completions of one step, and how far the training on them has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) trajectories: Vec<Trajectory>,
    pub(crate) rollout: RolloutStats,
    /// The passes that ended in an update.
    pub(crate) passes: Vec<PassStats>,
}

impl Batch {
    /// Cuts the trajectories that count into micro-batches, as indices.
    ///
    /// `prompt_lengths` are those of all prompts; `tokens` is the budget of
    /// [`GrpoConfig::micro_batch_tokens`](crate::GrpoConfig::micro_batch_tokens).
    pub(crate) fn micro_batches(&self, prompt_lengths: &[usize], tokens: usize) -> Vec<Vec<usize>> {
        let counted: Vec<usize> = (0..self.trajectories.len())
            .filter(|&i| !self.trajectories[i].masked)
            .collect();
        let length = |t: &Trajectory| prompt_lengths[t.prompt] + t.completion.len();
        let lengths: Vec<usize> = counted
            .iter()
            .map(|&i| length(&self.trajectories[i]))
            .collect();
        let limits = BatchLimits {
            tokens,
            sequences: usize::MAX,
        };
        let plan = EpochPlan::new(&lengths, limits, 1, None, 0);
        let step = |step| {
            plan.step(step)
                .concat()
                .into_iter()
                .map(|i| counted[i])
                .collect()
        };
        (0..plan.steps()).map(step).collect()
    }

    /// Number of tokens that the loss is taken on.
    pub(crate) fn counted_tokens(&self) -> usize {
        self.trajectories
            .iter()
            .filter(|t| !t.masked)
            .map(|t| t.completion.len())
            .sum()
    }
}
