//! The generator: a model and the key-value cache that it keeps.

use lm_kernels::LmOps;
use lm_model::Qwen3;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::observer::Observer;
use crate::pool::CachePool;
use crate::request::{Generated, Limits, Progress, Request};
use crate::run::Run;
use crate::session::Session;

/// Generates completions with a model: continuous batching over a fixed number of cache slots.
///
/// Cloning a [`Qwen3`] shares its weights, so a generator costs little to create; its memory is the cache, two tensors
/// `[slots, capacity, kv_heads, head_dim]` per layer, which grow with the sequences.
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
        let limits = self.limits()?;
        let mut numbered = requests.iter().enumerate();
        numbered.try_for_each(|(i, request)| request.check(i, limits))?;
        let mut run = Run::new(&self.model, &mut self.pool, self.max_batch);
        for request in requests {
            run.add(request.clone());
        }
        let mut groups = vec![Vec::new(); requests.len()];
        while !run.is_done() {
            run.step(observer)?;
            if stop.is_cancelled() {
                let Progress {
                    finished, total, ..
                } = run.progress();
                return Err(Error::Stopped { finished, total });
            }
            for (request, group) in run.outcomes() {
                groups[request] = group?;
            }
        }
        Ok(groups)
    }

    /// Begins to generate step by step, for requests that come while others run.
    ///
    /// # Errors
    /// If `max_batch` is 0.
    pub fn session(&mut self) -> Result<Session<'_, B>, Error> {
        let limits = self.limits()?;
        let run = Run::new(&self.model, &mut self.pool, self.max_batch);
        Ok(Session::new(run, limits))
    }

    fn limits(&self) -> Result<Limits, Error> {
        if self.max_batch == 0 {
            return Err(Error::NoSlots);
        }
        let config = self.model.config();
        Ok(Limits {
            vocab_size: config.vocab_size,
            positions: config.max_positions(),
            room: self.pool.positions(&self.model),
        })
    }
}
