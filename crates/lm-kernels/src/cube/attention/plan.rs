//! Which cube takes which queries and keys: tables of numbers that the kernels read.
//!
//! Query heads that share a key-value head are computed together. A *pair* is a query and one of the heads of such a
//! group: pair `p` of a sequence is head `p mod G` of its query `p / G`.

use crate::bounds::{SeqBounds, Span};
use crate::types::CacheRow;

/// Pairs of a block of the kernels that go over keys, and keys of a block of the one that goes over pairs.
pub(super) const ROWS: usize = 16;

/// Queries that stand one after the other, and their keys.
pub(super) struct Segment {
    /// Row of the first query.
    pub(super) query: usize,
    /// Queries.
    pub(super) queries: usize,
    /// Row of the first key.
    pub(super) key: usize,
    /// Keys before that of the first query.
    pub(super) context: usize,
}

/// The segments of packed sequences.
pub(super) fn packed(bounds: &SeqBounds) -> Vec<Segment> {
    let segment = |span: Span| Segment {
        query: span.queries.start,
        queries: span.queries.len(),
        key: span.keys.start,
        context: span.context(),
    };
    bounds.spans().map(segment).collect()
}

/// The segments of rows against the slots of a cache of `capacity` tokens.
pub(super) fn cached(rows: &[CacheRow], capacity: usize) -> Vec<Segment> {
    let mut query = 0;
    let segment = |row: &CacheRow| {
        let first = query;
        query += row.len;
        Segment {
            query: first,
            queries: row.len,
            key: row.slot * capacity,
            context: row.start,
        }
    };
    rows.iter().map(segment).collect()
}

/// Descriptor of a query block: row of the segment's first query, first pair, pairs, row of the first key, context.
pub(super) const QUERY_BLOCK: usize = 5;

/// The blocks of at most [`ROWS`] pairs, for groups of `per_group` query heads.
pub(super) fn query_blocks(segments: &[Segment], per_group: usize) -> Vec<u32> {
    let mut table = Vec::new();
    for segment in segments {
        let pairs = segment.queries * per_group;
        for first in (0..pairs).step_by(ROWS) {
            let len = ROWS.min(pairs - first);
            let block = [segment.query, first, len, segment.key, segment.context];
            table.extend(block.map(|x| x as u32));
        }
    }
    table
}

/// Descriptor of a key block: row of its first key, keys, position of its first key in the sequence, row of the
/// sequence's first query, queries, context.
pub(super) const KEY_BLOCK: usize = 6;

/// The blocks of at most [`ROWS`] keys. Keys without a query have one too, so that their gradient is written.
pub(super) fn key_blocks(segments: &[Segment]) -> Vec<u32> {
    let mut table = Vec::new();
    for segment in segments {
        let keys = segment.context + segment.queries;
        for first in (0..keys).step_by(ROWS) {
            let len = ROWS.min(keys - first);
            let own = [segment.key + first, len, first];
            let queries = [segment.query, segment.queries, segment.context];
            table.extend(own.into_iter().chain(queries).map(|x| x as u32));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_pair_and_every_key_once() {
        let bounds = SeqBounds::with_context(&[(0, 17), (5, 0), (3, 2)]);
        let segments = packed(&bounds);
        let blocks = query_blocks(&segments, 2);
        let blocks: Vec<&[u32]> = blocks.chunks(QUERY_BLOCK).collect();
        assert_eq!(
            blocks,
            [
                [0, 0, 16, 0, 0],
                [0, 16, 16, 0, 0],
                [0, 32, 2, 0, 0],
                [17, 0, 4, 22, 3]
            ]
        );
        let blocks = key_blocks(&segments);
        let blocks: Vec<&[u32]> = blocks.chunks(KEY_BLOCK).collect();
        assert_eq!(
            blocks,
            [
                [0, 16, 0, 0, 17, 0],
                [16, 1, 16, 0, 17, 0],
                [17, 5, 0, 17, 0, 5],
                [22, 5, 0, 17, 2, 3]
            ]
        );
    }

    #[test]
    fn rows_of_a_cache_lie_in_their_slots() {
        let row = |slot, start, len| CacheRow { slot, start, len };
        let blocks = query_blocks(&cached(&[row(2, 7, 1), row(0, 0, 3)], 10), 1);
        assert_eq!(blocks, [0, 0, 1, 20, 7, 1, 0, 3, 0, 0]);
    }
}
