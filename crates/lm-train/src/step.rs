//! The gradients of one optimizer step, from several micro-batches.

use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use lm_kernels::LmOps;
use lm_model::Qwen3;

use crate::gradients::read_scalars;
use crate::{GradientAccumulator, LossTerms, ParamGradients, Sequence, completion_loss};

/// One optimizer step, ready to be applied.
pub(crate) struct Accumulated<B: AutodiffBackend> {
    pub(crate) gradients: ParamGradients<B::InnerBackend>,
    /// What each micro-batch adds to the mean loss of the step, `[1]` each.
    losses: Vec<Tensor<B::InnerBackend, 1>>,
    /// What each micro-batch adds to the mean entropy of the step, `[1]` each.
    entropies: Vec<Tensor<B::InnerBackend, 1>>,
    /// Tokens of the step, prompts included.
    pub(crate) tokens: u64,
}

/// What one transfer from the device says about a step.
pub(crate) struct Measured {
    pub(crate) loss: f64,
    pub(crate) entropy: f64,
    pub(crate) grad_norm: f64,
}

/// Runs `model` forward and backward over `batches`; `None` if `should_stop` says so before one of them.
///
/// Every micro-batch is divided by the number of targets of all of them, so that their sum is the token
/// mean of the step.
pub(crate) fn accumulate<B>(
    model: &Qwen3<B>,
    batches: &[Vec<Sequence<'_>>],
    should_stop: impl Fn() -> bool,
) -> Option<Accumulated<B>>
where
    B: AutodiffBackend + LmOps,
{
    let targets = batches
        .iter()
        .flatten()
        .map(Sequence::targets)
        .sum::<usize>() as f64;
    let tokens: usize = batches
        .iter()
        .flatten()
        .map(|sequence| sequence.ids.len())
        .sum();
    let mut gradients = GradientAccumulator::<B>::new();
    let (mut losses, mut entropies) = (Vec::new(), Vec::new());
    for batch in batches {
        if should_stop() {
            return None;
        }
        let LossTerms { loss, entropy } = completion_loss(model, batch);
        let loss = loss.div_scalar(targets);
        gradients.add(model, loss.backward());
        losses.push(loss.inner());
        entropies.push(entropy.div_scalar(targets));
    }
    Some(Accumulated {
        gradients: gradients.finish(),
        losses,
        entropies,
        tokens: tokens as u64,
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
