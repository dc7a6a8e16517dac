//! When the state of a run is written, and what is kept when an update is refused.

use std::path::PathBuf;

use lm_kernels::TrainBackend;
use lm_model::Qwen3;
use lm_train::Draft;

use crate::batch::Batch;
use crate::error::Error;
use crate::metrics::Observer;
use crate::pass::Culprit;
use crate::trainer::Trainer;

impl<B: TrainBackend> Trainer<'_, B> {
    /// Writes a checkpoint every n steps.
    pub(crate) fn save_if_due(
        &mut self,
        model: &Qwen3<B>,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let step = self.state.global_step;
        let due = |every| step > 0 && step.is_multiple_of(every);
        if self.config.save_every.is_some_and(due) {
            self.save(model, observer)?;
        }
        Ok(())
    }

    /// Writes a checkpoint unless these weights are saved already; returns the last one.
    pub(crate) fn save(
        &mut self,
        model: &Qwen3<B>,
        observer: &mut dyn Observer,
    ) -> Result<Option<PathBuf>, Error> {
        let (optimizer, state, rollouts) = (&self.optimizer, &self.state, &self.rollouts);
        let parts = |draft: &Draft| rollouts.write(draft);
        if let Some(path) = self.checkpoints.save(model, optimizer, state, parts)? {
            observer.on_checkpoint(&path);
        }
        Ok(self.checkpoints.last())
    }

    /// Hands `result` on. If it is an error, which engine or reward have made, the state before it is saved, so that a
    /// server that goes away costs no update.
    pub(crate) fn saving_on_failure<T>(
        &mut self,
        result: Result<T, Error>,
        model: &Qwen3<B>,
        observer: &mut dyn Observer,
    ) -> Result<T, Error> {
        if result.is_err()
            && self.optimizer.steps() > 0
            && let Err(error) = self.save(model, observer)
        {
            // What ended the run is the more important of the two errors.
            tracing::error!(%error, "the state of the run cannot be saved");
        }
        result
    }

    /// Describes an update that would have been bad, and sees to it that the state before it is saved.
    pub(crate) fn refuse_loss(
        &mut self,
        model: &Qwen3<B>,
        bad: Culprit,
        batch: &Batch,
        observer: &mut dyn Observer,
    ) -> Result<Error, Error> {
        Ok(Error::NonFinite {
            step: self.state.global_step + 1,
            quantity: "loss",
            value: bad.value,
            prompts: bad.prompts,
            completion: Some(bad.completion),
            checkpoint: self.save_good(model, batch, observer)?,
        })
    }

    /// The same for a gradient, of which nobody knows what made it bad.
    pub(crate) fn refuse_norm(
        &mut self,
        model: &Qwen3<B>,
        norm: f64,
        batch: &Batch,
        observer: &mut dyn Observer,
    ) -> Result<Error, Error> {
        Ok(Error::NonFinite {
            step: self.state.global_step + 1,
            quantity: "grad_norm",
            value: norm,
            prompts: batch.prompts(),
            completion: None,
            checkpoint: self.save_good(model, batch, observer)?,
        })
    }

    /// Saves the weights, unless those that the step began with are saved: these are not replaced by weights in the
    /// middle of a step that went wrong. The batch may hold the bad numbers, so it is not saved.
    fn save_good(
        &mut self,
        model: &Qwen3<B>,
        batch: &Batch,
        observer: &mut dyn Observer,
    ) -> Result<Option<PathBuf>, Error> {
        let begun_with = self.optimizer.steps() - batch.passes.len();
        if self.checkpoints.holds(begun_with) {
            Ok(self.checkpoints.last())
        } else {
            self.save(model, observer)
        }
    }
}
