//! Tiles of rows in shared memory.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Units that share a row of a tile, so that a cube of 128 has 16 rows.
pub(super) const LANES: usize = 8;

/// Masked scores. Finite, because not every compiler of shaders knows infinity.
pub(super) const MASKED: f32 = -1e30;

/// Copies `rows` rows of `x` into a tile of `height`, and zeros behind them. Row `r` of the tile begins at
/// `start + r · step` in `x`. Rows of the tile are one number longer than `dim`, so that a column lies in many banks.
#[cube]
pub(super) fn load_keys<X: Float>(
    x: &Array<X>,
    tile: &mut SharedMemory<f32>,
    start: usize,
    step: usize,
    rows: usize,
    #[comptime] height: usize,
    #[comptime] dim: usize,
) {
    let mut at = UNIT_POS as usize;
    while at < height * dim {
        let row = at / dim;
        let column = at - row * dim;
        let mut value = 0.0f32;
        if row < rows {
            value = f32::cast_from(x[start + row * step + column]);
        }
        tile[row * (dim + 1) + column] = value;
        at += CUBE_DIM as usize;
    }
}

/// Copies the pairs `first..first + rows` of a segment of queries into a tile, as [`load_keys`] does with keys. `query`
/// is the row of the segment's first query, `heads` all query heads, `head` the first of the group of `per_group`.
#[cube]
pub(super) fn load_pairs<X: Float>(
    x: &Array<X>,
    tile: &mut SharedMemory<f32>,
    query: usize,
    first: usize,
    rows: usize,
    heads: usize,
    head: usize,
    per_group: usize,
    #[comptime] height: usize,
    #[comptime] dim: usize,
) {
    let mut at = UNIT_POS as usize;
    while at < height * dim {
        let row = at / dim;
        let column = at - row * dim;
        let mut value = 0.0f32;
        if row < rows {
            let place = pair_row(query, first + row, heads, head, per_group);
            value = f32::cast_from(x[place * dim + column]);
        }
        tile[row * (dim + 1) + column] = value;
        at += CUBE_DIM as usize;
    }
}

/// The row of a pair in `[T · Hq]`.
#[cube]
pub(super) fn pair_row(
    query: usize,
    pair: usize,
    heads: usize,
    head: usize,
    per_group: usize,
) -> usize {
    let own = pair / per_group;
    (query + own) * heads + head + pair - own * per_group
}

/// The product of row `a` of one tile and row `b` of another.
#[cube]
pub(super) fn dot(
    left: &SharedMemory<f32>,
    a: usize,
    right: &SharedMemory<f32>,
    b: usize,
    #[comptime] dim: usize,
) -> f32 {
    let (from, to) = (a * (dim + 1), b * (dim + 1));
    let mut sum = 0.0f32;
    for i in 0..dim {
        sum += left[from + i] * right[to + i];
    }
    sum
}

/// Adds `weight` times a row of a tile to the columns that this lane keeps: `lane`, `lane + LANES`, and so on.
#[cube]
pub(super) fn add_row(
    sums: &mut Array<f32>,
    tile: &SharedMemory<f32>,
    row: usize,
    weight: f32,
    lane: usize,
    #[comptime] dim: usize,
) {
    let start = row * (dim + 1);
    #[unroll]
    for j in 0..comptime!(dim.div_ceil(LANES)) {
        let column = lane + j * LANES;
        if column < dim {
            sums[j] += weight * tile[start + column];
        }
    }
}

/// Zeros for [`add_row`].
#[cube]
pub(super) fn zeros(#[comptime] dim: usize) -> Array<f32> {
    let mut sums = Array::<f32>::new(comptime!(dim.div_ceil(LANES)));
    #[unroll]
    for j in 0..comptime!(dim.div_ceil(LANES)) {
        sums[j] = 0.0;
    }
    sums
}

/// Writes what [`add_row`] summed, times `factor`, to a row of `out`.
#[cube]
pub(super) fn store<X: Float>(
    sums: &Array<f32>,
    out: &mut Array<X>,
    start: usize,
    factor: f32,
    lane: usize,
    #[comptime] dim: usize,
) {
    #[unroll]
    for j in 0..comptime!(dim.div_ceil(LANES)) {
        let column = lane + j * LANES;
        if column < dim {
            out[start + column] = X::cast_from(sums[j] * factor);
        }
    }
}
