//! Backward passes of the normalisations, the rotary embedding and SwiGLU.

use burn::{
    backend::{
        Autodiff,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
    },
    tensor::ops::FloatTensor,
};

use super::register;
use crate::lm_ops::LmOps;

#[derive(Debug)]
struct RmsNorm {
    eps: f64,
}

impl<B: LmOps> Backward<B, 2> for RmsNorm {
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [x, weight] = ops.state;
        let [to_x, to_weight] = ops.parents.map(|node| node.map(|node| node.id));
        let (dx, dweight) = B::lm_rms_norm_bwd(x, weight, self.eps, grad);
        register::<B>(grads, to_x, dx);
        register::<B>(grads, to_weight, dweight);
    }
}

pub(super) fn rms_norm<B: LmOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    eps: f64,
) -> FloatTensor<Autodiff<B, C>> {
    let prep = RmsNorm { eps }.prepare::<C>([x.node.clone(), weight.node.clone()]);
    let inputs = [x.primitive.clone(), weight.primitive.clone()];
    let output = B::lm_rms_norm(x.primitive, weight.primitive, eps);
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(inputs, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

#[derive(Debug)]
struct NormRope {
    eps: f64,
}

impl<B: LmOps> Backward<B, 2> for NormRope {
    /// Input, weight, cosines and sines.
    type State = [FloatTensor<B>; 4];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [x, weight, cos, sin] = ops.state;
        let [to_x, to_weight] = ops.parents.map(|node| node.map(|node| node.id));
        let (dx, dweight) = B::lm_norm_rope_bwd(x, weight, cos, sin, self.eps, grad);
        register::<B>(grads, to_x, dx);
        register::<B>(grads, to_weight, dweight);
    }
}

pub(super) fn norm_rope<B: LmOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
    eps: f64,
) -> FloatTensor<Autodiff<B, C>> {
    let prep = NormRope { eps }.prepare::<C>([x.node.clone(), weight.node.clone()]);
    let inputs = [
        x.primitive.clone(),
        weight.primitive.clone(),
        cos.clone(),
        sin.clone(),
    ];
    let output = B::lm_norm_rope(x.primitive, weight.primitive, cos, sin, eps);
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(inputs, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

#[derive(Debug)]
struct Rope;

impl<B: LmOps> Backward<B, 1> for Rope {
    /// Cosines and sines.
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [cos, sin] = ops.state;
        let [to_x] = ops.parents.map(|node| node.map(|node| node.id));
        register::<B>(grads, to_x, B::lm_rope(grad, cos, B::float_neg(sin)));
    }
}

pub(super) fn rope<B: LmOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let prep = Rope.prepare::<C>([x.node.clone()]);
    let angles = [cos.clone(), sin.clone()];
    let output = B::lm_rope(x.primitive, cos, sin);
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(angles, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

#[derive(Debug)]
struct Swiglu;

impl<B: LmOps> Backward<B, 2> for Swiglu {
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [gate, up] = ops.state;
        let [to_gate, to_up] = ops.parents.map(|node| node.map(|node| node.id));
        let (dgate, dup) = B::lm_swiglu_bwd(gate, up, grad);
        register::<B>(grads, to_gate, dgate);
        register::<B>(grads, to_up, dup);
    }
}

pub(super) fn swiglu<B: LmOps, C: CheckpointStrategy>(
    gate: FloatTensor<Autodiff<B, C>>,
    up: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let prep = Swiglu.prepare::<C>([gate.node.clone(), up.node.clone()]);
    let inputs = [gate.primitive.clone(), up.primitive.clone()];
    let output = B::lm_swiglu(gate.primitive, up.primitive);
    match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(inputs, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
