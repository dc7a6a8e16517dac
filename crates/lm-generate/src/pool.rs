//! The memory of the key-value cache, which outlives the generator that uses it.

use lm_kernels::LmOps;
use lm_model::{ModelCache, Qwen3};

use crate::room::{Room, Shape};

/// Freed memory that is given back to the system at once while a cache with a limit changes its shape, in bytes.
const GIVE_BACK: usize = 16 << 20;

/// A key-value cache that outlives the generator using it, and perhaps a limit of its memory.
///
/// A trainer cannot keep a [`Generator`](crate::Generator) between its steps, because the generator holds the weights,
/// which the optimizer wants to update in place. It keeps the pool instead: see
/// [`Generator::with_pool`](crate::Generator::with_pool) and [`Generator::into_pool`](crate::Generator::into_pool).
///
/// The cache grows as sequences grow, by doubling. With a limit, sequences that do not fit wait, and those that no
/// longer fit leave and are computed again later: see [`Session`](crate::Session).
#[derive(Debug)]
pub struct CachePool<B: LmOps> {
    cache: Option<ModelCache<B>>,
    limit: Option<usize>,
}

impl<B: LmOps> Default for CachePool<B> {
    fn default() -> Self {
        Self {
            cache: None,
            limit: None,
        }
    }
}

impl<B: LmOps> CachePool<B> {
    /// A pool without memory and without a limit; the first call of the generator allocates.
    pub fn new() -> Self {
        Self::default()
    }

    /// A pool without memory whose cache never has more than so many bytes, not even while it grows.
    pub fn with_limit(bytes: usize) -> Self {
        Self {
            cache: None,
            limit: Some(bytes),
        }
    }

    /// Tokens that all sequences of this model in the cache can have together; `usize::MAX` without a limit.
    ///
    /// A cache that changes its shape needs up to two halves of one layer besides, which are counted.
    pub fn positions(&self, model: &Qwen3<B>) -> usize {
        let Some(limit) = self.limit else {
            return usize::MAX;
        };
        let layers = model.num_layers();
        let all = limit / model.cache_bytes_per_position().max(1);
        (all as u128 * layers as u128 / (layers as u128 + 1)) as usize
    }

    /// Bytes that the cache has for this model now.
    pub fn bytes(&self, model: &Qwen3<B>) -> usize {
        let shape = self.shape();
        shape.slots * shape.capacity * model.cache_bytes_per_position()
    }

    /// Gives the memory back; the next call allocates anew.
    pub fn clear(&mut self) {
        self.cache = None;
    }

    pub(crate) fn room(&self, model: &Qwen3<B>, max_batch: usize) -> Room {
        Room {
            max_batch,
            positions: self.positions(model),
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        let cache = self.cache.as_ref();
        cache.map_or_else(Shape::default, |cache| Shape {
            slots: cache.slots(),
            capacity: cache.capacity(),
        })
    }

    /// The cache in this shape. Slot `i` begins with the first `len` tokens of slot `kept[i]`.
    pub(crate) fn resize(&mut self, model: &Qwen3<B>, shape: Shape, kept: &[usize], len: usize) {
        let Shape { slots, capacity } = shape;
        let before = self.bytes(model);
        let old = self.cache.take().filter(|_| !kept.is_empty());
        self.cache = Some(match old {
            // The old cache is freed by now.
            None => model.new_cache(slots, capacity),
            Some(old) => {
                let mut freed = 0;
                let per_layer = before / model.num_layers().max(1);
                let after_layer = || {
                    freed += per_layer;
                    if self.limit.is_some() && freed >= GIVE_BACK {
                        lm_kernels::give_back_freed_memory();
                        freed = 0;
                    }
                };
                model.resize_cache(old, (slots, capacity), kept, len, after_layer)
            }
        });
        if self.limit.is_some() && before >= GIVE_BACK {
            lm_kernels::give_back_freed_memory();
        }
    }

    pub(crate) fn cache(&mut self) -> Option<&mut ModelCache<B>> {
        self.cache.as_mut()
    }
}
