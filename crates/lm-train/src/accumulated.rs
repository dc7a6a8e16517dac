//! What the micro-batches of one optimizer step add up to.

use std::time::Duration;

use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;

use crate::gradients::{ParamGradients, read_scalars};

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

/// How long the passes of one worker took, all micro-batches together; the backward pass of the head, which is done
/// with its forward pass, belongs to the latter. Where the device computes asynchronously, until they were queued.
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
