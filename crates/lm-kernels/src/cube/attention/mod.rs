//! Causal attention in memory proportional to the length.
//!
//! The kernels use no tensor cores: they run on every device, and slower than they could on those that have some.

mod backward;
mod cache;
mod forward;
mod plan;
mod tile;

use burn::tensor::TensorMetadata;
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};

use super::launch::taken;
use crate::{
    SeqBounds,
    types::{CacheRow, with_queries},
};

/// Static shared memory of every CUDA kernel, without opting in to more.
const SHARED: usize = 48 << 10;

/// Whether the kernels take these queries, keys and values: the tiles of a head must fit the shared memory.
pub(super) fn fits<R: CubeRuntime>(tensors: &[&CubeTensor<R>]) -> bool {
    let q = tensors[0];
    let dim = q.shape()[q.rank() - 1];
    // The backward pass holds the most: three tiles, or two and two halves, and the scores.
    let need = (3 * plan::ROWS * (dim + 1) + plan::ROWS * plan::ROWS) * size_of::<f32>();
    let there = q.client.properties().hardware.max_shared_memory_size;
    taken(tensors) && need <= SHARED.min(there)
}

/// [`LmOps::lm_attention`](crate::LmOps::lm_attention).
pub(super) fn attention<R: CubeRuntime>(
    qkv: [CubeTensor<R>; 3],
    bounds: &SeqBounds,
    scale: f64,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let groups = qkv[1].shape()[1];
    forward::attend(qkv, groups, &plan::packed(bounds), scale)
}

/// [`LmOps::lm_attention_bwd`](crate::LmOps::lm_attention_bwd).
pub(super) fn attention_bwd<R: CubeRuntime>(
    qkv: [CubeTensor<R>; 3],
    saved: [CubeTensor<R>; 3],
    bounds: &SeqBounds,
    scale: f64,
) -> [CubeTensor<R>; 3] {
    backward::backward(qkv, saved, &plan::packed(bounds), scale)
}

/// [`LmOps::lm_cached_attention`](crate::LmOps::lm_cached_attention).
pub(super) fn cached_attention<R: CubeRuntime>(
    [q, k, v]: [CubeTensor<R>; 3],
    [keys, values]: [CubeTensor<R>; 2],
    rows: &[CacheRow],
    scale: f64,
) -> (CubeTensor<R>, [CubeTensor<R>; 2]) {
    let [capacity, groups] = [keys.shape()[1], keys.shape()[2]];
    let segments = plan::cached(&with_queries(rows, q.shape()[0]), capacity);
    let keys = cache::write(keys, k, rows);
    let values = cache::write(values, v, rows);
    let qkv = [q, keys.clone(), values.clone()];
    let (out, _) = forward::attend(qkv, groups, &segments, scale);
    (out, [keys, values])
}
