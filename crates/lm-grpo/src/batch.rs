//! A rollout batch: the completions of one step with everything that its passes need.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::metrics::{PassStats, RolloutStats};

/// Log-probabilities of trajectories, with their indices in the batch.
pub(crate) type LogProbs = Vec<(usize, Vec<f32>)>;

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
    /// Log-probabilities under the policy that sampled it, as the trainer computes them: from the first pass, and empty
    /// before it, unless the policy has moved on since.
    pub(crate) old: Vec<f32>,
}

impl Trajectory {
    /// The tokens of the completion that something is predicted from: all but the last.
    pub(crate) fn inputs(&self) -> &[u32] {
        &self.completion[..self.completion.len() - 1]
    }

    /// How much more probable `old`, its log-probabilities as the trainer computes them, makes each token than the
    /// rollout engine did; empty if the engine did not say.
    pub(crate) fn engine_log_ratios(&self, old: &[f32]) -> Vec<f64> {
        let pairs = old.iter().zip(&self.sampled);
        pairs
            .map(|(old, engine)| f64::from(*old) - f64::from(*engine))
            .collect()
    }
}

/// The completions of one step, and how far the training on them has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) trajectories: Vec<Trajectory>,
    pub(crate) rollout: RolloutStats,
    /// The passes that ended in an update.
    pub(crate) passes: Vec<PassStats>,
    /// Steps that were trained between the policy that sampled it and the one that it trains first.
    #[serde(default)]
    pub(crate) staleness: usize,
}

impl Batch {
    /// All trajectories, as indices.
    pub(crate) fn whole(&self) -> Range<usize> {
        0..self.trajectories.len()
    }

    /// The trajectories of the next update, as indices: a mini-batch of the `count` that every pass goes through.
    pub(crate) fn next_mini_batch(&self, count: usize) -> Range<usize> {
        let size = self.trajectories.len() / count;
        let start = self.passes.len() % count * size;
        start..start + size
    }

    /// Cuts the trajectories of `part` that count into micro-batches, as indices in order.
    ///
    /// `prompt_lengths` are those of all prompts; `tokens` is the budget of
    /// [`GrpoConfig::micro_batch_tokens`](crate::GrpoConfig::micro_batch_tokens). The prompt of neighbours counts once,
    /// because it is computed once.
    pub(crate) fn micro_batches(
        &self,
        part: Range<usize>,
        prompt_lengths: &[usize],
        tokens: usize,
    ) -> Vec<Vec<usize>> {
        let mut batches: Vec<Vec<usize>> = Vec::new();
        let mut used = 0;
        for (i, added) in self.costs(part, prompt_lengths) {
            let trajectory = &self.trajectories[i];
            let alone = prompt_lengths[trajectory.prompt] + trajectory.inputs().len();
            match batches.last_mut() {
                Some(batch) if used + added <= tokens => {
                    used += added;
                    batch.push(i);
                }
                _ => {
                    used = alone;
                    batches.push(vec![i]);
                }
            }
        }
        batches
    }

    /// Tokens of a forward pass over everything in `part` that counts, as one micro-batch.
    pub(crate) fn packed_tokens(&self, part: Range<usize>, prompt_lengths: &[usize]) -> usize {
        let costs = self.costs(part, prompt_lengths);
        costs.iter().map(|(_, tokens)| tokens).sum()
    }

    /// What every trajectory of `part` that counts adds to the tokens of a pass in which its predecessor is too, with
    /// its index.
    fn costs(&self, part: Range<usize>, prompt_lengths: &[usize]) -> Vec<(usize, usize)> {
        let counted = part.map(|i| (i, &self.trajectories[i]));
        let mut before = None;
        let cost = |(i, trajectory): (usize, &Trajectory)| {
            let shared = before.replace(trajectory.prompt) == Some(trajectory.prompt);
            let prompt = if shared {
                0
            } else {
                prompt_lengths[trajectory.prompt]
            };
            (i, prompt + trajectory.inputs().len())
        };
        counted.filter(|(_, t)| !t.masked).map(cost).collect()
    }

    /// Notes the log-probabilities under the policy that sampled the batch, where they are not known yet.
    pub(crate) fn record_old(&mut self, log_probs: LogProbs) {
        for (i, own) in log_probs {
            let trajectory = &mut self.trajectories[i];
            if trajectory.old.is_empty() {
                trajectory.old = own;
            }
        }
    }

    /// Notes the log-probabilities under the reference.
    pub(crate) fn record_reference(&mut self, log_probs: LogProbs) {
        for (i, own) in log_probs {
            self.trajectories[i].reference = own;
        }
    }

    /// The prompts whose completions count, in order.
    pub(crate) fn prompts(&self) -> Vec<usize> {
        let counted = self.trajectories.iter().filter(|t| !t.masked);
        let mut prompts: Vec<usize> = counted.map(|t| t.prompt).collect();
        prompts.dedup();
        prompts
    }

    /// Number of tokens of `part` that the loss is taken on.
    pub(crate) fn counted_tokens(&self, part: Range<usize>) -> usize {
        self.trajectories[part]
            .iter()
            .filter(|t| !t.masked)
            .map(|t| t.completion.len())
            .sum()
    }
}
