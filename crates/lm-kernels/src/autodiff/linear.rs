//! Backward passes of linear layers and of the embedding table.

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
        TensorMetadata,
        ops::{FloatTensor, IntTensor},
    },
};

use super::register;
use crate::lm_ops::LmOps;

#[derive(Debug)]
struct Linear;

impl<B: LmOps> Backward<B, 2> for Linear {
    /// The input, kept only for the weight's gradient, and the weight, kept only for the input's.
    type State = (Option<FloatTensor<B>>, Option<FloatTensor<B>>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (x, weight) = ops.state;
        let [to_x, to_weight] = ops.parents.map(|node| node.map(|node| node.id));
        if let Some(x) = x {
            register::<B>(grads, to_weight, B::lm_linear_bwd_weight(x, grad.clone()));
        }
        if let Some(weight) = weight {
            register::<B>(grads, to_x, B::lm_linear_bwd_x(weight, grad));
        }
    }
}

pub(super) fn linear<B: LmOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let prep = Linear.prepare::<C>([x.node.clone(), weight.node.clone()]);
    let inputs = (
        weight.is_tracked().then(|| x.primitive.clone()),
        x.is_tracked().then(|| weight.primitive.clone()),
    );
    let output = B::lm_linear(x.primitive, weight.primitive);
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(inputs, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

#[derive(Debug)]
struct Embedding {
    vocab: usize,
}

impl<B: LmOps> Backward<B, 1> for Embedding {
    type State = IntTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [to_weight] = ops.parents.map(|node| node.map(|node| node.id));
        let dweight = B::lm_embedding_bwd(ops.state, self.vocab, grad);
        register::<B>(grads, to_weight, dweight);
    }
}

pub(super) fn embedding<B: LmOps, C: CheckpointStrategy>(
    weight: FloatTensor<Autodiff<B, C>>,
    ids: IntTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let vocab = weight.primitive.shape()[0];
    let prep = Embedding { vocab }.prepare::<C>([weight.node.clone()]);
    let output = B::lm_embedding(weight.primitive, ids.clone());
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(ids, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
