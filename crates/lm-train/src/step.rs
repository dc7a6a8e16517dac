//! The gradients of one optimizer step, from several micro-batches.

use std::time::{Duration, Instant};

use burn::tensor::{DType, Tensor};
use lm_kernels::TrainBackend;
use lm_kernels::ops::TokenLogProbs;
use lm_model::Qwen3;
use tokio_util::sync::CancellationToken;

use crate::accumulated::{Accumulated, PassTimes};
use crate::backprop::{Recompute, backpropagate_known};
use crate::config::BatchLayout;
use crate::gradients::GradientAccumulator;
use crate::loss::scoring;
use crate::metrics::Observer;
use crate::sample::Sequence;
use crate::team::Team;

/// The micro-batches of one optimizer step, those of all workers together.
pub(crate) struct StepBatches<'a> {
    pub(crate) micro_batches: Vec<Vec<Sequence<'a>>>,
    pub(crate) layout: BatchLayout,
    pub(crate) recompute: Recompute,
}

impl StepBatches<'_> {
    fn sequences(&self) -> impl Iterator<Item = &Sequence<'_>> {
        self.micro_batches.iter().flatten()
    }

    /// Tokens that the loss is taken on.
    pub(crate) fn targets(&self) -> usize {
        self.sequences().map(Sequence::targets).sum()
    }

    /// Tokens of all sequences, prompts included.
    pub(crate) fn tokens(&self) -> usize {
        self.sequences().map(|s| s.ids.len()).sum()
    }

    /// Tokens of every sequence that are computed: all but its last, which is only a target.
    pub(crate) fn lengths(&self) -> Vec<usize> {
        self.sequences().map(|s| s.ids.len() - 1).collect()
    }
}

/// Runs `model` forward and backward over this worker's share of the micro-batches; `None` if `stop` is cancelled
/// before one of them.
///
/// Every micro-batch is divided by the number of targets of the whole step, so that the sum over micro-batches
/// and workers is the token mean of the step.
pub(crate) fn accumulate<B: TrainBackend>(
    model: &Qwen3<B>,
    batches: &StepBatches<'_>,
    team: Team<'_, B::InnerBackend>,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Option<Accumulated<B>> {
    let share_of_target = -1.0 / batches.targets() as f64;
    let mut gradients = GradientAccumulator::<B>::new();
    let (mut losses, mut entropies) = (Vec::new(), Vec::new());
    let mut times = PassTimes::default();
    for (index, batch) in batches.micro_batches.iter().enumerate() {
        observer.on_micro_batch(index, batches.micro_batches.len());
        if stop.is_cancelled() {
            return None;
        }
        let share = team.share(batch);
        if share.is_empty() {
            continue;
        }
        let begun = Instant::now();
        let mut forward = Duration::ZERO;
        let scoring = scoring(model, &share, batches.layout);
        // The loss of a target is minus its log-probability.
        let targets = scoring.targets.dims();
        let gradient = Tensor::full(targets, share_of_target, (&model.device(), DType::F32));
        let scored = |scored: TokenLogProbs<B::InnerBackend>| {
            forward = begun.elapsed();
            losses.push(scored.log_probs.sum().mul_scalar(share_of_target));
            entropies.push(scored.entropy.sum().mul_scalar(-share_of_target));
        };
        let recompute = batches.recompute;
        backpropagate_known(model, scoring, recompute, gradient, scored, &mut gradients);
        times.forward += forward;
        times.backward += begun.elapsed() - forward;
    }
    Some(Accumulated {
        gradients: gradients.finish(),
        losses,
        entropies,
        tokens: batches.tokens() as u64,
        times,
    })
}
