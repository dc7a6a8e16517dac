//! What a run reports, and who listens. Names are TRL's where TRL has the metric.

use std::path::Path;

use lm_generate::Progress;
use lm_train::SetAside;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, Serialize as DeriveSerialize};

use crate::reward::RewardValue;

mod rollout;
mod step;

pub(crate) use rollout::{Rollout, length_metrics, part_metrics};
pub(crate) use step::{StepFacts, step_metrics};

/// The numbers of one step, by name.
///
/// - Those of the optimizer (`loss`, `grad_norm`, `entropy`, `kl`, `clip_ratio/*`) are means over the updates of the
///   step, except that `clip_ratio/low_min` and `clip_ratio/high_max` are the least and the greatest of them. Shares
///   and `entropy` are over tokens; if ratios belong to completions, all tokens of a clipped one count. Of `cispo`,
///   `clip_ratio/high_*` counts weights that were cut; `sapo` and `vespo` clip nothing. `kl` is absent without a KL
///   penalty, `clip_ratio/delta_mean` without [`GrpoConfig::delta`](crate::GrpoConfig::delta).
/// - `reward`, `rewards/*` and `completions/*` are of the batch that is trained on, `frac_reward_zero_std` and
///   `num_tokens` of everything that was sampled. `completions/*_terminated_length` is absent where no completion ended
///   by itself.
/// - `dynamic_sampling/rounds`, `/dropped_groups` and `/sampled_reward` (the mean over everything that was sampled) are
///   there when groups are replaced.
/// - `sampling/sampling_logp_difference/*` and `sampling/importance_sampling_ratio/*` compare trainer and rollout
///   engine over the tokens of the loss, and are absent if the engine gave no log-probabilities. The ratio is the
///   weight of the correction; without one, it is what the weight would be if it had no cap.
/// - `sampling/staleness`, there with [`GrpoConfig::one_step_off_policy`](crate::GrpoConfig::one_step_off_policy), is
///   the number of steps that were trained between the policy that sampled the batch and the one that began to train on
///   it. A stale batch was sampled and scored while the step before trained, so `step_time` does not hold that; it
///   holds the time that the training waited for the rollout of the next step, as part of `time/rollout_share`.
/// - `time/*_share` are shares of `step_time`; `rollout_tokens_per_second` counts new tokens,
///   `training_tokens_per_second` the tokens of the loss, once for each pass.
#[derive(Clone, Debug, PartialEq)]
pub struct StepMetrics {
    /// Steps so far, this one included.
    pub global_step: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    values: Vec<(String, f64)>,
}

impl StepMetrics {
    /// The metric of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// All metrics in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
    }
}

/// A map of `global_step`, `total_steps` and every metric.
impl Serialize for StepMetrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len() + 2))?;
        map.serialize_entry("global_step", &self.global_step)?;
        map.serialize_entry("total_steps", &self.total_steps)?;
        self.values
            .iter()
            .try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

/// How the policy answers the held-out prompts, see [`GrpoConfig::eval_every`](crate::GrpoConfig::eval_every).
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Steps so far.
    pub global_step: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Mean total reward.
    pub reward: f64,
    /// Whether the reward is higher than in every earlier evaluation.
    pub is_best: bool,
    /// `eval_reward`, `eval_reward_std`, `eval_runtime` in seconds, and `rewards/*` and `completions/*` as in a step,
    /// with `eval_` in front.
    pub values: Vec<(String, f64)>,
}

/// A map of `global_step`, `total_steps`, `is_best` and every metric.
impl Serialize for Evaluation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len() + 3))?;
        map.serialize_entry("global_step", &self.global_step)?;
        map.serialize_entry("total_steps", &self.total_steps)?;
        map.serialize_entry("is_best", &self.is_best)?;
        self.values
            .iter()
            .try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()
    }
}

/// A line of the completions table of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletionRow<'a> {
    /// Index of the prompt.
    pub prompt_index: usize,
    /// The completion's text.
    pub completion: &'a str,
    /// Its reward.
    pub reward: &'a RewardValue,
    /// Its advantage.
    pub advantage: f64,
    /// Whether it ran into the length limit.
    pub truncated: bool,
}

/// Follows a run. Every method does nothing unless it is overridden; a listener that must end the run cancels the token
/// that the run was given.
pub trait Observer {
    /// Called after each step.
    fn on_step(&mut self, metrics: &StepMetrics) {
        let _ = metrics;
    }

    /// Called after the completions of step `step` (from 1) were scored, before training on them.
    fn on_rollout(&mut self, step: usize, rows: &[CompletionRow<'_>]) {
        let _ = (step, rows);
    }

    /// Called after every decode step of a rollout.
    fn on_progress(&mut self, progress: Progress) {
        let _ = progress;
    }

    /// Called before micro-batch `index` (from 0) of the `count` of a pass: a sign of life in a long one. Of several
    /// devices, the first speaks.
    fn on_micro_batch(&mut self, index: usize, count: usize) {
        let _ = (index, count);
    }

    /// Called after an evaluation on the held-out prompts.
    fn on_evaluation(&mut self, evaluation: &Evaluation) {
        let _ = evaluation;
    }

    /// Called at the start for each checkpoint that was passed over because it is damaged.
    fn on_damaged_checkpoint(&mut self, checkpoint: &SetAside) {
        let _ = checkpoint;
    }

    /// Called after a checkpoint has its final name.
    fn on_checkpoint(&mut self, path: &Path) {
        let _ = path;
    }
}

/// The observer that does not listen.
impl Observer for () {}

/// What is known about a batch once it is sampled and scored.
#[derive(Clone, Debug, Default, PartialEq, DeriveSerialize, Deserialize)]
pub(crate) struct RolloutStats {
    /// Metrics by name.
    pub(crate) values: Vec<(String, f64)>,
    /// Tokens of prompts and completions.
    pub(crate) tokens: u64,
    /// Tokens of completions alone.
    #[serde(default)]
    pub(crate) generated: u64,
    pub(crate) seconds: Seconds,
}

/// Where the time of a step went.
#[derive(Clone, Copy, Debug, Default, PartialEq, DeriveSerialize, Deserialize)]
pub(crate) struct Seconds {
    pub(crate) rollout: f64,
    pub(crate) reward: f64,
    pub(crate) training: f64,
    /// After the training, for the rollout of the next step.
    #[serde(default)]
    pub(crate) waiting: f64,
}

/// One pass over a batch; fractions and means are over its tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, DeriveSerialize, Deserialize)]
pub(crate) struct PassStats {
    pub(crate) loss: f64,
    pub(crate) grad_norm: f64,
    pub(crate) entropy: f64,
    pub(crate) kl: f64,
    pub(crate) clip_low: f64,
    pub(crate) clip_high: f64,
    #[serde(default)]
    pub(crate) clip_delta: f64,
}

fn entry(name: &str, value: f64) -> (String, f64) {
    (name.to_owned(), value)
}
