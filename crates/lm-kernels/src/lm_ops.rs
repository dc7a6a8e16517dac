//! The trait that a backend implements to run a language model.

use burn::tensor::{
    DType,
    backend::Backend,
    ops::{FloatTensor, IntTensor, QuantizedTensor},
};

use crate::{
    bounds::SeqBounds,
    convert::stacked,
    fallback,
    sampling::SampleRow,
    types::{AdamW, CacheRow, HeadGrads, LogProbsGrad, LogitsLeft, Needs},
};

/// The operations of a decoder-only transformer over a backend's primitives.
///
/// Methods are prefixed with `lm_` because `Backend` already has methods such as `linear` and `attention`. Shapes and
/// formulas are those of the functions in [`ops`](crate::ops); the default bodies are in [`mod@fallback`]. Each `_bwd`
/// takes the gradient `grad` of its operation's output and returns the gradients of the inputs, in their order.
///
/// An empty implementation is complete and correct.
pub trait LmOps: Backend {
    /// The type of hidden states that suits weights of type `weights` best: the same, as in PyTorch, unless the backend
    /// computes faster in another.
    fn lm_activations(weights: DType) -> DType {
        weights
    }

    /// See [`ops::rms_norm`](crate::ops::rms_norm).
    fn lm_rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f64) -> FloatTensor<Self> {
        fallback::rms_norm::<Self>(x, weight, eps)
    }

    /// Gradients of the input and of the weight of [`LmOps::lm_rms_norm`].
    fn lm_rms_norm_bwd(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        eps: f64,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        fallback::rms_norm_bwd::<Self>(x, weight, eps, grad)
    }

    /// See [`ops::norm_rope`](crate::ops::norm_rope).
    fn lm_norm_rope(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        fallback::norm_rope::<Self>(x, weight, cos, sin, eps)
    }

    /// Gradients of the input and of the weight of [`LmOps::lm_norm_rope`].
    fn lm_norm_rope_bwd(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        eps: f64,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        fallback::norm_rope_bwd::<Self>(x, weight, cos, sin, eps, grad)
    }

    /// See [`ops::rope`](crate::ops::rope). The gradient of the input is the same with the sines negated.
    fn lm_rope(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        fallback::rope::<Self>(x, cos, sin)
    }

    /// See [`ops::swiglu`](crate::ops::swiglu).
    fn lm_swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::swiglu::<Self>(gate, up)
    }

    /// Gradients of the two inputs of [`LmOps::lm_swiglu`].
    fn lm_swiglu_bwd(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        fallback::swiglu_bwd::<Self>(gate, up, grad)
    }

    /// See [`ops::linear`](crate::ops::linear).
    fn lm_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::linear::<Self>(x, weight)
    }

    /// See [`ops::linears`](crate::ops::linears).
    fn lm_linears(x: FloatTensor<Self>, weights: Vec<FloatTensor<Self>>) -> Vec<FloatTensor<Self>> {
        let product = |weight| Self::lm_linear(x.clone(), weight);
        weights.into_iter().map(product).collect()
    }

    /// [`LmOps::lm_linear`] with a quantised weight. There is no gradient.
    fn lm_linear_quantized(
        x: FloatTensor<Self>,
        weight: QuantizedTensor<Self>,
    ) -> FloatTensor<Self> {
        fallback::linear_quantized::<Self>(x, weight)
    }

    /// Gradient of the input of [`LmOps::lm_linear`]: `grad [T,Out] · weight [Out,In]`.
    fn lm_linear_bwd_x(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::linear_bwd_x::<Self>(weight, grad)
    }

    /// Gradient of the weight of [`LmOps::lm_linear`]: `gradᵀ [Out,T] · x [T,In]`.
    fn lm_linear_bwd_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::linear_bwd_weight::<Self>(x, grad)
    }

    /// See [`ops::embedding`](crate::ops::embedding).
    fn lm_embedding(weight: FloatTensor<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        fallback::embedding::<Self>(weight, ids)
    }

    /// [`LmOps::lm_embedding`] of a quantised table, in single precision. There is no gradient.
    fn lm_embedding_quantized(
        weight: QuantizedTensor<Self>,
        ids: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        fallback::embedding_quantized::<Self>(weight, ids)
    }

    /// Gradient of the table of [`LmOps::lm_embedding`], which has `vocab` rows.
    fn lm_embedding_bwd(
        ids: IntTensor<Self>,
        vocab: usize,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        fallback::embedding_bwd::<Self>(ids, vocab, grad)
    }

    /// See [`ops::attention`](crate::ops::attention). Also returns the logarithm of each row's softmax denominator,
    /// `[T, Hq]`, from which the backward pass recomputes the probabilities.
    fn lm_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bounds: &SeqBounds,
        scale: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        fallback::attention::<Self>([q, k, v], bounds, scale)
    }

    /// Gradients of `q`, `k` and `v` of [`LmOps::lm_attention`], given what it returned.
    fn lm_attention_bwd(
        qkv: [FloatTensor<Self>; 3],
        out: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        bounds: &SeqBounds,
        scale: f64,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        fallback::attention_bwd::<Self>(qkv, out, lse, bounds, scale, grad)
    }

    /// See [`ops::linear_log_probs`](crate::ops::linear_log_probs). Returns the log-probabilities and the entropies,
    /// `[T]` each, and what a backward pass needs of the logits.
    ///
    /// With `keep_logits`, which is for a forward pass in front of a backward pass, the logits are kept if that is
    /// worth the memory; without, they never are. The default body keeps none.
    fn lm_linear_log_probs(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
        keep_logits: bool,
    ) -> ([FloatTensor<Self>; 2], LogitsLeft<FloatTensor<Self>>) {
        let _ = keep_logits;
        fallback::linear_log_probs::<Self>(x, weight, targets, temperature)
    }

    /// Log-probabilities and entropies of [`LmOps::lm_linear_log_probs`] as one tensor `[2, T]`, both with a gradient
    /// where there are gradients.
    fn lm_linear_log_probs_and_entropy(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
    ) -> FloatTensor<Self> {
        let (rows, _) = Self::lm_linear_log_probs(x, weight, targets, temperature, false);
        stacked::<Self>(rows)
    }

    /// Gradients of the inputs of [`LmOps::lm_linear_log_probs`] for those of its log-probabilities and entropies.
    /// `left` is what it returned; logits that were not kept are computed again, by the default body always.
    fn lm_linear_log_probs_bwd(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        left: LogitsLeft<FloatTensor<Self>>,
        temperature: f64,
        grad: LogProbsGrad<FloatTensor<Self>>,
        needs: Needs,
    ) -> HeadGrads<FloatTensor<Self>> {
        fallback::linear_log_probs_bwd::<Self>(x, weight, targets, left, temperature, grad, needs)
    }

    /// See [`ops::linear_log_probs_with_grads`](crate::ops::linear_log_probs_with_grads). Returns the log-probabilities
    /// and the entropies, `[T]` each, and the gradients. The default is a forward and a backward pass, one after the
    /// other.
    fn lm_linear_log_probs_with_grads(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        temperature: f64,
        grad: FloatTensor<Self>,
        needs: Needs,
    ) -> ([FloatTensor<Self>; 2], HeadGrads<FloatTensor<Self>>) {
        forward_then_backward::<Self>(x, weight, targets, temperature, grad, needs)
    }

    /// See [`ops::adamw`](crate::ops::adamw). The tensors are one-dimensional.
    fn lm_adamw(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        hp: &AdamW,
    ) -> [FloatTensor<Self>; 3] {
        fallback::adamw::<Self>(param, grad, m, v, hp)
    }

    /// See [`ops::cached_attention`](crate::ops::cached_attention). `cache` holds keys and values; returns the output
    /// and the two written halves.
    fn lm_cached_attention(
        qkv: [FloatTensor<Self>; 3],
        cache: [FloatTensor<Self>; 2],
        rows: &[CacheRow],
        scale: f64,
    ) -> (FloatTensor<Self>, [FloatTensor<Self>; 2]) {
        fallback::cached_attention::<Self>(qkv, cache, rows, scale)
    }

    /// See [`ops::copy_slot`](crate::ops::copy_slot), for one half of a cache.
    fn lm_copy_slot(
        half: FloatTensor<Self>,
        from: usize,
        to: &[usize],
        len: usize,
    ) -> FloatTensor<Self> {
        fallback::copy_slot::<Self>(half, from, to, len)
    }

    /// See [`ops::sample`](crate::ops::sample): the tokens and their log-probabilities, `[R]` each. The logits are in
    /// single precision.
    fn lm_sample(
        logits: FloatTensor<Self>,
        rows: &[SampleRow],
    ) -> (IntTensor<Self>, FloatTensor<Self>) {
        fallback::sample::<Self>(logits, rows)
    }
}

/// The two passes of [`LmOps::lm_linear_log_probs_with_grads`] as operations of their own.
pub(crate) fn forward_then_backward<B: LmOps>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    targets: IntTensor<B>,
    temperature: f64,
    grad: FloatTensor<B>,
    needs: Needs,
) -> ([FloatTensor<B>; 2], HeadGrads<FloatTensor<B>>) {
    let inputs = (x.clone(), weight.clone(), targets.clone());
    let (scored, left) = B::lm_linear_log_probs(x, weight, targets, temperature, true);
    let (x, weight, targets) = inputs;
    let grad = LogProbsGrad::of_log_probs(grad);
    let grads = B::lm_linear_log_probs_bwd(x, weight, targets, left, temperature, grad, needs);
    (scored, grads)
}
