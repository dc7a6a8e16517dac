//! The metrics of a step whose passes are done.

use super::{PassStats, Seconds, StepMetrics, entry};
use crate::advantages::mean;
use crate::batch::{Batch, Trajectory};
use crate::correction::EngineWeight;

/// What the trainer knows besides the batch when a step is complete.
pub(crate) struct StepFacts {
    pub(crate) global_step: usize,
    pub(crate) total_steps: usize,
    pub(crate) epoch: f64,
    pub(crate) num_tokens: u64,
    pub(crate) learning_rate: f64,
    /// Whether the objective has a KL penalty.
    pub(crate) penalised: bool,
    /// Whether the ratio of negative advantages is bounded.
    pub(crate) two_sided: bool,
    pub(crate) correction: EngineWeight,
    /// Updates of a pass over the batch.
    pub(crate) mini_batches: usize,
    /// Whether batches may be older than the policy.
    pub(crate) may_be_stale: bool,
}

/// All metrics of a step.
pub(crate) fn step_metrics(batch: &Batch, facts: &StepFacts) -> StepMetrics {
    let average = |value| mean(&over_passes(batch, value));
    let mut values = vec![
        entry("loss", average(|p| p.loss)),
        entry("grad_norm", average(|p| p.grad_norm)),
        entry("learning_rate", facts.learning_rate),
        entry("epoch", facts.epoch),
        entry("num_tokens", facts.num_tokens as f64),
        entry("entropy", average(|p| p.entropy)),
    ];
    values.extend(clip_metrics(batch, facts.two_sided));
    if facts.penalised {
        values.push(entry("kl", average(|p| p.kl)));
    }
    values.extend(batch.rollout.values.iter().cloned());
    values.extend(sampling_metrics(&batch.trajectories, facts.correction));
    if facts.may_be_stale {
        values.push(entry("sampling/staleness", batch.staleness as f64));
    }
    values.extend(time_metrics(batch));
    values.extend(throughput(batch, facts.mini_batches));
    StepMetrics {
        global_step: facts.global_step,
        total_steps: facts.total_steps,
        values,
    }
}

fn over_passes(batch: &Batch, value: fn(&PassStats) -> f64) -> Vec<f64> {
    batch.passes.iter().map(value).collect()
}

fn clip_metrics(batch: &Batch, two_sided: bool) -> Vec<(String, f64)> {
    let shares = |value| over_passes(batch, value);
    let (low, high) = (shares(|p| p.clip_low), shares(|p| p.clip_high));
    let least = low.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = high.iter().copied().fold(0.0, f64::max);
    let mut values = vec![
        entry("clip_ratio/region_mean", mean(&low) + mean(&high)),
        entry("clip_ratio/low_mean", mean(&low)),
        entry("clip_ratio/low_min", least),
        entry("clip_ratio/high_mean", mean(&high)),
        entry("clip_ratio/high_max", greatest),
    ];
    if two_sided {
        let delta = mean(&shares(|p| p.clip_delta));
        values.push(entry("clip_ratio/delta_mean", delta));
    }
    values
}

/// How far the log-probabilities of engine and trainer are apart.
fn sampling_metrics(trajectories: &[Trajectory], weight: EngineWeight) -> Vec<(String, f64)> {
    let of_completions = trajectories.iter().map(|t| t.engine_log_ratios(&t.old));
    let of_completions: Vec<Vec<f64>> = of_completions.filter(|all| !all.is_empty()).collect();
    if of_completions.is_empty() {
        return Vec::new();
    }
    let differences = of_completions.iter().flatten().map(|x| x.abs());
    let differences: Vec<f64> = differences.collect();
    let ratios = of_completions.iter().flat_map(|all| weight.distinct(all));
    let ratios: Vec<f64> = ratios.collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = |xs: &[f64]| xs.iter().copied().fold(0.0, f64::max);
    let (difference, ratio) = (
        "sampling/sampling_logp_difference",
        "sampling/importance_sampling_ratio",
    );
    vec![
        entry(&format!("{difference}/mean"), mean(&differences)),
        entry(&format!("{difference}/max"), greatest(&differences)),
        entry(&format!("{ratio}/min"), least),
        entry(&format!("{ratio}/mean"), mean(&ratios)),
        entry(&format!("{ratio}/max"), greatest(&ratios)),
    ]
}

fn time_metrics(batch: &Batch) -> Vec<(String, f64)> {
    let seconds = batch.rollout.seconds;
    // Beside the training of the step before.
    let (rollout, reward) = match batch.staleness {
        0 => (seconds.rollout, seconds.reward),
        _ => (0.0, 0.0),
    };
    let rollout = rollout + seconds.waiting;
    let total = rollout + reward + seconds.training;
    vec![
        entry("step_time", total),
        entry("time/rollout_share", per(rollout, total)),
        entry("time/reward_share", per(reward, total)),
        entry("time/training_share", per(seconds.training, total)),
    ]
}

fn throughput(batch: &Batch, mini_batches: usize) -> Vec<(String, f64)> {
    let Seconds {
        rollout, training, ..
    } = batch.rollout.seconds;
    let generated = batch.rollout.generated as f64;
    let passes = batch.passes.len() / mini_batches;
    let trained = (batch.counted_tokens(batch.whole()) * passes) as f64;
    vec![
        entry("rollout_tokens_per_second", per(generated, rollout)),
        entry("training_tokens_per_second", per(trained, training)),
    ]
}

/// The quotient; 0 of nothing.
fn per(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
