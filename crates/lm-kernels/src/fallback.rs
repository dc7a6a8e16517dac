//! The default bodies of [`LmOps`](crate::LmOps), a function for each, over a backend's primitives.
//!
//! The trait's methods call them, and so does a backend that overrides a method for some of its tensors only. The
//! formulas are in [`mod@reference`]; what is added here is the note that a default body ran (see
//! [`bodies`](crate::bodies())).

use burn::tensor::{
    DType,
    backend::Backend,
    ops::{FloatTensor, IntTensor, QuantizedTensor},
};

use crate::{
    bounds::SeqBounds,
    convert::{dequantized, ints, primitive, tensor},
    notes::default_body_runs,
    reference,
    sampling::SampleRow,
    types::{AdamW, CacheRow, HeadGrads, LogProbsGrad, LogitsLeft, Needs},
};

/// The default body of [`LmOps::lm_rms_norm`](crate::LmOps::lm_rms_norm).
pub fn rms_norm<B: Backend>(x: FloatTensor<B>, weight: FloatTensor<B>, eps: f64) -> FloatTensor<B> {
    default_body_runs();
    primitive(reference::rms_norm::<B>(tensor(x), tensor(weight), eps))
}

/// The default body of [`LmOps::lm_rms_norm_bwd`](crate::LmOps::lm_rms_norm_bwd).
pub fn rms_norm_bwd<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    eps: f64,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    default_body_runs();
    let (dx, dw) = reference::rms_norm_bwd::<B>(tensor(x), tensor(weight), eps, tensor(grad));
    (primitive(dx), primitive(dw))
}

/// The default body of [`LmOps::lm_norm_rope`](crate::LmOps::lm_norm_rope).
pub fn norm_rope<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
    eps: f64,
) -> FloatTensor<B> {
    default_body_runs();
    let (cos, sin) = (tensor(cos), tensor(sin));
    primitive(reference::norm_rope::<B>(
        tensor(x),
        tensor(weight),
        cos,
        sin,
        eps,
    ))
}

/// The default body of [`LmOps::lm_norm_rope_bwd`](crate::LmOps::lm_norm_rope_bwd).
pub fn norm_rope_bwd<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
    eps: f64,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    default_body_runs();
    let (x, weight, grad) = (tensor(x), tensor(weight), tensor(grad));
    let (dx, dw) = reference::norm_rope_bwd::<B>(x, weight, tensor(cos), tensor(sin), eps, grad);
    (primitive(dx), primitive(dw))
}

/// The default body of [`LmOps::lm_rope`](crate::LmOps::lm_rope).
pub fn rope<B: Backend>(
    x: FloatTensor<B>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
) -> FloatTensor<B> {
    default_body_runs();
    primitive(reference::rope::<B>(tensor(x), tensor(cos), tensor(sin)))
}

/// The default body of [`LmOps::lm_swiglu`](crate::LmOps::lm_swiglu).
pub fn swiglu<B: Backend>(gate: FloatTensor<B>, up: FloatTensor<B>) -> FloatTensor<B> {
    default_body_runs();
    primitive(reference::swiglu::<B>(tensor(gate), tensor(up)))
}

/// The default body of [`LmOps::lm_swiglu_bwd`](crate::LmOps::lm_swiglu_bwd).
pub fn swiglu_bwd<B: Backend>(
    gate: FloatTensor<B>,
    up: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    default_body_runs();
    let (dgate, dup) = reference::swiglu_bwd::<B>(tensor(gate), tensor(up), tensor(grad));
    (primitive(dgate), primitive(dup))
}

/// The default body of [`LmOps::lm_linear`](crate::LmOps::lm_linear).
pub fn linear<B: Backend>(x: FloatTensor<B>, weight: FloatTensor<B>) -> FloatTensor<B> {
    default_body_runs();
    primitive(reference::linear::<B>(tensor(x), tensor(weight)))
}

/// The default body of [`LmOps::lm_linear_quantized`](crate::LmOps::lm_linear_quantized).
pub fn linear_quantized<B: Backend>(
    x: FloatTensor<B>,
    weight: QuantizedTensor<B>,
) -> FloatTensor<B> {
    default_body_runs();
    primitive(reference::linear::<B>(tensor(x), dequantized(weight)))
}

/// The default body of [`LmOps::lm_linear_bwd_x`](crate::LmOps::lm_linear_bwd_x).
pub fn linear_bwd_x<B: Backend>(weight: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    default_body_runs();
    primitive(reference::linear_bwd_x::<B>(tensor(weight), tensor(grad)))
}

/// The default body of [`LmOps::lm_linear_bwd_weight`](crate::LmOps::lm_linear_bwd_weight).
pub fn linear_bwd_weight<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    default_body_runs();
    primitive(reference::linear_bwd_weight::<B>(tensor(x), tensor(grad)))
}

/// The default body of [`LmOps::lm_embedding`](crate::LmOps::lm_embedding).
pub fn embedding<B: Backend>(weight: FloatTensor<B>, ids: IntTensor<B>) -> FloatTensor<B> {
    default_body_runs();
    primitive(reference::embedding::<B>(tensor(weight), ints(ids)))
}

/// The default body of [`LmOps::lm_embedding_quantized`](crate::LmOps::lm_embedding_quantized).
pub fn embedding_quantized<B: Backend>(
    weight: QuantizedTensor<B>,
    ids: IntTensor<B>,
) -> FloatTensor<B> {
    default_body_runs();
    let weight = dequantized::<B, 2>(weight).cast(DType::F32);
    primitive(reference::embedding::<B>(weight, ints(ids)))
}

/// The default body of [`LmOps::lm_embedding_bwd`](crate::LmOps::lm_embedding_bwd).
pub fn embedding_bwd<B: Backend>(
    ids: IntTensor<B>,
    vocab: usize,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    default_body_runs();
    primitive(reference::embedding_bwd::<B>(
        ints(ids),
        vocab,
        tensor(grad),
    ))
}

/// The default body of [`LmOps::lm_attention`](crate::LmOps::lm_attention).
pub fn attention<B: Backend>(
    qkv: [FloatTensor<B>; 3],
    bounds: &SeqBounds,
    scale: f64,
) -> (FloatTensor<B>, FloatTensor<B>) {
    default_body_runs();
    let [q, k, v] = qkv.map(tensor);
    let (out, lse) = reference::attention::<B>(q, k, v, bounds, scale);
    (primitive(out), primitive(lse))
}

/// The default body of [`LmOps::lm_attention_bwd`](crate::LmOps::lm_attention_bwd).
pub fn attention_bwd<B: Backend>(
    qkv: [FloatTensor<B>; 3],
    out: FloatTensor<B>,
    lse: FloatTensor<B>,
    bounds: &SeqBounds,
    scale: f64,
    grad: FloatTensor<B>,
) -> [FloatTensor<B>; 3] {
    default_body_runs();
    let saved = reference::SavedAttention {
        qkv: qkv.map(tensor),
        out: tensor(out),
        lse: tensor(lse),
    };
    reference::attention_bwd::<B>(saved, bounds, scale, tensor(grad)).map(primitive)
}

/// The default body of [`LmOps::lm_linear_log_probs`](crate::LmOps::lm_linear_log_probs). It keeps no logits.
pub fn linear_log_probs<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    targets: IntTensor<B>,
    temperature: f64,
) -> ([FloatTensor<B>; 2], LogitsLeft<FloatTensor<B>>) {
    default_body_runs();
    let (x, weight, targets) = (tensor(x), tensor(weight), ints(targets));
    let columns = reference::linear_log_probs::<B>(x, weight, targets, temperature);
    let [log_probs, entropy, lse] = columns.map(primitive);
    ([log_probs, entropy], LogitsLeft { lse, logits: None })
}

/// The default body of [`LmOps::lm_linear_log_probs_bwd`](crate::LmOps::lm_linear_log_probs_bwd). It computes all
/// logits again.
pub fn linear_log_probs_bwd<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    targets: IntTensor<B>,
    left: LogitsLeft<FloatTensor<B>>,
    temperature: f64,
    grad: LogProbsGrad<FloatTensor<B>>,
    needs: Needs,
) -> HeadGrads<FloatTensor<B>> {
    default_body_runs();
    let saved = reference::SavedLogProbs {
        x: tensor(x),
        weight: tensor(weight),
        targets: ints(targets),
        lse: tensor(left.lse),
    };
    reference::linear_log_probs_bwd::<B>(saved, temperature, grad.map(tensor), needs).map(primitive)
}

/// The default body of [`LmOps::lm_adamw`](crate::LmOps::lm_adamw).
pub fn adamw<B: Backend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    m: FloatTensor<B>,
    v: FloatTensor<B>,
    hp: &AdamW,
) -> [FloatTensor<B>; 3] {
    default_body_runs();
    let (m, v) = (tensor(m), tensor(v));
    reference::adamw::<B>(tensor(param), tensor(grad), m, v, hp).map(primitive)
}

/// The default body of [`LmOps::lm_cached_attention`](crate::LmOps::lm_cached_attention).
pub fn cached_attention<B: Backend>(
    qkv: [FloatTensor<B>; 3],
    cache: [FloatTensor<B>; 2],
    rows: &[CacheRow],
    scale: f64,
) -> (FloatTensor<B>, [FloatTensor<B>; 2]) {
    default_body_runs();
    let (qkv, cache) = (qkv.map(tensor), cache.map(tensor));
    let (out, cache) = reference::cached_attention::<B>(qkv, cache, rows, scale);
    (primitive(out), cache.map(primitive))
}

/// The default body of [`LmOps::lm_copy_slot`](crate::LmOps::lm_copy_slot).
pub fn copy_slot<B: Backend>(
    half: FloatTensor<B>,
    from: usize,
    to: &[usize],
    len: usize,
) -> FloatTensor<B> {
    default_body_runs();
    primitive(reference::copy_slot::<B>(tensor(half), from, to, len))
}

/// The default body of [`LmOps::lm_sample`](crate::LmOps::lm_sample).
pub fn sample<B: Backend>(
    logits: FloatTensor<B>,
    rows: &[SampleRow],
) -> (IntTensor<B>, FloatTensor<B>) {
    default_body_runs();
    let (ids, log_probs) = reference::sample::<B>(tensor(logits), rows);
    (ids.into_primitive(), primitive(log_probs))
}
