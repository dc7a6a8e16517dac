//! What a run reports, and who listens. Names are TRL's where TRL has the metric.

use std::path::Path;

use lm_generate::Progress;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, Serialize as DeriveSerialize};

use crate::advantages::{mean, std};
use crate::batch::{Batch, Trajectory};
use crate::{Advantages, RewardValue};

/// The numbers of one step, by name.
///
/// Those of the optimizer (`loss`, `grad_norm`, `entropy`, `kl`, `clip_ratio/*`) are means over the passes of the step,
/// except that `clip_ratio/low_min` and `clip_ratio/high_max` are the least and the greatest of them. `kl` is absent
/// without a KL penalty, `completions/*_terminated_length` where no completion ended by itself, and
/// `sampling/*` where the rollout engine gave no log-probabilities. `time/*_share` are shares of `step_time`.
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

/// Follows a run and may end it.
pub trait Monitor {
    /// Called after each step.
    fn on_step(&mut self, metrics: &StepMetrics);

    /// Called after the completions of step `step` (from 1) were scored, before training on them.
    fn on_rollout(&mut self, _step: usize, _rows: &[CompletionRow<'_>]) {}

    /// Called after every decode step of a rollout.
    fn on_progress(&mut self, _progress: Progress) {}

    /// Called after a checkpoint has its final name.
    fn on_checkpoint(&mut self, _path: &Path) {}

    /// Asked after every decode step and before every micro-batch. After `true`, the run writes a checkpoint, from which
    /// it can be continued, and returns.
    fn should_stop(&self) -> bool {
        false
    }
}

/// The monitor that neither listens nor stops.
impl Monitor for () {
    fn on_step(&mut self, _metrics: &StepMetrics) {}
}

/// What is known about a batch once it is sampled and scored.
#[derive(Clone, Debug, Default, PartialEq, DeriveSerialize, Deserialize)]
pub(crate) struct RolloutStats {
    /// Metrics by name.
    pub(crate) values: Vec<(String, f64)>,
    /// Tokens of prompts and completions.
    pub(crate) tokens: u64,
    pub(crate) seconds: Seconds,
}

/// Where the time of a step went.
#[derive(Clone, Copy, Debug, Default, PartialEq, DeriveSerialize, Deserialize)]
pub(crate) struct Seconds {
    pub(crate) rollout: f64,
    pub(crate) reward: f64,
    pub(crate) training: f64,
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
}

/// The metrics of rewards and lengths. `truncated` is parallel to `rewards`.
pub(crate) fn rollout_metrics(
    rewards: &[RewardValue],
    advantages: &Advantages,
    lengths: &[usize],
    truncated: &[bool],
) -> Vec<(String, f64)> {
    let totals: Vec<f64> = rewards.iter().map(|reward| reward.total).collect();
    let groups = advantages.group_std.len().max(1) as f64;
    let mut values = vec![
        entry("reward", mean(&totals)),
        entry("reward_std", mean(&advantages.group_std)),
        entry(
            "frac_reward_zero_std",
            advantages.zero_std_groups as f64 / groups,
        ),
    ];
    for name in part_names(rewards) {
        let named = |r: &RewardValue| {
            r.parts
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, value)| *value)
        };
        let part: Vec<f64> = rewards.iter().filter_map(named).collect();
        values.push(entry(&format!("rewards/{name}/mean"), mean(&part)));
        values.push(entry(&format!("rewards/{name}/std"), std(&part)));
    }
    values.extend(length_metrics(lengths, truncated));
    values
}

/// The names of the components, in order of first appearance.
fn part_names(rewards: &[RewardValue]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rewards.iter().flat_map(|reward| &reward.parts) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

fn length_metrics(lengths: &[usize], truncated: &[bool]) -> Vec<(String, f64)> {
    let all: Vec<f64> = lengths.iter().map(|length| *length as f64).collect();
    let ended: Vec<f64> = all
        .iter()
        .zip(truncated)
        .filter(|(_, cut)| !**cut)
        .map(|(length, _)| *length)
        .collect();
    let clipped = (all.len() - ended.len()) as f64 / all.len().max(1) as f64;
    let mut values = vec![entry("completions/clipped_ratio", clipped)];
    for (suffix, lengths) in [("length", all), ("terminated_length", ended)] {
        if !lengths.is_empty() {
            let least = lengths.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = lengths.iter().copied().fold(0.0, f64::max);
            values.push(entry(&format!("completions/mean_{suffix}"), mean(&lengths)));
            values.push(entry(&format!("completions/min_{suffix}"), least));
            values.push(entry(&format!("completions/max_{suffix}"), greatest));
        }
    }
    values
}

/// What the trainer knows besides the batch when a step is complete.
pub(crate) struct StepFacts {
    pub(crate) global_step: usize,
    pub(crate) total_steps: usize,
    pub(crate) epoch: f64,
    pub(crate) num_tokens: u64,
    pub(crate) learning_rate: f64,
    /// Whether the objective has a KL penalty.
    pub(crate) penalised: bool,
}

/// All metrics of a step whose passes are done.
pub(crate) fn step_metrics(batch: &Batch, facts: &StepFacts) -> StepMetrics {
    let over_passes =
        |value: fn(&PassStats) -> f64| -> Vec<f64> { batch.passes.iter().map(value).collect() };
    let average = |value| mean(&over_passes(value));
    let mut values = vec![
        entry("loss", average(|p| p.loss)),
        entry("grad_norm", average(|p| p.grad_norm)),
        entry("learning_rate", facts.learning_rate),
        entry("epoch", facts.epoch),
        entry("num_tokens", facts.num_tokens as f64),
        entry("entropy", average(|p| p.entropy)),
        entry(
            "clip_ratio/region_mean",
            average(|p| p.clip_low + p.clip_high),
        ),
        entry("clip_ratio/low_mean", average(|p| p.clip_low)),
        entry(
            "clip_ratio/low_min",
            over_passes(|p| p.clip_low)
                .into_iter()
                .fold(f64::INFINITY, f64::min),
        ),
        entry("clip_ratio/high_mean", average(|p| p.clip_high)),
        entry(
            "clip_ratio/high_max",
            over_passes(|p| p.clip_high).into_iter().fold(0.0, f64::max),
        ),
    ];
    if facts.penalised {
        values.push(entry("kl", average(|p| p.kl)));
    }
    values.extend(batch.rollout.values.iter().cloned());
    values.extend(sampling_metrics(&batch.trajectories));
    values.extend(time_metrics(batch.rollout.seconds));
    StepMetrics {
        global_step: facts.global_step,
        total_steps: facts.total_steps,
        values,
    }
}

/// How far the log-probabilities of engine and trainer are apart.
fn sampling_metrics(trajectories: &[Trajectory]) -> Vec<(String, f64)> {
    let pairs = trajectories
        .iter()
        .flat_map(|t| t.sampled.iter().zip(&t.old));
    let differences: Vec<f64> = pairs.map(|(a, b)| f64::from((a - b).abs())).collect();
    if differences.is_empty() {
        return Vec::new();
    }
    let greatest = differences.iter().copied().fold(0.0, f64::max);
    vec![
        entry("sampling/sampling_logp_difference/mean", mean(&differences)),
        entry("sampling/sampling_logp_difference/max", greatest),
    ]
}

fn time_metrics(seconds: Seconds) -> Vec<(String, f64)> {
    let total = seconds.rollout + seconds.reward + seconds.training;
    let share = |part: f64| if total > 0.0 { part / total } else { 0.0 };
    vec![
        entry("step_time", total),
        entry("time/rollout_share", share(seconds.rollout)),
        entry("time/reward_share", share(seconds.reward)),
        entry("time/training_share", share(seconds.training)),
    ]
}

fn entry(name: &str, value: f64) -> (String, f64) {
    (name.to_owned(), value)
}
