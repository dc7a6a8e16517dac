//! Backward pass of the log-probabilities of given tokens.

use burn::{
    backend::{
        Autodiff,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
    },
    tensor::{
        backend::AutodiffBackend,
        ops::{FloatTensor, IntTensor},
    },
};

use super::register;
use crate::{LmOps, LogitsLeft, Needs};

#[derive(Debug)]
struct LinearLogProbs {
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
        let grad = grads.consume::<B>(&ops.node);
        let Saved {
            x,
            weight,
            left,
            targets,
        } = ops.state;
        let [to_x, to_weight] = ops.parents.map(|node| node.map(|node| node.id));
        let needs = Needs {
            x: to_x.is_some(),
            weight: to_weight.is_some(),
        };
        let (dx, dweight) =
            B::lm_linear_log_probs_bwd(x, weight, targets, left, self.temperature, grad, needs);
        for (parent, grad) in [(to_x, dx), (to_weight, dweight)] {
            if let Some(grad) = grad {
                register::<B>(grads, parent, grad);
            }
        }
    }
}

pub(super) fn linear_log_probs<B: LmOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    targets: IntTensor<B>,
    temperature: f64,
) -> [FloatTensor<Autodiff<B, C>>; 3] {
    let op = LinearLogProbs { temperature };
    let prep = op.prepare::<C>([x.node.clone(), weight.node.clone()]);
    let (x, weight) = (x.primitive, weight.primitive);
    let untracked = <Autodiff<B, C> as AutodiffBackend>::from_inner;
    let inputs = (x.clone(), weight.clone(), targets.clone());
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let ([log_probs, entropy, lse], logits) =
                B::lm_linear_log_probs_kept(x, weight, targets, temperature);
            let (x, weight, targets) = inputs;
            let left = LogitsLeft {
                lse: lse.clone(),
                logits,
            };
            let saved = Saved {
                x,
                weight,
                left,
                targets,
            };
            let log_probs = prep.finish(saved, log_probs);
            [log_probs, untracked(entropy), untracked(lse)]
        }
        OpsKind::UnTracked(prep) => {
            let [log_probs, entropy, lse] = B::lm_linear_log_probs(x, weight, targets, temperature);
            let log_probs = prep.finish(log_probs);
            [log_probs, untracked(entropy), untracked(lse)]
        }
    }
}
