//! What a run reports, and who listens.

use std::path::Path;

use serde::Serialize;

use crate::resume::SetAside;

/// The numbers of one optimizer step. Names are TRL's where TRL has the metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepMetrics {
    /// Mean negative log-likelihood of the step's target tokens, in nats.
    pub loss: f64,
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Mean entropy of the predicted distributions at the target tokens, in nats.
    pub entropy: f64,
    /// Passes over the samples so far, with the fraction of the current one.
    pub epoch: f64,
    /// Steps so far, this one included.
    pub global_step: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Tokens trained on so far, prompts included.
    pub num_tokens: u64,
    /// Tokens of this step, prompts included, per second of it.
    pub tokens_per_second: f64,
    /// Seconds of this step, without checkpoints and reports.
    pub step_time: f64,
    /// Seconds of the step's forward passes, and of the head's part of the backward pass. On a device that computes
    /// asynchronously, this and the next are the time until a pass was queued.
    pub forward_time: f64,
    /// Seconds of its backward passes, with the forward passes that recomputation repeats.
    pub backward_time: f64,
    /// Seconds of the rest: exchange between workers, clipping and the update.
    pub optimizer_time: f64,
    /// Floating-point operations per second, in units of 10^12, that the model's matrix products and attention
    /// of this step amount to; recomputation does not count (see
    /// [`training_flops`](crate::training_flops)).
    pub model_tflops: f64,
    /// Model FLOPs utilisation (Chowdhery et al., *PaLM*, 2022, appendix B): `model_tflops` over the peak of the
    /// devices, from 0 to 1; absent unless [`SftConfig::peak_flops`](crate::SftConfig::peak_flops) is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfu: Option<f64>,
    /// Estimated seconds until the last step, from the mean step time of this process.
    pub eta_seconds: f64,
    /// Most memory the process has held so far, in bytes; absent where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

/// The numbers of one evaluation, under TRL's names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvalMetrics {
    /// Mean negative log-likelihood of the evaluation samples' target tokens, in nats.
    pub eval_loss: f64,
    /// Mean entropy of the predicted distributions at the target tokens, in nats.
    pub eval_entropy: f64,
    /// Target tokens that were scored.
    pub eval_num_tokens: u64,
    /// Seconds that the evaluation took.
    pub eval_runtime: f64,
    /// Optimizer steps before this evaluation.
    pub global_step: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Whether no evaluation before had a lower loss.
    pub is_best: bool,
}

/// Follows a run. Every method does nothing unless it is overridden; a listener that must end the run cancels the token
/// that the run was given.
pub trait Observer {
    /// Called after each reported step (see [`SftConfig::log_every`](crate::SftConfig::log_every)).
    fn on_step(&mut self, metrics: &StepMetrics) {
        let _ = metrics;
    }

    /// Called before micro-batch `index` (from 0) of the `count` of a step or an evaluation: a sign of life in a long
    /// one.
    fn on_micro_batch(&mut self, index: usize, count: usize) {
        let _ = (index, count);
    }

    /// Called after each evaluation.
    fn on_evaluation(&mut self, metrics: &EvalMetrics) {
        let _ = metrics;
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

/// The most physical memory this process has held, in bytes: `VmHWM` of Linux. `None` elsewhere.
pub fn peak_memory_bytes() -> Option<u64> {
    parse_peak(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_peak(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_status_file() {
        assert_eq!(
            parse_peak("VmPeak:\t  9 kB\nVmHWM:\t   2048 kB\n"),
            Some(2 << 20)
        );
        assert_eq!(parse_peak("VmPeak:\t  9 kB\n"), None);
        assert_eq!(parse_peak("VmHWM:\t lots\n"), None);
    }
}
