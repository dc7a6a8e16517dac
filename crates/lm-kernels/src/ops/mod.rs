//! The functions that models and trainers call.
//!
//! Dimensions: `T` tokens of all packed sequences, `H` hidden size, `D` head dimension, `Hq` query heads, `Hkv`
//! key-value heads (`Hq` is a multiple of `Hkv`; query head `h` reads key-value head `h / (Hq / Hkv)`), `V` vocabulary.
//! Weights of linear layers are `[Out, In]`, as in Hugging Face checkpoints.
//!
//! All functions panic when shapes do not fit together, as Burn's own operations do.

mod log_probs;
mod sample;

use burn::tensor::{DType, Int, Tensor, TensorPrimitive, backend::Backend};

pub use crate::types::{AdamW, CacheRow};
use crate::{
    bounds::SeqBounds,
    convert::{primitive, tensor},
    lm_ops::LmOps,
};
pub use log_probs::{
    TokenLogProbs, linear_log_probs, linear_log_probs_and_entropy, linear_log_probs_with_grads,
};
pub use sample::{Drawn, sample};

/// Root-mean-square normalisation of the last dimension, `x / sqrt(mean(x²) + eps) · weight`
/// ([Zhang and Sennrich, 2019](https://arxiv.org/abs/1910.07467)).
///
/// # Shapes
/// `x [T, H]`, `weight [H]` → `[T, H]`
pub fn rms_norm<B: LmOps>(x: Tensor<B, 2>, weight: Tensor<B, 1>, eps: f64) -> Tensor<B, 2> {
    check_eq(
        "rms_norm",
        "weight and last dimension of x",
        weight.dims()[0],
        x.dims()[1],
    );
    tensor(B::lm_rms_norm(primitive(x), primitive(weight), eps))
}

/// [`rms_norm`] of every head, then [`rope`].
///
/// # Shapes
/// `x [T, heads, D]`, `weight [D]`, `cos` and `sin` `[T, D/2]` → `[T, heads, D]`. `cos` and `sin` receive no gradient.
pub fn norm_rope<B: LmOps>(
    x: Tensor<B, 3>,
    weight: Tensor<B, 1>,
    cos: Tensor<B, 2>,
    sin: Tensor<B, 2>,
    eps: f64,
) -> Tensor<B, 3> {
    let [tokens, _, dim] = x.dims();
    check_eq(
        "norm_rope",
        "weight and last dimension of x",
        weight.dims()[0],
        dim,
    );
    check_angles("norm_rope", [tokens, dim], &cos, &sin);
    let (x, weight) = (primitive(x), primitive(weight));
    tensor(B::lm_norm_rope(
        x,
        weight,
        primitive(cos),
        primitive(sin),
        eps,
    ))
}

/// The rotary position embedding ([Su et al., 2021](https://arxiv.org/abs/2104.09864)) in Hugging Face's `rotate_half`
/// convention: with `a` and `b` the two halves of a head, `(a·cos − b·sin, b·cos + a·sin)`.
///
/// # Shapes
/// `x [T, heads, D]`, `cos` and `sin` `[T, D/2]` → `[T, heads, D]`. `cos` and `sin` receive no gradient.
pub fn rope<B: LmOps>(x: Tensor<B, 3>, cos: Tensor<B, 2>, sin: Tensor<B, 2>) -> Tensor<B, 3> {
    let [tokens, _, dim] = x.dims();
    check_angles("rope", [tokens, dim], &cos, &sin);
    tensor(B::lm_rope(primitive(x), primitive(cos), primitive(sin)))
}

/// The gated activation `silu(gate) · up` ([Shazeer, 2020](https://arxiv.org/abs/2002.05202)).
///
/// # Shapes
/// `gate [T, F]`, `up [T, F]` → `[T, F]`
pub fn swiglu<B: LmOps>(gate: Tensor<B, 2>, up: Tensor<B, 2>) -> Tensor<B, 2> {
    check_eq("swiglu", "shape of up", up.dims(), gate.dims());
    tensor(B::lm_swiglu(primitive(gate), primitive(up)))
}

/// The product `x · weightᵀ`, in the type of `x`; the weight may be narrower, or quantised where there are no
/// gradients.
///
/// # Shapes
/// `x [T, In]`, `weight [Out, In]` → `[T, Out]`
pub fn linear<B: LmOps>(x: Tensor<B, 2>, weight: Tensor<B, 2>) -> Tensor<B, 2> {
    check_eq("linear", "inputs of weight", weight.dims()[1], x.dims()[1]);
    tensor(match weight.into_primitive() {
        TensorPrimitive::Float(weight) => B::lm_linear(primitive(x), weight),
        TensorPrimitive::QFloat(weight) => B::lm_linear_quantized(primitive(x), weight),
    })
}

/// [`linear`] of one input with several weights. For the few rows of a decode step it is faster than one after the
/// other.
///
/// # Shapes
/// `x [T, In]`, every weight `[Out, In]` with an `Out` of its own → `[T, Out]` each
pub fn linears<B: LmOps, const N: usize>(
    x: Tensor<B, 2>,
    weights: [Tensor<B, 2>; N],
) -> [Tensor<B, 2>; N] {
    for weight in &weights {
        check_eq("linears", "inputs of weight", weight.dims()[1], x.dims()[1]);
    }
    if weights.iter().any(is_quantized) {
        return weights.map(|weight| linear(x.clone(), weight));
    }
    let weights = weights.map(primitive).into();
    let found = B::lm_linears(primitive(x), weights);
    check_eq("linears", "number of products", found.len(), N);
    let mut found = found.into_iter();
    std::array::from_fn(|_| tensor(found.next().expect("the number was checked")))
}

/// The rows of `weight` that `ids` name; in single precision if it is quantised.
///
/// # Shapes
/// `weight [V, H]`, `ids [T]` → `[T, H]`
pub fn embedding<B: LmOps>(weight: Tensor<B, 2>, ids: Tensor<B, 1, Int>) -> Tensor<B, 2> {
    let ids = ids.into_primitive();
    tensor(match weight.into_primitive() {
        TensorPrimitive::Float(weight) => B::lm_embedding(weight, ids),
        TensorPrimitive::QFloat(weight) => B::lm_embedding_quantized(weight, ids),
    })
}

fn is_quantized<B: Backend>(weight: &Tensor<B, 2>) -> bool {
    matches!(weight.dtype(), DType::QFloat(_))
}

/// Causal softmax attention inside every packed sequence, with grouped queries
/// ([Ainslie et al., 2023](https://arxiv.org/abs/2305.13245)). A sequence with a context has keys before its first
/// query, which all its queries see.
///
/// # Shapes
/// `q [T, Hq, D]`, `k` and `v` `[S, Hkv, D]` → `[T, Hq, D]`; `bounds.total()` is `T` and `bounds.total_keys()` is `S`,
/// which is `T` without contexts.
pub fn attention<B: LmOps>(
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    bounds: &SeqBounds,
    scale: f64,
) -> Tensor<B, 3> {
    check_heads("attention", &q, &k, &v);
    check_eq("attention", "total of bounds", bounds.total(), q.dims()[0]);
    check_eq(
        "attention",
        "keys of bounds",
        bounds.total_keys(),
        k.dims()[0],
    );
    let (q, k, v) = (primitive(q), primitive(k), primitive(v));
    tensor(B::lm_attention(q, k, v, bounds, scale).0)
}

/// One update of AdamW ([Loshchilov and Hutter, 2017](https://arxiv.org/abs/1711.05101)), step by step as PyTorch's:
/// decay, moments, bias correction, `eps` outside the root.
///
/// Returns the new parameter, first and second moment. Backends update in place where they own the storage, so hand
/// over the only handle.
pub fn adamw<B: LmOps, const D: usize>(
    param: Tensor<B, D>,
    grad: Tensor<B, D>,
    m: Tensor<B, D>,
    v: Tensor<B, D>,
    hp: &AdamW,
) -> [Tensor<B, D>; 3] {
    let shape = param.shape();
    check_eq(
        "adamw",
        "shape of the gradient",
        grad.shape(),
        shape.clone(),
    );
    let flat = |x: Tensor<B, D>| primitive(x.flatten::<1>(0, D - 1));
    let updated = B::lm_adamw(flat(param), flat(grad), flat(m), flat(v), hp);
    updated.map(|x| tensor::<B, 1>(x).reshape(shape.clone()))
}

/// Keys and values of past tokens, for one layer.
#[derive(Clone, Debug)]
pub struct KvCache<B: Backend> {
    /// Keys, `[slots, capacity, Hkv, D]`.
    pub k: Tensor<B, 4>,
    /// Values, `[slots, capacity, Hkv, D]`.
    pub v: Tensor<B, 4>,
}

/// Writes the new keys and values into their slots, then attends causally: each new token sees its slot's cached
/// tokens, the new ones before it, and itself. No gradient flows through it.
///
/// `q` may also hold the last new token of every row alone, where nobody asks for the output of the others.
///
/// Different rows must name different slots. Hand over the only handle of the cache: backends write in place where they
/// own the storage.
///
/// # Shapes
/// `q [Q, Hq, D]`, `k` and `v` `[N, Hkv, D]` with `N` the sum of the rows' lengths and `Q` the same or the number of
/// rows → `[Q, Hq, D]` and the cache.
pub fn cached_attention<B: LmOps>(
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    cache: KvCache<B>,
    rows: &[CacheRow],
    scale: f64,
) -> (Tensor<B, 3>, KvCache<B>) {
    check_heads("cached_attention", &q, &k, &v);
    check_rows(rows, k.dims()[0], cache.k.dims());
    check_queries(rows, q.dims()[0]);
    let qkv = [primitive(q), primitive(k), primitive(v)];
    let halves = [primitive(cache.k), primitive(cache.v)];
    let (out, [k, v]) = B::lm_cached_attention(qkv, halves, rows, scale);
    (
        tensor(out),
        KvCache {
            k: tensor(k),
            v: tensor(v),
        },
    )
}

/// Copies the first `len` tokens of slot `from` into every slot of `to`, so that completions of one prompt share its
/// prefill.
///
/// The length must fit the capacity and all slots must exist.
pub fn copy_slot<B: LmOps>(cache: KvCache<B>, from: usize, to: &[usize], len: usize) -> KvCache<B> {
    let [slots, capacity, _, _] = cache.k.dims();
    let highest = to.iter().copied().chain([from]).max().unwrap_or(from);
    assert!(
        highest < slots,
        "copy_slot: slot {highest}, expected one below {slots}"
    );
    assert!(
        len <= capacity,
        "copy_slot: length {len}, expected at most {capacity}"
    );
    let copy = |half| tensor(B::lm_copy_slot(primitive(half), from, to, len));
    KvCache {
        k: copy(cache.k),
        v: copy(cache.v),
    }
}

fn check_eq<T: PartialEq + std::fmt::Debug>(op: &str, what: &str, found: T, expected: T) {
    assert!(
        found == expected,
        "{op}: {what}: expected {expected:?}, found {found:?}"
    );
}

/// Cosines and sines `[T, D/2]` for heads `[T, .., D]`.
fn check_angles<B: Backend>(
    op: &str,
    [tokens, dim]: [usize; 2],
    cos: &Tensor<B, 2>,
    sin: &Tensor<B, 2>,
) {
    check_eq(op, "shape of cos", cos.dims(), [tokens, dim / 2]);
    check_eq(op, "shape of sin", sin.dims(), [tokens, dim / 2]);
    check_eq(op, "remainder of an even head dimension", dim % 2, 0);
}

fn check_heads<B: Backend>(op: &str, q: &Tensor<B, 3>, k: &Tensor<B, 3>, v: &Tensor<B, 3>) {
    let ([_, queries, dim], [keys, groups, _]) = (q.dims(), k.dims());
    check_eq(op, "shape of k", k.dims(), [keys, groups, dim]);
    check_eq(op, "shape of v", v.dims(), [keys, groups, dim]);
    assert!(
        groups > 0 && queries % groups == 0,
        "{op}: expected the query heads to be a multiple of the {groups} key-value heads, \
         found {queries}"
    );
}

fn check_queries(rows: &[CacheRow], queries: usize) {
    let all: usize = rows.iter().map(|row| row.len).sum();
    let last_ones = queries == rows.len() && rows.iter().all(|row| row.len > 0);
    assert!(
        queries == all || last_ones,
        "cached_attention: tokens of q: expected {all} or one for each of the {} rows, found {queries}",
        rows.len()
    );
}

fn check_rows(rows: &[CacheRow], tokens: usize, [slots, capacity, _, _]: [usize; 4]) {
    check_eq(
        "cached_attention",
        "new tokens",
        rows.iter().map(|row| row.len).sum(),
        tokens,
    );
    let mut used = vec![false; slots];
    for row in rows {
        assert!(
            row.slot < slots && row.start + row.len <= capacity,
            "cached_attention: {row:?} does not fit {slots} slots of {capacity} tokens"
        );
        let taken = std::mem::replace(&mut used[row.slot], true);
        assert!(!taken, "cached_attention: slot {} is named twice", row.slot);
    }
}
