//! Where completions come from.

use lm_generate::{CachePool, Generated, Generator, Observer, Request};
use lm_kernels::LmOps;
use lm_model::Qwen3;
use tokio_util::sync::CancellationToken;

/// Any error of an engine.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Samples completions from the current policy. `B` is the backend without autodiff. With
/// [`one_step_off_policy`](crate::GrpoConfig::one_step_off_policy) it does so on another thread.
pub trait RolloutEngine<B: LmOps>: Send {
    /// The completions of each request, in order; `request.n` of each. The log-probabilities are used for a metric
    /// only: the trainer computes its own.
    ///
    /// The engine calls [`Observer::on_step`] regularly, returns an error (any) soon after `stop` is cancelled, and
    /// need not speak of single tokens.
    ///
    /// # Errors
    /// Whatever the engine has to say; the trainer passes it on.
    fn rollout(
        &mut self,
        model: &Qwen3<B>,
        requests: &[Request],
        stop: &CancellationToken,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<Generated>>, BoxError>;
}

/// The engine over [`lm_generate::Generator`], in the process and with the weights of the trainer: nothing has to be
/// copied or kept in step.
pub struct BuiltinEngine<B: LmOps> {
    max_batch: usize,
    pool: CachePool<B>,
}

impl<B: LmOps> BuiltinEngine<B> {
    /// An engine that grows up to `max_batch` completions at once. Its key-value cache is allocated by the first
    /// rollout and kept.
    pub fn new(max_batch: usize) -> Self {
        Self {
            max_batch,
            pool: CachePool::new(),
        }
    }
}

impl<B: LmOps> RolloutEngine<B> for BuiltinEngine<B> {
    fn rollout(
        &mut self,
        model: &Qwen3<B>,
        requests: &[Request],
        stop: &CancellationToken,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<Generated>>, BoxError> {
        // The generator goes before the optimizer runs, since it shares the weights that are to be updated in place.
        let mut generator =
            Generator::with_pool(model, self.max_batch, std::mem::take(&mut self.pool));
        let groups = generator.generate(requests, stop, observer);
        self.pool = generator.into_pool();
        Ok(groups?)
    }
}
