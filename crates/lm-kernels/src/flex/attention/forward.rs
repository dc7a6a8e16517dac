//! The output and the log-sum-exp of blocks of queries.

use super::{Block, Heads, Slots, one_query::one_query};
use crate::flex::{
    buffer::with_scratch,
    matrix::{Mat, MatMut, Threads, multiply},
    parallel::for_tasks,
    simd::{exp_row, vectorised},
};

/// Writes the output `[T, Hq, D]` and log-sum-exp `[T, Hq]` of all blocks, which follow each other without gaps from
/// token 0 on.
pub(super) fn attend(
    heads: Heads,
    blocks: Vec<Block>,
    qkv: [&[f32]; 3],
    (mut out, mut lse): (Slots<'_>, Slots<'_>),
) {
    let mut work = 0;
    let mut tasks = Vec::with_capacity(blocks.len());
    for block in blocks {
        let (rows, rest) = std::mem::take(&mut out).split_at_mut(block.len * heads.query_step());
        let (sums, others) = std::mem::take(&mut lse).split_at_mut(block.len * heads.queries);
        (out, lse) = (rest, others);
        work += block.len * block.keys() * heads.query_step();
        tasks.push((block, rows, sums));
    }
    // A multiply-add costs less than the visit of an element.
    for_tasks(tasks, work / 8, |(block, out, lse)| {
        if block.len == 1 {
            return one_query(heads, block, qkv, out, lse);
        }
        for group in 0..heads.groups {
            many_queries(heads, block, group, qkv, out, lse);
        }
    });
}

/// The heads of one group over a block, as rows of two products.
fn many_queries(
    heads: Heads,
    block: Block,
    group: usize,
    [q, k, v]: [&[f32]; 3],
    out: Slots<'_>,
    lse: Slots<'_>,
) {
    let (dim, keys, width) = (heads.dim, block.keys(), heads.per_group());
    let rows = block.len * width;
    with_scratch(rows * (keys + dim + 2), |scratch| {
        let (scores, scratch) = scratch.split_at_mut(rows * keys);
        let (vectors, stats) = scratch.split_at_mut(rows * dim);
        for (i, row) in vectors.chunks_exact_mut(width * dim).enumerate() {
            row.copy_from_slice(heads.group_of(q, block.token + i, group));
        }
        let key = heads.keys(k, block.first_key, group, keys);
        let product = MatMut::new(scores, rows, keys);
        multiply(
            product,
            Mat::new(vectors, rows, dim),
            key.t(),
            heads.scale,
            Threads::One,
        );
        softmax_rows(scores, keys, block.position, width, stats);
        // The queries are not needed any more; the output takes their place.
        let values = heads.keys(v, block.first_key, group, keys);
        let product = MatMut::new(vectors, rows, dim);
        multiply(
            product,
            Mat::new(scores, rows, keys),
            values,
            1.0,
            Threads::One,
        );
        write_rows(heads, group, vectors, stats, out, lse);
    });
}

vectorised! {
    /// Replaces each row of scores by the exponentials over the keys that it sees and zeros after them. `stats`
    /// receives the inverse sum and the log-sum-exp of every row.
    fn softmax_rows(
        scores: &mut [f32],
        keys: usize,
        position: usize,
        width: usize,
        stats: &mut [f32],
    ) {
        let rows = scores.chunks_exact_mut(keys).zip(stats.chunks_exact_mut(2));
        for (r, (row, stats)) in rows.enumerate() {
            let (seen, future) = row.split_at_mut(position + r / width + 1);
            let (max, sum) = exp_row(seen);
            future.fill(0.0);
            stats[0] = 1.0 / sum;
            stats[1] = max + sum.ln();
        }
    }
}

/// Scales the rows of a group by their inverse sums and puts them in place.
fn write_rows(
    heads: Heads,
    group: usize,
    vectors: &[f32],
    stats: &[f32],
    out: Slots<'_>,
    lse: Slots<'_>,
) {
    let (dim, width) = (heads.dim, heads.per_group());
    let rows = vectors.chunks_exact(dim).zip(stats.chunks_exact(2));
    for (r, (row, stats)) in rows.enumerate() {
        let at = r / width * heads.queries + group * width + r % width;
        lse[at].write(stats[1]);
        for (out, x) in out[at * dim..][..dim].iter_mut().zip(row) {
            out.write(x * stats[0]);
        }
    }
}
