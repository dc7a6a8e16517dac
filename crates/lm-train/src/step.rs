//! The gradients of one optimizer step, from several micro-batches.

use std::time::{Duration, Instant};

use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{DType, Tensor};
use lm_kernels::TrainBackend;
use lm_kernels::ops::TokenLogProbs;
use lm_model::Qwen3;

use crate::gradients::read_scalars;
use crate::loss::scoring;
use crate::team::Team;
use crate::{
    BatchLayout, GradientAccumulator, ParamGradients, Recompute, Sequence, backpropagate_known,
};

/// One optimizer step, ready to be applied.
pub(crate) struct Accumulated<B: AutodiffBackend> {
    pub(crate) gradients: ParamGradients<B::InnerBackend>,
    /// What each micro-batch adds to the mean loss of the step, `[1]` each.
    pub(crate) losses: Vec<Tensor<B::InnerBackend, 1>>,
    /// What each micro-batch adds to the mean entropy of the step, `[1]` each.
    pub(crate) entropies: Vec<Tensor<B::InnerBackend, 1>>,
    /// Tokens of the step, prompts included.
    pub(crate) tokens: u64,
    pub(crate) times: PassTimes,
}

/// How long the passes of one worker took, all micro-batches together; the backward pass of the head, which is done with its
/// forward pass, belongs to the latter. Where the device computes asynchronously, until they were queued.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PassTimes {
    pub(crate) forward: Duration,
    pub(crate) backward: Duration,
}

/// What one transfer from the device says about a step.
pub(crate) struct Measured {
    pub(crate) loss: f64,
    pub(crate) entropy: f64,
    pub(crate) grad_norm: f64,
}

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

/// Runs `model` forward and backward over this worker's share of the micro-batches; `None` if `should_stop` says so
/// before one of them.
///
/// Every micro-batch is divided by the number of targets of the whole step, so that the sum over micro-batches
/// and workers is the token mean of the step.
pub(crate) fn accumulate<B: TrainBackend>(
    model: &Qwen3<B>,
    batches: &StepBatches<'_>,
    team: Team,
    should_stop: impl Fn() -> bool,
) -> Option<Accumulated<B>> {
    let share_of_target = -1.0 / batches.targets() as f64;
    let mut gradients = GradientAccumulator::<B>::new();
    let (mut losses, mut entropies) = (Vec::new(), Vec::new());
    let mut times = PassTimes::default();
    for batch in &batches.micro_batches {
        if should_stop() {
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

impl<B: AutodiffBackend> Accumulated<B> {
    /// Reads loss, entropy and gradient norm in a single transfer.
    pub(crate) fn measure(&self) -> Measured {
        let parts = self
            .losses
            .iter()
            .chain(&self.entropies)
            .cloned()
            .chain(self.gradients.square_norms());
        let values = read_scalars(Tensor::cat(parts.collect(), 0));
        let (losses, rest) = values.split_at(self.losses.len());
        let (entropies, squares) = rest.split_at(self.entropies.len());
        Measured {
            loss: losses.iter().sum(),
            entropy: entropies.iter().sum(),
            grad_norm: squares.iter().sum::<f64>().sqrt(),
        }
    }
}
