//! The backward pass: the probabilities are computed again from the log-sum-exp, in one kernel for the gradients of the
//! queries and in one for those of the keys and values. No gradient is summed by more than one cube.

use burn::tensor::{DType, TensorMetadata};
use burn_cubecl::{CubeRuntime, cubecl, tensor::CubeTensor};
use cubecl::prelude::*;

use super::super::launch::{addresses, dense, elementwise, empty, empty_like, grid, table, units};
use super::plan::{KEY_BLOCK, QUERY_BLOCK, ROWS, Segment, key_blocks, query_blocks};
use super::tile::{LANES, add_row, dot, load_keys, load_pairs, pair_row, store, zeros};

/// `δ = Σ grad·out` of every token and head, one unit each.
#[cube(launch, address_type = "dynamic")]
fn delta_kernel<Q: Float>(
    out: &Array<Q>,
    grad: &Array<Q>,
    deltas: &mut Array<f32>,
    rows: usize,
    dim: usize,
    #[define(Q)] _type: StorageType,
) {
    let row = ABSOLUTE_POS;
    if row >= rows {
        terminate!();
    }
    let mut sum = 0.0f32;
    for i in 0..dim {
        sum += f32::cast_from(out[row * dim + i]) * f32::cast_from(grad[row * dim + i]);
    }
    deltas[row] = sum;
}

/// The gradient of a block of pairs: over all keys that it sees, `dQ = dS·K` with `dS = P·(grad·Vᵀ − δ)·scale`.
#[cube(launch, address_type = "dynamic")]
fn queries_kernel<Q: Float, K: Float>(
    q: &Array<Q>,
    k: &Array<K>,
    v: &Array<K>,
    grad: &Array<Q>,
    lses: &Array<f32>,
    deltas: &Array<f32>,
    blocks: &Array<u32>,
    dq: &mut Array<Q>,
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
    let mut grads = SharedMemory::<f32>::new(comptime!(ROWS * (dim + 1)));
    let mut tile = SharedMemory::<f32>::new(comptime!(ROWS * (dim + 1)));
    let mut slopes = SharedMemory::<f32>::new(comptime!(ROWS * ROWS));
    let row = UNIT_POS as usize / LANES;
    let lane = UNIT_POS as usize % LANES;
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
    load_pairs::<Q>(
        grad, &mut grads, query, first, rows, heads, head, per_group, ROWS, dim,
    );
    // Rows behind the last pair see nothing.
    let mut seen = 0usize;
    let mut lse = 0.0f32;
    let mut delta = 0.0f32;
    let place = pair_row(query, first + row, heads, head, per_group);
    if row < rows {
        seen = context + (first + row) / per_group + 1;
        lse = lses[place];
        delta = deltas[place];
    }

    let mut sums = zeros(dim);
    for step in 0..keys.div_ceil(ROWS) {
        let from = step * ROWS;
        let start = (key + from) * groups * dim + group * dim;
        let mut here = keys - from;
        if here > ROWS {
            here = ROWS.runtime();
        }
        sync_cube();
        load_keys::<K>(v, &mut tile, start, groups * dim, here, ROWS, dim);
        sync_cube();
        #[unroll]
        for j in 0..comptime!(ROWS / LANES) {
            let column = lane + j * LANES;
            slopes[row * ROWS + column] = dot(&grads, row, &tile, column, dim) - delta;
        }
        sync_cube();
        load_keys::<K>(k, &mut tile, start, groups * dim, here, ROWS, dim);
        sync_cube();
        #[unroll]
        for j in 0..comptime!(ROWS / LANES) {
            let column = lane + j * LANES;
            let at = row * ROWS + column;
            let mut slope = 0.0f32;
            if from + column < seen {
                let score = dot(&queries, row, &tile, column, dim) * scale;
                slope = (score - lse).exp() * slopes[at] * scale;
            }
            slopes[at] = slope;
        }
        sync_cube();
        for column in 0..ROWS {
            let slope = slopes[row * ROWS + column];
            add_row(&mut sums, &tile, column, slope, lane, dim);
        }
    }
    if row < rows {
        store::<Q>(&sums, dq, place * dim, f32::new(1.0), lane, dim);
    }
}

/// The gradients of a block of keys and values: over all pairs that see them, `dV = Pᵀ·grad` and `dK = dSᵀ·Q`. A tile
/// of pairs has [`LANES`] of them, so that every unit has one product of a key and a pair.
#[cube(launch, address_type = "dynamic")]
fn keys_kernel<Q: Float, K: Float>(
    q: &Array<Q>,
    k: &Array<K>,
    v: &Array<K>,
    grad: &Array<Q>,
    lses: &Array<f32>,
    deltas: &Array<f32>,
    blocks: &Array<u32>,
    dk: &mut Array<K>,
    dv: &mut Array<K>,
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
    let block = cube / groups * KEY_BLOCK;
    let group = cube % groups;
    let key = blocks[block] as usize;
    let rows = blocks[block + 1] as usize;
    let position = blocks[block + 2] as usize;
    let query = blocks[block + 3] as usize;
    let pairs = blocks[block + 4] as usize * per_group;
    let context = blocks[block + 5] as usize;
    let heads = groups * per_group;
    let head = group * per_group;

    let mut keys = SharedMemory::<f32>::new(comptime!(ROWS * (dim + 1)));
    let mut values = SharedMemory::<f32>::new(comptime!(ROWS * (dim + 1)));
    let mut queries = SharedMemory::<f32>::new(comptime!(LANES * (dim + 1)));
    let mut grads = SharedMemory::<f32>::new(comptime!(LANES * (dim + 1)));
    let mut weights = SharedMemory::<f32>::new(comptime!(ROWS * LANES));
    let mut slopes = SharedMemory::<f32>::new(comptime!(ROWS * LANES));
    let row = UNIT_POS as usize / LANES;
    let lane = UNIT_POS as usize % LANES;
    let start = key * groups * dim + group * dim;
    load_keys::<K>(k, &mut keys, start, groups * dim, rows, ROWS, dim);
    load_keys::<K>(v, &mut values, start, groups * dim, rows, ROWS, dim);

    let mut dkeys = zeros(dim);
    let mut dvalues = zeros(dim);
    // The first pair that sees the first key of the block.
    let mut begin = 0usize;
    if position > context {
        begin = (position - context) * per_group;
    }
    for step in 0..(pairs - begin).div_ceil(LANES) {
        let first = begin + step * LANES;
        let mut here = pairs - first;
        if here > LANES {
            here = LANES.runtime();
        }
        sync_cube();
        load_pairs::<Q>(
            q,
            &mut queries,
            query,
            first,
            here,
            heads,
            head,
            per_group,
            LANES,
            dim,
        );
        load_pairs::<Q>(
            grad, &mut grads, query, first, here, heads, head, per_group, LANES, dim,
        );
        sync_cube();
        let mut weight = 0.0f32;
        let mut slope = 0.0f32;
        let seen = context + (first + lane) / per_group;
        if lane < here && row < rows && position + row <= seen {
            let place = pair_row(query, first + lane, heads, head, per_group);
            let score = dot(&keys, row, &queries, lane, dim) * scale;
            weight = (score - lses[place]).exp();
            slope = weight * (dot(&values, row, &grads, lane, dim) - deltas[place]) * scale;
        }
        weights[row * LANES + lane] = weight;
        slopes[row * LANES + lane] = slope;
        sync_cube();
        for pair in 0..LANES {
            add_row(
                &mut dvalues,
                &grads,
                pair,
                weights[row * LANES + pair],
                lane,
                dim,
            );
            add_row(
                &mut dkeys,
                &queries,
                pair,
                slopes[row * LANES + pair],
                lane,
                dim,
            );
        }
    }
    if row < rows {
        let at = start + row * groups * dim;
        store::<K>(&dkeys, dk, at, f32::new(1.0), lane, dim);
        store::<K>(&dvalues, dv, at, f32::new(1.0), lane, dim);
    }
}

/// The gradients of `q`, `k` and `v`; `saved` holds the output, the log-sum-exp and the gradient of the output.
pub(super) fn backward<R: CubeRuntime>(
    [q, k, v]: [CubeTensor<R>; 3],
    [out, lses, grad]: [CubeTensor<R>; 3],
    segments: &[Segment],
    scale: f64,
) -> [CubeTensor<R>; 3] {
    let [q, k, v] = [q, k, v].map(dense);
    let [out, lses, grad] = [out, lses, grad].map(dense);
    let (heads, dim, groups) = (q.shape()[1], q.shape()[2], k.shape()[1]);
    let per_group = heads / groups;
    let (client, types) = (q.client.clone(), [q.dtype.into(), k.dtype.into()]);
    let addresses = addresses(&[&q, &k]);

    let deltas = empty(&lses, lses.shape(), DType::F32);
    let rows = lses.shape().num_elements();
    delta_kernel::launch(
        &client,
        elementwise(&q, rows),
        units(),
        addresses,
        out.into_array_arg(),
        grad.clone().into_array_arg(),
        deltas.clone().into_array_arg(),
        rows,
        dim,
        q.dtype.into(),
    );

    let [dq, dk, dv] = [&q, &k, &v].map(empty_like);
    let blocks = query_blocks(segments, per_group);
    let cubes = blocks.len() / QUERY_BLOCK * groups;
    queries_kernel::launch(
        &client,
        grid(&q, cubes),
        units(),
        addresses,
        q.clone().into_array_arg(),
        k.clone().into_array_arg(),
        v.clone().into_array_arg(),
        grad.clone().into_array_arg(),
        lses.clone().into_array_arg(),
        deltas.clone().into_array_arg(),
        table(&q, &blocks).into_array_arg(),
        dq.clone().into_array_arg(),
        cubes,
        groups,
        per_group,
        scale as f32,
        dim,
        types,
    );

    let blocks = key_blocks(segments);
    let cubes = blocks.len() / KEY_BLOCK * groups;
    keys_kernel::launch(
        &client,
        grid(&q, cubes),
        units(),
        addresses,
        q.clone().into_array_arg(),
        k.into_array_arg(),
        v.into_array_arg(),
        grad.into_array_arg(),
        lses.into_array_arg(),
        deltas.into_array_arg(),
        table(&q, &blocks).into_array_arg(),
        dk.clone().into_array_arg(),
        dv.clone().into_array_arg(),
        cubes,
        groups,
        per_group,
        scale as f32,
        dim,
        types,
    );
    [dq, dk, dv]
}
