//! Attention: by blocks of queries, with exact softmax over the visible keys.
//!
//! Scores exist for one block of queries at a time, in scratch memory of the thread. The heads that share a key-value
//! head are rows of one product, so keys are never repeated, and keys and values are read where they lie, whether
//! packed or in a cache.

mod backward;
mod decode;
mod forward;
mod one_query;

use std::mem::MaybeUninit;

use burn::tensor::Shape;
use burn_flex::FlexTensor;

pub(super) use backward::attention_bwd;
pub(super) use decode::{cached_attention, copy_slot};

use super::{
    buffer::{Input, Output, cast},
    matrix::Mat,
};
use crate::bounds::{SeqBounds, Span};

/// Memory to be written, every element once.
type Slots<'a> = &'a mut [MaybeUninit<f32>];

/// Queries per block.
const BLOCK: usize = 64;

/// Sizes that all blocks share.
#[derive(Clone, Copy)]
struct Heads {
    /// Query heads.
    queries: usize,
    /// Key-value heads.
    groups: usize,
    dim: usize,
    scale: f32,
}

impl Heads {
    fn new(q: &Input, groups: usize, scale: f64) -> Self {
        Self {
            queries: q.dim(1),
            groups,
            dim: q.dim(2),
            scale: scale as f32,
        }
    }

    /// Query heads per key-value head.
    fn per_group(&self) -> usize {
        self.queries / self.groups
    }

    /// Floats per token of the queries.
    fn query_step(&self) -> usize {
        self.queries * self.dim
    }

    /// Floats per token of the keys.
    fn key_step(&self) -> usize {
        self.groups * self.dim
    }

    /// The first `count` keys (or values) of a group; `first` is the token where the sequence begins in `x`.
    fn keys<'a>(&self, x: &'a [f32], first: usize, group: usize, count: usize) -> Mat<'a> {
        let data = &x[first * self.key_step() + group * self.dim..];
        Mat::strided(data, count, self.dim, self.key_step())
    }

    /// The queries of a group at token `t`: `per_group · dim` adjacent floats.
    fn group_of<'a>(&self, x: &'a [f32], t: usize, group: usize) -> &'a [f32] {
        let width = self.per_group() * self.dim;
        &x[t * self.query_step() + group * width..][..width]
    }
}

/// Consecutive queries of one sequence.
#[derive(Clone, Copy)]
struct Block {
    /// Token of the first query in `q`.
    token: usize,
    len: usize,
    /// Position of the first query in its sequence.
    position: usize,
    /// Token where the sequence begins in the keys and values.
    first_key: usize,
}

impl Block {
    /// The blocks of `len` queries from `token` on, which begin at `position`.
    fn cover(
        token: usize,
        len: usize,
        position: usize,
        first_key: usize,
    ) -> impl DoubleEndedIterator<Item = Self> {
        (0..len.div_ceil(BLOCK)).map(move |i| Self {
            token: token + i * BLOCK,
            len: BLOCK.min(len - i * BLOCK),
            position: position + i * BLOCK,
            first_key,
        })
    }

    /// The blocks of a sequence.
    fn of(span: &Span) -> impl DoubleEndedIterator<Item = Self> + use<> {
        let (token, len) = (span.queries.start, span.queries.len());
        Self::cover(token, len, span.context(), span.keys.start)
    }

    /// Keys that the last query sees.
    fn keys(&self) -> usize {
        self.position + self.len
    }
}

pub(super) fn attention(
    qkv: [FlexTensor; 3],
    bounds: &SeqBounds,
    scale: f64,
) -> (FlexTensor, FlexTensor) {
    let dtype = qkv[0].dtype();
    let [q, k, v] = qkv.map(Input::new);
    let heads = Heads::new(&q, k.dim(1), scale);
    let blocks = bounds.spans().flat_map(|span| Block::of(&span));
    let tokens = q.dim(0);
    let (mut out, mut lse) = (Output::new(q.len()), Output::new(tokens * heads.queries));
    let outputs = (out.slots(q.len()), lse.slots(tokens * heads.queries));
    forward::attend(heads, blocks.collect(), [&q, &k, &v], outputs);
    // SAFETY: the bounds cover all tokens and `attend` writes every block whole.
    unsafe {
        let out = out.finish(q.shape().clone());
        (
            cast(out, dtype),
            lse.finish(Shape::new([tokens, heads.queries])),
        )
    }
}
