//! Attention against a key-value cache that is written in place.

use burn_flex::FlexTensor;

use super::{Block, Heads, forward::attend};
use crate::{
    flex::buffer::{InPlace, Input, Output, cast},
    types::{CacheRow, with_queries},
};

pub(in crate::flex) fn cached_attention(
    qkv: [FlexTensor; 3],
    cache: [FlexTensor; 2],
    rows: &[CacheRow],
    scale: f64,
) -> (FlexTensor, [FlexTensor; 2]) {
    let dtype = qkv[0].dtype();
    let [q, k, v] = qkv.map(Input::new);
    let heads = Heads::new(&q, k.dim(1), scale);
    let [mut keys, mut values] = cache.map(InPlace::new);
    let capacity = keys.dim(1);
    write(keys.values(), &k, rows, capacity);
    write(values.values(), &v, rows, capacity);
    let tokens = q.dim(0);
    let (mut out, mut lse) = (Output::new(q.len()), Output::new(tokens * heads.queries));
    let outputs = (out.slots(q.len()), lse.slots(tokens * heads.queries));
    attend(
        heads,
        blocks(&with_queries(rows, tokens), capacity),
        [&q, keys.values(), values.values()],
        outputs,
    );
    // SAFETY: the rows cover all tokens and `attend` writes every block whole.
    let out = unsafe { out.finish(q.shape().clone()) };
    (cast(out, dtype), [keys.finish(), values.finish()])
}

/// Copies the new tokens of every row to their places in half a cache.
fn write(half: &mut [f32], new: &[f32], rows: &[CacheRow], capacity: usize) {
    let tokens: usize = rows.iter().map(|row| row.len).sum();
    let step = new.len() / tokens.max(1);
    let mut new = new;
    for row in rows {
        let (part, rest) = new.split_at(row.len * step);
        let at = (row.slot * capacity + row.start) * step;
        half[at..at + part.len()].copy_from_slice(part);
        new = rest;
    }
}

fn blocks(rows: &[CacheRow], capacity: usize) -> Vec<Block> {
    let ends = rows.iter().scan(0, |end, row| {
        *end += row.len;
        Some(*end)
    });
    let blocks = rows.iter().zip(ends).flat_map(|(row, end)| {
        Block::cover(end - row.len, row.len, row.start, row.slot * capacity)
    });
    blocks.collect()
}

pub(in crate::flex) fn copy_slot(
    half: FlexTensor,
    from: usize,
    to: &[usize],
    len: usize,
) -> FlexTensor {
    let mut half = InPlace::new(half);
    let step = half.dim(2) * half.dim(3);
    let slot = half.dim(1) * step;
    let source = from * slot..from * slot + len * step;
    let values = half.values();
    for &to in to {
        values.copy_within(source.clone(), to * slot);
    }
    half.finish()
}
