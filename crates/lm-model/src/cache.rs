//! Continuing sequences with cached keys and values.

use burn::prelude::*;
use lm_kernels::{LmOps, ops};
use ops::{CacheRow, KvCache};

use crate::model::Qwen3;

/// Keys and values of every layer, for a fixed number of sequences of bounded length.
///
/// A sequence lives in a *slot*; which slots are in use, and how many tokens each holds, is the
/// caller's business.
#[derive(Debug)]
pub struct ModelCache<B: Backend> {
    /// One per layer, each `[slots, capacity, Hkv, D]`.
    layers: Vec<KvCache<B>>,
    slots: usize,
    capacity: usize,
}

impl<B: Backend> ModelCache<B> {
    /// Number of sequences that the cache can hold.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Number of tokens that each sequence can have.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

impl<B: LmOps> Qwen3<B> {
    /// An empty cache for `slots` sequences of at most `capacity` tokens each.
    ///
    /// It takes `2 · layers · slots · capacity · Hkv · D` values of memory.
    pub fn new_cache(&self, slots: usize, capacity: usize) -> ModelCache<B> {
        let shape = [
            slots,
            capacity,
            self.config.num_key_value_heads,
            self.config.head_dim,
        ];
        let device = self.device();
        let layer = |_| KvCache {
            k: Tensor::zeros(shape, (&device, self.activations)),
            v: Tensor::zeros(shape, (&device, self.activations)),
        };
        ModelCache {
            layers: (0..self.config.num_hidden_layers).map(layer).collect(),
            slots,
            capacity,
        }
    }

    /// Bytes of a cache for each position of each slot.
    pub fn cache_bytes_per_position(&self) -> usize {
        let config = &self.config;
        let values = config.num_key_value_heads * config.head_dim;
        2 * config.num_hidden_layers * values * self.activations.size()
    }

    /// A cache of another shape, whose slot `i` begins with the first `len` tokens of slot `kept[i]`.
    ///
    /// It is made layer by layer, and `after_layer` is called when the old memory of one is free. At most two halves of
    /// a layer exist besides the larger of the two caches.
    pub fn resize_cache(
        &self,
        cache: ModelCache<B>,
        (slots, capacity): (usize, usize),
        kept: &[usize],
        len: usize,
        mut after_layer: impl FnMut(),
    ) -> ModelCache<B> {
        let heads = [self.config.num_key_value_heads, self.config.head_dim];
        let half = |old: Tensor<B, 4>| moved(old, [slots, capacity, heads[0], heads[1]], kept, len);
        let layers = cache.layers.into_iter().map(|KvCache { k, v }| {
            let layer = KvCache {
                k: half(k),
                v: half(v),
            };
            after_layer();
            layer
        });
        ModelCache {
            layers: layers.collect(),
            slots,
            capacity,
        }
    }

    /// Appends new tokens to cached sequences and returns the logits after the last new token of
    /// each row, `[rows.len(), V]`.
    ///
    /// `ids` are the new tokens of all rows end to end: `rows[0].len` of the first, and so on, so
    /// prefills and single steps can share a call. A row needs `len >= 1`, a slot of its own and
    /// `start + len <= capacity`. Not differentiable: on an autodiff backend, decode with
    /// `model.valid()`.
    pub fn decode(
        &self,
        ids: &[u32],
        rows: &[CacheRow],
        cache: &mut ModelCache<B>,
    ) -> Tensor<B, 2> {
        let asked = last_of_each(rows).map(|last| self.id_tensor(&last));
        let last = self.run(ids, rows, asked, cache);
        ops::linear(last, self.head())
    }

    /// As [`Qwen3::decode`], with the logits after each of the tokens `asked`, which are places in `ids`,
    /// `[asked.len(), V]`: what follows a draft can be looked at after each of its tokens.
    pub fn decode_at(
        &self,
        ids: &[u32],
        rows: &[CacheRow],
        asked: &[u32],
        cache: &mut ModelCache<B>,
    ) -> Tensor<B, 2> {
        let all = self.run(ids, rows, None, cache);
        ops::linear(all.select(0, self.id_tensor(asked)), self.head())
    }

    /// The hidden states after the last layer and its norm: of all tokens, or of those `asked` for.
    fn run(
        &self,
        ids: &[u32],
        rows: &[CacheRow],
        asked: Option<Tensor<B, 1, Int>>,
        cache: &mut ModelCache<B>,
    ) -> Tensor<B, 2> {
        let positions = rows.iter().flat_map(|row| row.start..row.start + row.len);
        let (cos, sin) = self.angle_tensors(self.rope().at(positions));
        let context = self.context(cos, sin);
        let mut x = self.embed_ids(self.id_tensor(ids));
        let top = self.num_layers() - 1;
        let cached = std::mem::take(&mut cache.layers);
        for (i, (layer, kv)) in self.model.layers.iter().zip(cached).enumerate() {
            let attend = |q, k, v| {
                let (mixed, kv) = ops::cached_attention(q, k, v, kv, rows, context.scale());
                cache.layers.push(kv);
                mixed
            };
            x = match &asked {
                // Of the last layer only the tokens with logits are wanted; the others leave keys and values.
                Some(asked) if i == top => layer.forward_at(asked.clone(), x, &context, attend),
                _ => layer.forward(x, &context, attend),
            };
        }
        self.model.norm.forward(x, context.eps)
    }

    /// Copies the first `len` tokens of slot `from` to each slot of `to`, so that a group of
    /// continuations of one prompt pays for its prefill once.
    pub fn share_prefix(&self, cache: &mut ModelCache<B>, from: usize, to: &[usize], len: usize) {
        let layers = std::mem::take(&mut cache.layers);
        let copied = layers
            .into_iter()
            .map(|kv| ops::copy_slot(kv, from, to, len));
        cache.layers = copied.collect();
    }
}

/// Half a layer's cache in another shape; see [`Qwen3::resize_cache`].
fn moved<B: Backend>(
    old: Tensor<B, 4>,
    shape: [usize; 4],
    kept: &[usize],
    len: usize,
) -> Tensor<B, 4> {
    let (device, dtype) = (old.device(), old.dtype());
    if kept.is_empty() || len == 0 {
        // Freed first, so that both do not exist at once.
        drop(old);
        return Tensor::zeros(shape, (&device, dtype));
    }
    let old = old.narrow(1, 0, len);
    let old = if kept.iter().copied().eq(0..kept.len()) {
        old.narrow(0, 0, kept.len())
    } else {
        let slots: Vec<i32> = kept.iter().map(|&slot| slot as i32).collect();
        old.select(0, Tensor::from_data(slots.as_slice(), &device))
    };
    let place = [0..kept.len(), 0..len, 0..shape[2], 0..shape[3]];
    Tensor::zeros(shape, (&device, dtype)).slice_assign(place, old)
}

/// The place of the last new token of each row among all new tokens; `None` when every row has one token, as in all
/// steps but the prefill.
fn last_of_each(rows: &[CacheRow]) -> Option<Vec<u32>> {
    if rows.iter().all(|row| row.len == 1) {
        return None;
    }
    let ends = rows.iter().scan(0, |end, row| {
        *end += row.len as u32;
        Some(*end - 1)
    });
    Some(ends.collect())
}
