//! Backward pass of attention.

use burn::{
    backend::{
        Autodiff,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
    },
    tensor::{backend::AutodiffBackend, ops::FloatTensor},
};

use super::register;
use crate::{bounds::SeqBounds, lm_ops::LmOps};

#[derive(Debug)]
struct Attention {
    bounds: SeqBounds,
    scale: f64,
}

/// What the forward pass leaves for the backward pass.
#[derive(Clone, Debug)]
struct Saved<T> {
    qkv: [T; 3],
    out: T,
    lse: T,
}

impl<B: LmOps> Backward<B, 3> for Attention {
    type State = Saved<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let Saved { qkv, out, lse } = ops.state;
        let parents = ops.parents.map(|node| node.map(|node| node.id));
        let found = B::lm_attention_bwd(qkv, out, lse, &self.bounds, self.scale, grad);
        for (parent, grad) in parents.into_iter().zip(found) {
            register::<B>(grads, parent, grad);
        }
    }
}

pub(super) fn attention<B: LmOps, C: CheckpointStrategy>(
    qkv: [FloatTensor<Autodiff<B, C>>; 3],
    bounds: &SeqBounds,
    scale: f64,
) -> [FloatTensor<Autodiff<B, C>>; 2] {
    let op = Attention {
        bounds: bounds.clone(),
        scale,
    };
    let prep = op.prepare::<C>(qkv.each_ref().map(|x| x.node.clone()));
    let qkv = qkv.map(|x| x.primitive);
    let [q, k, v] = qkv.clone();
    let (out, lse) = B::lm_attention(q, k, v, bounds, scale);
    let untracked_lse = <Autodiff<B, C> as AutodiffBackend>::from_inner(lse.clone());
    let out = match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(
            Saved {
                qkv,
                out: out.clone(),
                lse,
            },
            out,
        ),
        OpsKind::UnTracked(prep) => prep.finish(out),
    };
    [out, untracked_lse]
}
