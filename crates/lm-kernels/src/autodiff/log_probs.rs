//! Backward pass of the log-probabilities of given tokens.

use burn::{
    backend::{
        Autodiff,
        autodiff::{
            NodeId,
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
    },
    tensor::{
        backend::{AutodiffBackend, Backend, BackendTypes},
        ops::{FloatTensor, IntTensor},
    },
};

use super::register;
use crate::convert::{primitive, stacked, tensor};
use crate::lm_ops::LmOps;
use crate::types::{EntropyGrad, LogProbsGrad, LogitsLeft, Needs};

/// The node of the log-probabilities, `[T]`.
#[derive(Debug)]
struct LinearLogProbs {
    temperature: f64,
}

/// The node of log-probabilities and entropies, `[2, T]`.
#[derive(Debug)]
struct WithEntropy {
    temperature: f64,
}

/// What the backward pass is given.
#[derive(Clone, Debug)]
struct Saved<F, I> {
    x: F,
    weight: F,
    left: LogitsLeft<F>,
    targets: I,
}

impl<B: LmOps> Backward<B, 2> for LinearLogProbs {
    type State = Saved<FloatTensor<B>, IntTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = LogProbsGrad::of_log_probs(grads.consume::<B>(&ops.node));
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        ops.state
            .propagate::<B>(self.temperature, grad, parents, grads);
    }
}

impl<B: LmOps> Backward<B, 2> for WithEntropy {
    /// And the entropies.
    type State = (Saved<FloatTensor<B>, IntTensor<B>>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = tensor::<B, 2>(grads.consume::<B>(&ops.node));
        let row = |i| primitive(grad.clone().narrow(0, i, 1).squeeze_dim::<1>(0));
        let (saved, entropy) = ops.state;
        let grad = LogProbsGrad {
            log_probs: row(0),
            entropy: Some(EntropyGrad {
                entropy,
                grad: row(1),
            }),
        };
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        saved.propagate::<B>(self.temperature, grad, parents, grads);
    }
}

impl<F, I> Saved<F, I> {
    /// Propagates the gradients to the parents, activations and weight.
    fn propagate<B>(
        self,
        temperature: f64,
        grad: LogProbsGrad<F>,
        [to_x, to_weight]: [Option<NodeId>; 2],
        grads: &mut Gradients,
    ) where
        B: LmOps + BackendTypes<FloatTensorPrimitive = F, IntTensorPrimitive = I>,
    {
        let needs = Needs {
            x: to_x.is_some(),
            weight: to_weight.is_some(),
        };
        let (x, weight) = (self.x, self.weight);
        let (targets, left) = (self.targets, self.left);
        let found = B::lm_linear_log_probs_bwd(x, weight, targets, left, temperature, grad, needs);
        for (parent, grad) in [(to_x, found.x), (to_weight, found.weight)] {
            if let Some(grad) = grad {
                register::<B>(grads, parent, grad);
            }
        }
    }
}

/// The forward pass in front of a backward pass: log-probabilities and entropies, and what is kept for the latter.
#[expect(
    clippy::type_complexity,
    reason = "the results of the operation and the state of its node"
)]
fn kept<B: LmOps>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    targets: IntTensor<B>,
    temperature: f64,
) -> ([FloatTensor<B>; 2], Saved<FloatTensor<B>, IntTensor<B>>) {
    let inputs = (x.clone(), weight.clone(), targets.clone());
    let (scored, left) = B::lm_linear_log_probs(x, weight, targets, temperature, true);
    let (x, weight, targets) = inputs;
    let saved = Saved {
        x,
        weight,
        left,
        targets,
    };
    (scored, saved)
}

/// A tensor without a gradient.
fn untracked<B: Backend, C: CheckpointStrategy>(x: FloatTensor<B>) -> FloatTensor<Autodiff<B, C>> {
    <Autodiff<B, C> as AutodiffBackend>::from_inner(x)
}

#[expect(clippy::type_complexity, reason = "the results of the operation")]
pub(super) fn linear_log_probs<B: LmOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    targets: IntTensor<B>,
    temperature: f64,
) -> (
    [FloatTensor<Autodiff<B, C>>; 2],
    LogitsLeft<FloatTensor<Autodiff<B, C>>>,
) {
    let op = LinearLogProbs { temperature };
    let prep = op.prepare::<C>([x.node.clone(), weight.node.clone()]);
    let (x, weight) = (x.primitive, weight.primitive);
    let (log_probs, entropy, lse) = match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let ([log_probs, entropy], saved) = kept::<B>(x, weight, targets, temperature);
            let lse = saved.left.lse.clone();
            (prep.finish(saved, log_probs), entropy, lse)
        }
        OpsKind::UnTracked(prep) => {
            let ([log_probs, entropy], left) =
                B::lm_linear_log_probs(x, weight, targets, temperature, false);
            (prep.finish(log_probs), entropy, left.lse)
        }
    };
    let left = LogitsLeft {
        lse: untracked::<B, C>(lse),
        logits: None,
    };
    ([log_probs, untracked::<B, C>(entropy)], left)
}

pub(super) fn with_entropy<B: LmOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    targets: IntTensor<B>,
    temperature: f64,
) -> FloatTensor<Autodiff<B, C>> {
    let op = WithEntropy { temperature };
    let prep = op.prepare::<C>([x.node.clone(), weight.node.clone()]);
    let (x, weight) = (x.primitive, weight.primitive);
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let ([log_probs, entropy], saved) = kept::<B>(x, weight, targets, temperature);
            let both = stacked::<B>([log_probs, entropy.clone()]);
            prep.finish((saved, entropy), both)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::lm_linear_log_probs_and_entropy(
            x,
            weight,
            targets,
            temperature,
        )),
    }
}
