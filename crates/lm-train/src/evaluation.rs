//! Evaluation during training: the loss on samples that are not trained on.

use std::time::Instant;

use burn::tensor::Tensor;
use lm_kernels::LmOps;
use lm_model::Qwen3;
use tokio_util::sync::CancellationToken;

use crate::batching::{BatchLimits, EpochPlan};
use crate::config::BatchLayout;
use crate::gradients::read_scalars;
use crate::loss::target_log_probs;
use crate::metrics::Observer;
use crate::sample::{Sample, Sequence};

/// The samples of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct SftData<'a> {
    /// What is trained on.
    pub train: &'a [Sample],
    /// What is evaluated on, see [`SftConfig::eval_every`](crate::SftConfig::eval_every); may be empty.
    pub eval: &'a [Sample],
}

impl<'a> From<&'a [Sample]> for SftData<'a> {
    fn from(train: &'a [Sample]) -> Self {
        Self { train, eval: &[] }
    }
}

impl<'a> From<&'a Vec<Sample>> for SftData<'a> {
    fn from(train: &'a Vec<Sample>) -> Self {
        Self::from(train.as_slice())
    }
}

impl<'a, const N: usize> From<&'a [Sample; N]> for SftData<'a> {
    fn from(train: &'a [Sample; N]) -> Self {
        Self::from(train.as_slice())
    }
}

/// The loss of a model on some sequences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    /// Mean negative log-likelihood of a target, in nats.
    pub(crate) loss: f64,
    /// Mean entropy at a target, in nats.
    pub(crate) entropy: f64,
    /// Targets.
    pub(crate) targets: u64,
    /// Seconds it took.
    pub(crate) seconds: f64,
}

/// Scores `sequences` in their order, in micro-batches of the run's limits; `None` as soon as `stop` is cancelled.
pub(crate) fn score<B: LmOps>(
    model: &Qwen3<B>,
    sequences: &[Sequence<'_>],
    limits: BatchLimits,
    layout: BatchLayout,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Option<Score> {
    let begun = Instant::now();
    let lengths: Vec<usize> = sequences.iter().map(|s| s.ids.len()).collect();
    let plan = EpochPlan::new(&lengths, limits, 1, None, 0);
    let mut sums = [0.0; 2];
    for step in 0..plan.steps() {
        observer.on_micro_batch(step, plan.steps());
        if stop.is_cancelled() {
            return None;
        }
        let indices = plan.step(step).concat();
        let batch: Vec<Sequence<'_>> = indices.iter().map(|&i| sequences[i]).collect();
        let scored = target_log_probs(model, &batch, layout);
        let parts = vec![scored.log_probs.sum(), scored.entropy.sum()];
        for (sum, part) in sums.iter_mut().zip(read_scalars(Tensor::cat(parts, 0))) {
            *sum += part;
        }
    }
    let targets: usize = sequences.iter().map(Sequence::targets).sum();
    let mean = |sum: f64| sum / targets as f64;
    Some(Score {
        loss: -mean(sums[0]),
        entropy: mean(sums[1]),
        targets: targets as u64,
        seconds: begun.elapsed().as_secs_f64(),
    })
}
