//! The generator and the key-value cache that it keeps.

use lm_kernels::LmOps;
use lm_model::{ModelCache, Qwen3};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::observer::Observer;
use crate::request::{Generated, Limits, Progress, Request};
use crate::run::Run;

/// The capacity of a slot is rounded up to a multiple of this, so that calls of similar lengths share one allocation.
const CAPACITY_STEP: usize = 64;

/// A key-value cache that outlives the generator using it.
///
/// A trainer cannot keep a [`Generator`] between its steps, because the generator holds the weights, which the
/// optimizer wants to update in place. It keeps the pool instead: see [`Generator::with_pool`] and
/// [`Generator::into_pool`].
pub struct CachePool<B: LmOps> {
    allocated: Option<Allocation<B>>,
}

struct Allocation<B: LmOps> {
    cache: ModelCache<B>,
    slots: usize,
    capacity: usize,
}

impl<B: LmOps> Default for CachePool<B> {
    fn default() -> Self {
        Self { allocated: None }
    }
}

impl<B: LmOps> CachePool<B> {
    /// A pool without memory; the first call of the generator allocates.
    pub fn new() -> Self {
        Self::default()
    }

    /// A cache of at least so many slots and positions per slot, kept from an earlier call where it is large enough.
    fn reserve(&mut self, model: &Qwen3<B>, slots: usize, capacity: usize) -> &mut ModelCache<B> {
        let fits = |a: &Allocation<B>| a.slots >= slots && a.capacity >= capacity;
        let kept = self.allocated.take_if(|a| fits(a));
        // A cache that is too small is freed before its successor is allocated.
        self.allocated = None;
        let allocate = || Allocation {
            cache: model.new_cache(slots, capacity),
            slots,
            capacity,
        };
        &mut self.allocated.insert(kept.unwrap_or_else(allocate)).cache
    }
}

/// Generates completions with a model: continuous batching over a fixed number of cache slots.
///
/// Cloning a [`Qwen3`] shares its weights, so a generator costs little to create; its memory is the cache, two tensors
/// `[slots, capacity, kv_heads, head_dim]` per layer, where the capacity is the longest prompt plus completion of a
/// call.
pub struct Generator<B: LmOps> {
    model: Qwen3<B>,
    max_batch: usize,
    pool: CachePool<B>,
}

impl<B: LmOps> Generator<B> {
    /// A generator that runs up to `max_batch` sequences at once.
    pub fn new(model: &Qwen3<B>, max_batch: usize) -> Self {
        Self::with_pool(model, max_batch, CachePool::new())
    }

    /// A generator that uses the memory of an earlier one. The pool must come from a model of the same shape.
    pub fn with_pool(model: &Qwen3<B>, max_batch: usize, pool: CachePool<B>) -> Self {
        Self {
            model: model.clone(),
            max_batch,
            pool,
        }
    }

    /// Gives up the model and keeps the memory.
    pub fn into_pool(self) -> CachePool<B> {
        self.pool
    }

    /// The completions of each request, in the order of the requests and of their samples.
    ///
    /// `observer` is told of every token and every decode step; `()` does not listen. Cancelling `stop` ends the call
    /// with [`Error::Stopped`] after the decode step in progress.
    ///
    /// # Errors
    ///
    /// Every request is checked before the first one runs, see the variants of [`Error`]. While running, only
    /// [`Error::NonFiniteLogits`], [`Error::ReadTokens`] and [`Error::Stopped`] can occur.
    pub fn generate(
        &mut self,
        requests: &[Request],
        stop: &CancellationToken,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<Generated>>, Error> {
        self.check(requests)?;
        let total: usize = requests.iter().map(|r| r.n).sum();
        let longest = requests.iter().map(Request::capacity).max().unwrap_or(0);
        let slots = self.max_batch.min(total);
        if slots == 0 {
            return Ok(vec![Vec::new(); requests.len()]);
        }
        let capacity = longest
            .next_multiple_of(CAPACITY_STEP)
            .min(self.model.config().max_positions());
        let cache = self.pool.reserve(&self.model, slots, capacity);
        let mut run = Run::new(&self.model, cache, requests, slots, observer);
        while !run.is_done() {
            run.step()?;
            if stop.is_cancelled() {
                let Progress {
                    finished, total, ..
                } = run.progress();
                return Err(Error::Stopped { finished, total });
            }
        }
        Ok(run.into_results())
    }

    fn check(&self, requests: &[Request]) -> Result<(), Error> {
        if self.max_batch == 0 {
            return Err(Error::NoSlots);
        }
        let config = self.model.config();
        let limits = Limits {
            vocab_size: config.vocab_size,
            positions: config.max_positions(),
        };
        requests
            .iter()
            .enumerate()
            .try_for_each(|(i, request)| request.check(i, limits))
    }
}
