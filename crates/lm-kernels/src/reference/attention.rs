//! Causal attention over packed sequences, padded to the longest one.
//!
//! Padding comes after every real key of its sequence, so the plain causal mask hides it from all of them, and no mask
//! per sequence is needed. Queries stand where their keys do: a context has padding in place of queries. Queries are
//! taken in blocks, each against the prefix of the keys that it can see, which bounds the scores that are held at once.
//!
//! Dimensions: `N` sequences, `L` the longest, `G = Hq / Hkv`.

use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

use crate::{
    bounds::SeqBounds,
    convert::{full, indices},
};

/// Queries per block.
const BLOCK: usize = 256;

/// See [`ops::attention`](crate::ops::attention). Also returns the log-sum-exp of each row of scores, `[T, Hq]`.
pub fn attention<B: Backend>(
    q: Tensor<B, 3>,
    k: Tensor<B, 3>,
    v: Tensor<B, 3>,
    bounds: &SeqBounds,
    scale: f64,
) -> (Tensor<B, 3>, Tensor<B, 2>) {
    if bounds.total() == 0 {
        let lse = Tensor::zeros([0, q.dims()[1]], &q.device());
        return (q, lse);
    }
    let (padding, of_keys) = Padding::both(bounds, k.dims()[1]);
    let (q, k, v) = (padding.pad(q), of_keys.pad(k), of_keys.pad(v));
    let (mut outs, mut lses) = (Vec::new(), Vec::new());
    for block in Block::cover(padding.longest) {
        let queries = q.clone().narrow(2, block.start, block.len);
        let (out, lse) = block.attend(queries, k.clone(), v.clone(), scale);
        outs.push(out);
        lses.push(lse);
    }
    let lse = padding.unpad(Tensor::cat(lses, 2));
    let [tokens, heads, _] = lse.dims();
    (
        padding.unpad(Tensor::cat(outs, 2)),
        lse.reshape([tokens, heads]),
    )
}

/// What [`attention_bwd`] needs of the forward pass.
#[derive(Clone, Debug)]
pub struct SavedAttention<B: Backend> {
    /// Queries, keys and values.
    pub qkv: [Tensor<B, 3>; 3],
    /// The output, `[T, Hq, D]`.
    pub out: Tensor<B, 3>,
    /// Log-sum-exp of the rows of scores, `[T, Hq]`.
    pub lse: Tensor<B, 2>,
}

/// Gradients of [`attention`]. The probabilities `P` are rebuilt from `lse`; with `δ = Σ grad·out` per row
/// ([Dao et al., 2022](https://arxiv.org/abs/2205.14135)): `dV = Pᵀ·grad`, `dS = P·(grad·Vᵀ − δ)·scale`, `dQ = dS·K`,
/// `dK = dSᵀ·Q`.
pub fn attention_bwd<B: Backend>(
    saved: SavedAttention<B>,
    bounds: &SeqBounds,
    scale: f64,
    grad: Tensor<B, 3>,
) -> [Tensor<B, 3>; 3] {
    let SavedAttention {
        qkv: [q, k, v],
        out,
        lse,
    } = saved;
    if bounds.total() == 0 {
        return [q, k.zeros_like(), v.zeros_like()];
    }
    let (padding, of_keys) = Padding::both(bounds, k.dims()[1]);
    let delta = (full(grad.clone()) * full(out)).sum_dim(2);
    let (q, k, v, grad) = (
        padding.pad(q),
        of_keys.pad(k),
        of_keys.pad(v),
        padding.pad(grad),
    );
    let (lse, delta) = (padding.pad(lse.unsqueeze_dim(2)), padding.pad(delta));
    let (mut dq, mut dk, mut dv) = (Vec::new(), k.zeros_like(), v.zeros_like());
    for block in Block::cover(padding.longest) {
        let rows = |x: &Tensor<B, 5>| x.clone().narrow(2, block.start, block.len);
        let keys = block.keys(k.clone());
        let probs = (block.scores(rows(&q), keys.clone(), scale) - rows(&lse)).exp();
        let dprobs = full(block.product(rows(&grad), block.keys(v.clone())));
        let dtype = q.dtype();
        let dscores = ((dprobs - rows(&delta)) * probs.clone() * scale).cast(dtype);
        dq.push(block.unflatten(flatten(dscores.clone()).matmul(keys)));
        dk = block.add_to_keys(dk, flatten(dscores).transpose().matmul(flatten(rows(&q))));
        let dvalues = flatten(probs.cast(dtype))
            .transpose()
            .matmul(flatten(rows(&grad)));
        dv = block.add_to_keys(dv, dvalues);
    }
    [
        padding.unpad(Tensor::cat(dq, 2)),
        of_keys.unpad(dk),
        of_keys.unpad(dv),
    ]
}

/// The map between packed rows and rows padded to the longest sequence.
struct Padding {
    /// Packed row of every padded one; padding points to row 0.
    packed: Vec<usize>,
    /// Whether a padded row holds a token, as 1 or 0.
    real: Vec<f32>,
    /// Padded row of every packed one.
    padded: Vec<usize>,
    sequences: usize,
    longest: usize,
    /// Key-value heads.
    groups: usize,
}

impl Padding {
    /// The padding of queries and that of keys.
    fn both(bounds: &SeqBounds, groups: usize) -> (Self, Self) {
        let queries = bounds.spans().map(|span| (span.context(), span.queries));
        let keys = bounds.spans().map(|span| (0, span.keys));
        let longest = bounds.max_len();
        (
            Self::new(queries, longest, groups),
            Self::new(keys, longest, groups),
        )
    }

    /// Padding of sequences given by the position of their first token and their packed rows.
    fn new(
        rows: impl ExactSizeIterator<Item = (usize, Range<usize>)>,
        longest: usize,
        groups: usize,
    ) -> Self {
        let sequences = rows.len();
        let mut packed = vec![0; sequences * longest];
        let mut real = vec![0.0; sequences * longest];
        let mut padded = Vec::new();
        for (n, (position, tokens)) in rows.enumerate() {
            for (i, token) in tokens.enumerate() {
                let row = n * longest + position + i;
                packed[row] = token;
                real[row] = 1.0;
                padded.push(row);
            }
        }
        Self {
            packed,
            real,
            padded,
            sequences,
            longest,
            groups,
        }
    }

    /// `[T, heads, D]` → `[N, Hkv, L, heads/Hkv, D]`. Padding is zero, so that padded queries add nothing to the
    /// gradients of the keys.
    fn pad<B: Backend>(&self, x: Tensor<B, 3>) -> Tensor<B, 5> {
        let ([_, heads, dim], device, dtype) = (x.dims(), x.device(), x.dtype());
        let mut rows = x.select(0, indices(&self.packed, &device));
        if self.padded.len() < self.real.len() {
            let real = Tensor::<B, 1>::from_floats(self.real.as_slice(), &device);
            rows = rows * real.cast(dtype).reshape([self.real.len(), 1, 1]);
        }
        let shape = [
            self.sequences,
            self.longest,
            self.groups,
            heads / self.groups,
            dim,
        ];
        rows.reshape(shape).swap_dims(1, 2)
    }

    /// The inverse of [`Padding::pad`].
    fn unpad<B: Backend>(&self, x: Tensor<B, 5>) -> Tensor<B, 3> {
        let [_, _, _, per_group, dim] = x.dims();
        let heads = self.groups * per_group;
        let device = x.device();
        let rows = x
            .swap_dims(1, 2)
            .reshape([self.sequences * self.longest, heads, dim]);
        rows.select(0, indices(&self.padded, &device))
    }
}

/// A block of queries: positions `start..start + len` of every sequence.
struct Block {
    start: usize,
    len: usize,
}

impl Block {
    fn cover(longest: usize) -> impl Iterator<Item = Self> {
        let block = move |start| Self {
            start,
            len: BLOCK.min(longest - start),
        };
        (0..longest).step_by(BLOCK).map(block)
    }

    /// Output `[N, Hkv, len, G, D]` and log-sum-exp `[N, Hkv, len, G, 1]` of a block.
    fn attend<B: Backend>(
        &self,
        queries: Tensor<B, 5>,
        k: Tensor<B, 5>,
        v: Tensor<B, 5>,
        scale: f64,
    ) -> (Tensor<B, 5>, Tensor<B, 5>) {
        let dtype = queries.dtype();
        let scores = self.scores(queries, self.keys(k), scale);
        let max = scores.clone().max_dim(4).detach();
        let weights = (scores - max.clone()).exp();
        let sum = weights.clone().sum_dim(4);
        let probs = (weights / sum.clone()).cast(dtype);
        let out = self.unflatten(flatten(probs).matmul(self.keys(v)));
        (out, sum.log() + max)
    }

    /// The keys (or values) that the block sees, `[N, Hkv, start + len, D]`.
    fn keys<B: Backend>(&self, x: Tensor<B, 5>) -> Tensor<B, 4> {
        x.narrow(2, 0, self.start + self.len).squeeze_dim(3)
    }

    /// `rows [N, Hkv, len, G, D] · keysᵀ` → `[N, Hkv, len, G, keys]`.
    fn product<B: Backend>(&self, rows: Tensor<B, 5>, keys: Tensor<B, 4>) -> Tensor<B, 5> {
        self.unflatten(flatten(rows).matmul(keys.transpose()))
    }

    /// Scaled scores with the future masked, in 32 bits.
    fn scores<B: Backend>(
        &self,
        queries: Tensor<B, 5>,
        keys: Tensor<B, 4>,
        scale: f64,
    ) -> Tensor<B, 5> {
        let device = queries.device();
        let scores = full(self.product(queries, keys)) * scale;
        let end = self.start + self.len;
        let range = |from: usize, to: usize| indices::<B>(&(from..to).collect::<Vec<_>>(), &device);
        let query = range(self.start, end)
            .reshape([self.len, 1])
            .expand([self.len, end]);
        let key = range(0, end).reshape([1, end]).expand([self.len, end]);
        let future = key.greater(query).reshape([1, 1, self.len, 1, end]);
        let shape = scores.shape();
        scores.mask_fill(future.expand(shape), -1e30)
    }

    /// The inverse of [`flatten`].
    fn unflatten<B: Backend>(&self, x: Tensor<B, 4>) -> Tensor<B, 5> {
        let [n, groups, rows, dim] = x.dims();
        x.reshape([n, groups, self.len, rows / self.len, dim])
    }

    fn add_to_keys<B: Backend>(&self, sum: Tensor<B, 5>, part: Tensor<B, 4>) -> Tensor<B, 5> {
        let [n, groups, keys, dim] = part.dims();
        let range = [0..n, 0..groups, 0..keys, 0..1, 0..dim];
        let part = sum.clone().slice(range.clone()) + part.unsqueeze_dim(3);
        sum.slice_assign(range, part)
    }
}

/// `[N, Hkv, len, G, D]` → `[N, Hkv, len·G, D]`, the rows of one product per key-value head.
fn flatten<B: Backend>(x: Tensor<B, 5>) -> Tensor<B, 4> {
    let [n, groups, len, per_group, dim] = x.dims();
    x.reshape([n, groups, len * per_group, dim])
}
