//! The forward pass, for packed sequences and against a cache.
//!
//! One cube per block of pairs and key-value head goes over the keys tile by tile, with the softmax of
//! [Dao et al., 2022](https://arxiv.org/abs/2205.14135): a running maximum and a running sum, and the output scaled
//! down whenever the maximum rises. Nothing of the size of the scores leaves the cube.

use burn::tensor::{DType, Shape, TensorMetadata};
use burn_cubecl::{CubeRuntime, cubecl, tensor::CubeTensor};
use cubecl::prelude::*;

use super::super::launch::{addresses, dense, empty, empty_like, grid, table, units};
use super::plan::{QUERY_BLOCK, ROWS, Segment, query_blocks};
use super::tile::{LANES, MASKED, add_row, dot, load_keys, load_pairs, pair_row, store, zeros};

#[cube(launch, address_type = "dynamic")]
fn forward_kernel<Q: Float, K: Float>(
    q: &Array<Q>,
    k: &Array<K>,
    v: &Array<K>,
    blocks: &Array<u32>,
    out: &mut Array<Q>,
    lses: &mut Array<f32>,
    cubes: usize,
    groups: usize,
    per_group: usize,
    scale: f32,
    #[comptime] dim: usize,
    #[define(Q, K)] _types: [StorageType; 2],
) {
    let cube = CUBE_POS;
    if cube >= cubes {
        terminate!();
    }
    let block = cube / groups * QUERY_BLOCK;
    let group = cube % groups;
    let query = blocks[block] as usize;
    let first = blocks[block + 1] as usize;
    let rows = blocks[block + 2] as usize;
    let key = blocks[block + 3] as usize;
    let context = blocks[block + 4] as usize;
    let heads = groups * per_group;
    let head = group * per_group;

    let mut queries = SharedMemory::<f32>::new(comptime!(ROWS * (dim + 1)));
    let mut tile = SharedMemory::<f32>::new(comptime!(ROWS * (dim + 1)));
    let mut weights = SharedMemory::<f32>::new(comptime!(ROWS * ROWS));
    let row = UNIT_POS as usize / LANES;
    let lane = UNIT_POS as usize % LANES;
    let seen = context + (first + row) / per_group + 1;
    let keys = context + (first + rows - 1) / per_group + 1;
    load_pairs::<Q>(
        q,
        &mut queries,
        query,
        first,
        rows,
        heads,
        head,
        per_group,
        ROWS,
        dim,
    );

    let mut sums = zeros(dim);
    let mut max = f32::new(MASKED);
    let mut total = 0.0f32;
    for step in 0..keys.div_ceil(ROWS) {
        let from = step * ROWS;
        let start = (key + from) * groups * dim + group * dim;
        let mut here = keys - from;
        if here > ROWS {
            here = ROWS.runtime();
        }
        sync_cube();
        load_keys::<K>(k, &mut tile, start, groups * dim, here, ROWS, dim);
        sync_cube();
        #[unroll]
        for j in 0..comptime!(ROWS / LANES) {
            let column = lane + j * LANES;
            let mut score = f32::new(MASKED);
            if from + column < seen && column < here {
                score = dot(&queries, row, &tile, column, dim) * scale;
            }
            weights[row * ROWS + column] = score;
        }
        sync_cube();
        load_keys::<K>(v, &mut tile, start, groups * dim, here, ROWS, dim);
        let mut higher = max;
        for column in 0..ROWS {
            let score = weights[row * ROWS + column];
            if score > higher {
                higher = score;
            }
        }
        sync_cube();
        #[unroll]
        for j in 0..comptime!(ROWS / LANES) {
            let at = row * ROWS + lane + j * LANES;
            weights[at] = (weights[at] - higher).exp();
        }
        let shrink = (max - higher).exp();
        max = higher;
        total *= shrink;
        #[unroll]
        for j in 0..comptime!(dim.div_ceil(LANES)) {
            sums[j] = sums[j] * shrink;
        }
        sync_cube();
        for column in 0..ROWS {
            let weight = weights[row * ROWS + column];
            total += weight;
            add_row(&mut sums, &tile, column, weight, lane, dim);
        }
    }
    if row < rows {
        let place = pair_row(query, first + row, heads, head, per_group);
        store::<Q>(&sums, out, place * dim, 1.0 / total, lane, dim);
        if lane == 0 {
            lses[place] = max + total.ln();
        }
    }
}

/// The output, and the logarithm of each row's softmax denominator, `[T, Hq]`. The keys and values may have any number
/// of dimensions before the last two, which are `[Hkv, D]`.
pub(super) fn attend<R: CubeRuntime>(
    [q, k, v]: [CubeTensor<R>; 3],
    groups: usize,
    segments: &[Segment],
    scale: f64,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let [q, k, v] = [q, k, v].map(dense);
    let (tokens, heads, dim) = (q.shape()[0], q.shape()[1], q.shape()[2]);
    let per_group = heads / groups;
    let blocks = query_blocks(segments, per_group);
    let cubes = blocks.len() / QUERY_BLOCK * groups;
    let out = empty_like(&q);
    let lses = empty(&q, Shape::new([tokens, heads]), DType::F32);
    let types = [q.dtype.into(), k.dtype.into()];
    forward_kernel::launch(
        &out.client,
        grid(&q, cubes),
        units(),
        addresses(&[&q, &k]),
        q.clone().into_array_arg(),
        k.into_array_arg(),
        v.into_array_arg(),
        table(&q, &blocks).into_array_arg(),
        out.clone().into_array_arg(),
        lses.clone().into_array_arg(),
        cubes,
        groups,
        per_group,
        scale as f32,
        dim,
        types,
    );
    (out, lses)
}
