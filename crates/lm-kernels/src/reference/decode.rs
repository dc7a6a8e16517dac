//! Attention against a key-value cache.

use burn::tensor::{IndexingUpdateOp, Tensor, backend::Backend};

use crate::{
    convert::{full, indices},
    types::{CacheRow, with_queries},
};

/// See [`ops::cached_attention`](crate::ops::cached_attention).
///
/// New tokens are padded to the longest row, cached ones to the longest slot in use; the mask compares positions.
pub fn cached_attention<B: Backend>(
    [q, k, v]: [Tensor<B, 3>; 3],
    [keys, values]: [Tensor<B, 4>; 2],
    rows: &[CacheRow],
    scale: f64,
) -> (Tensor<B, 3>, [Tensor<B, 4>; 2]) {
    let plan = Plan::new(rows, keys.dims()[1]);
    if plan.places.is_empty() {
        return (q, [keys, values]);
    }
    let cache = [plan.write(keys, k), plan.write(values, v)];
    let seeing = Plan::new(&with_queries(rows, q.dims()[0]), cache[0].dims()[1]);
    let out = seeing.attend(q, cache.clone(), scale);
    (out, cache)
}

/// See [`ops::copy_slot`](crate::ops::copy_slot), for one half of a cache.
pub fn copy_slot<B: Backend>(
    half: Tensor<B, 4>,
    from: usize,
    to: &[usize],
    len: usize,
) -> Tensor<B, 4> {
    let [_, _, heads, dim] = half.dims();
    let range = |slot: usize| [slot..slot + 1, 0..len, 0..heads, 0..dim];
    if len == 0 {
        return half;
    }
    let source = half.clone().slice(range(from));
    let copy = |half: Tensor<B, 4>, &slot: &usize| half.slice_assign(range(slot), source.clone());
    to.iter().filter(|&&slot| slot != from).fold(half, copy)
}

/// Where everything lies for one call.
struct Plan {
    /// Slot of every row.
    slots: Vec<usize>,
    /// Row `slot · capacity + position` of the flattened cache for each new token.
    places: Vec<usize>,
    /// New token of every padded query; padding repeats token 0.
    packed: Vec<usize>,
    /// Padded query of every new token.
    padded: Vec<usize>,
    /// Position of every padded query in its sequence.
    positions: Vec<usize>,
    /// Longest row.
    queries: usize,
    /// Longest slot in use, after the write.
    keys: usize,
}

impl Plan {
    fn new(rows: &[CacheRow], capacity: usize) -> Self {
        let queries = rows.iter().map(|row| row.len).max().unwrap_or(0);
        let mut plan = Self {
            slots: rows.iter().map(|row| row.slot).collect(),
            places: Vec::new(),
            packed: vec![0; rows.len() * queries],
            padded: Vec::new(),
            positions: vec![0; rows.len() * queries],
            queries,
            keys: rows
                .iter()
                .map(|row| row.start + row.len)
                .max()
                .unwrap_or(0),
        };
        for (n, row) in rows.iter().enumerate() {
            for i in 0..row.len {
                let query = n * queries + i;
                plan.packed[query] = plan.places.len();
                plan.positions[query] = row.start + i;
                plan.padded.push(query);
                plan.places.push(row.slot * capacity + row.start + i);
            }
        }
        plan
    }

    /// Replaces the named rows. Burn's portable scatter only adds, so the old value is taken away first, which leaves
    /// exactly zero.
    fn write<B: Backend>(&self, half: Tensor<B, 4>, new: Tensor<B, 3>) -> Tensor<B, 4> {
        let [slots, capacity, heads, dim] = half.dims();
        let places = indices(&self.places, &half.device());
        let half = half.reshape([slots * capacity, heads, dim]);
        let old = half.clone().select(0, places.clone());
        let half = half.select_assign(0, places.clone(), old.neg(), IndexingUpdateOp::Add);
        let half = half.select_assign(0, places, new, IndexingUpdateOp::Add);
        half.reshape([slots, capacity, heads, dim])
    }

    fn attend<B: Backend>(
        &self,
        q: Tensor<B, 3>,
        cache: [Tensor<B, 4>; 2],
        scale: f64,
    ) -> Tensor<B, 3> {
        let device = q.device();
        let (n, queries, keys) = (self.slots.len(), self.queries, self.keys);
        let ([_, heads, dim], groups) = (q.dims(), cache[0].dims()[2]);
        let slots = indices::<B>(&self.slots, &device);
        let rows = |half: Tensor<B, 4>| {
            half.narrow(1, 0, keys)
                .select(0, slots.clone())
                .swap_dims(1, 2)
        };
        let [k, v] = cache.map(rows);
        let q = q.select(0, indices(&self.packed, &device));
        let grouped = [n, queries, groups, heads / groups * dim];
        let flat = [n, groups, queries * heads / groups, dim];
        let q = q.reshape(grouped).swap_dims(1, 2).reshape(flat);
        let dtype = q.dtype();
        let scores = full(q.matmul(k.transpose())) * scale;
        let probs = self.softmax(scores).cast(dtype);
        let out = probs
            .matmul(v)
            .reshape([n, groups, queries, heads / groups * dim]);
        let out = out.swap_dims(1, 2).reshape([n * queries, heads, dim]);
        out.select(0, indices(&self.padded, &device))
    }

    /// Softmax over the keys that each query may see; `scores [N, Hkv, queries·G, keys]`.
    fn softmax<B: Backend>(&self, scores: Tensor<B, 4>) -> Tensor<B, 4> {
        let (device, shape) = (scores.device(), scores.dims());
        let (n, queries, keys) = (self.slots.len(), self.queries, self.keys);
        let all = [n, queries, keys];
        let position = indices::<B>(&self.positions, &device)
            .reshape([n, queries, 1])
            .expand(all);
        let key = indices::<B>(&(0..keys).collect::<Vec<_>>(), &device);
        let future = key.reshape([1, 1, keys]).expand(all).greater(position);
        let five = [n, shape[1], queries, shape[2] / queries, keys];
        let future = future
            .reshape([n, 1, queries, 1, keys])
            .expand(five)
            .reshape(shape);
        let scores = scores.mask_fill(future, -1e30);
        let weights = (scores.clone() - scores.max_dim(3)).exp();
        weights.clone() / weights.sum_dim(3)
    }
}
