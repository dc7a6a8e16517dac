//! Hand-written backward passes for any backend.
//!
//! Each operation becomes one node of the graph. Its state holds the inputs that the backward pass needs (cheap
//! handles), and the work for a parent without gradient is skipped.

mod attention;
mod linear;
mod log_probs;
mod pointwise;

use burn::{
    backend::{
        Autodiff,
        autodiff::{NodeId, checkpoint::strategy::CheckpointStrategy, grads::Gradients},
    },
    tensor::{
        DType,
        backend::{AutodiffBackend, Backend},
        ops::{FloatTensor, IntTensor, QuantizedTensor},
    },
};

use crate::{
    bounds::SeqBounds,
    lm_ops::LmOps,
    sampling::SampleRow,
    types::{AdamW, CacheRow, HeadGrads, LogitsLeft, Needs},
};

impl<B: LmOps, C: CheckpointStrategy> LmOps for Autodiff<B, C> {
    fn lm_activations(weights: DType) -> DType {
        B::lm_activations(weights)
    }

    fn lm_rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f64) -> FloatTensor<Self> {
        pointwise::rms_norm::<B, C>(x, weight, eps)
    }

    fn lm_norm_rope(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        pointwise::norm_rope::<B, C>(x, weight, cos.primitive, sin.primitive, eps)
    }

    fn lm_rope(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        pointwise::rope::<B, C>(x, cos.primitive, sin.primitive)
    }

    fn lm_swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        pointwise::swiglu::<B, C>(gate, up)
    }

    fn lm_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::linear::<B, C>(x, weight)
    }

    fn lm_embedding(weight: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        linear::embedding::<B, C>(weight, ids)
    }

    /// # Panics
    /// If `x` asks for a gradient, which would be lost silently.
    fn lm_linear_quantized(
        x: FloatTensor<Self>,
        weight: QuantizedTensor<Self>,
    ) -> FloatTensor<Self> {
        assert!(
            !x.is_tracked(),
            "linear: a quantised weight passes no gradient on"
        );
        Self::from_inner(B::lm_linear_quantized(Self::inner(x), weight))
    }

    fn lm_embedding_quantized(
        weight: QuantizedTensor<Self>,
        ids: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::from_inner(B::lm_embedding_quantized(weight, ids))
    }

    fn lm_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bounds: &SeqBounds,
        scale: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [out, lse] = attention::attention::<B, C>([q, k, v], bounds, scale);
        (out, lse)
    }

    /// Hands out no logits: the node of the graph holds those that its backward pass needs.
    fn lm_linear_log_probs(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
        _: bool,
    ) -> ([FloatTensor<Self>; 2], LogitsLeft<FloatTensor<Self>>) {
        log_probs::linear_log_probs::<B, C>(x, weight, targets, temperature)
    }

    fn lm_linear_log_probs_and_entropy(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
    ) -> FloatTensor<Self> {
        log_probs::with_entropy::<B, C>(x, weight, targets, temperature)
    }

    /// The gradients are results like others: nothing flows back through any of them.
    fn lm_linear_log_probs_with_grads(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
        grad: FloatTensor<Self>,
        needs: Needs,
    ) -> ([FloatTensor<Self>; 2], HeadGrads<FloatTensor<Self>>) {
        let [x, weight, grad] = [x, weight, grad].map(Self::inner);
        let (scored, grads) =
            B::lm_linear_log_probs_with_grads(x, weight, targets, temperature, grad, needs);
        (scored.map(Self::from_inner), grads.map(Self::from_inner))
    }

    fn lm_adamw(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        hp: &AdamW,
    ) -> [FloatTensor<Self>; 3] {
        let [param, grad, m, v] = [param, grad, m, v].map(Self::inner);
        B::lm_adamw(param, grad, m, v, hp).map(Self::from_inner)
    }

    fn lm_cached_attention(
        qkv: [FloatTensor<Self>; 3],
        cache: [FloatTensor<Self>; 2],
        rows: &[CacheRow],
        scale: f64,
    ) -> (FloatTensor<Self>, [FloatTensor<Self>; 2]) {
        let (qkv, cache) = (qkv.map(Self::inner), cache.map(Self::inner));
        let (out, cache) = B::lm_cached_attention(qkv, cache, rows, scale);
        (Self::from_inner(out), cache.map(Self::from_inner))
    }

    fn lm_copy_slot(
        half: FloatTensor<Self>,
        from: usize,
        to: &[usize],
        len: usize,
    ) -> FloatTensor<Self> {
        Self::from_inner(B::lm_copy_slot(Self::inner(half), from, to, len))
    }

    fn lm_sample(
        logits: FloatTensor<Self>,
        rows: &[SampleRow],
    ) -> (IntTensor<Self>, FloatTensor<Self>) {
        let (ids, log_probs) = B::lm_sample(Self::inner(logits), rows);
        (ids, Self::from_inner(log_probs))
    }
}

/// Adds `grad` to a parent that wants one.
fn register<B: Backend>(grads: &mut Gradients, parent: Option<NodeId>, grad: FloatTensor<B>) {
    if let Some(id) = parent {
        grads.register::<B>(id, grad);
    }
}
