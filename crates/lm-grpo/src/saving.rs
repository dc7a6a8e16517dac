//! When the state of a run is written, and what is kept when an update is refused.

use std::path::PathBuf;

use lm_kernels::TrainBackend;
use lm_model::Qwen3;

use crate::batch::Batch;
use crate::checkpoint::Snapshot;
use crate::pass::Culprit;
use crate::trainer::Trainer;
use crate::{Error, Monitor};

impl<B: TrainBackend> Trainer<'_, B> {
    /// Writes a checkpoint every n steps.
    pub(crate) fn save_if_due(
        &mut self,
        model: &Qwen3<B>,
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        let step = self.state.global_step;
        let due = |every| step > 0 && step.is_multiple_of(every);
        if self.config.save_every.is_some_and(due) {
            self.save(model, monitor)?;
        }
        Ok(())
    }

    /// Writes a checkpoint unless these weights are saved already; returns the last one.
    pub(crate) fn save(
        &mut self,
        model: &Qwen3<B>,
        monitor: &mut dyn Monitor,
    ) -> Result<Option<PathBuf>, Error> {
        let updates = self.optimizer.steps();
        if let Some(root) = &self.files.checkpoints
            && self
                .saved
                .as_ref()
                .is_none_or(|(saved, _)| *saved != updates)
        {
            let snapshot = Snapshot {
                model,
                optimizer: &self.optimizer,
                state: &self.state,
                batch: self.batch.as_ref(),
                next: self.next.as_ref(),
                rollout_policy: self.rollout_policy.as_ref(),
                attach: &self.files.attach,
            };
            let path = snapshot.write(root)?;
            if let Some(keep) = self.config.save_total_limit {
                lm_train::prune_checkpoints(root, keep)?;
            }
            monitor.on_checkpoint(&path);
            self.saved = Some((updates, path));
        }
        Ok(self.saved.as_ref().map(|(_, path)| path.clone()))
    }

    /// Hands `result` on. If it is an error, which engine or reward have made, the state before it is saved, so that a server
    /// that goes away costs no update.
    pub(crate) fn saving_on_failure<T>(
        &mut self,
        result: Result<T, Error>,
        model: &Qwen3<B>,
        monitor: &mut dyn Monitor,
    ) -> Result<T, Error> {
        if result.is_err()
            && self.optimizer.steps() > 0
            && let Err(error) = self.save(model, monitor)
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
        monitor: &mut dyn Monitor,
    ) -> Result<Error, Error> {
        Ok(Error::NonFinite {
            step: self.state.global_step + 1,
            quantity: "loss",
            value: bad.value,
            prompts: bad.prompts,
            completion: Some(bad.completion),
            checkpoint: self.save_good(model, batch, monitor)?,
        })
    }

    /// The same for a gradient, of which nobody knows what made it bad.
    pub(crate) fn refuse_norm(
        &mut self,
        model: &Qwen3<B>,
        norm: f64,
        batch: &Batch,
        monitor: &mut dyn Monitor,
    ) -> Result<Error, Error> {
        Ok(Error::NonFinite {
            step: self.state.global_step + 1,
            quantity: "grad_norm",
            value: norm,
            prompts: batch.prompts(),
            completion: None,
            checkpoint: self.save_good(model, batch, monitor)?,
        })
    }

    /// Saves the weights, unless those that the step began with are saved: these are not replaced by weights in the middle of
    /// a step that went wrong. The batch may hold the bad numbers, so it is not saved.
    fn save_good(
        &mut self,
        model: &Qwen3<B>,
        batch: &Batch,
        monitor: &mut dyn Monitor,
    ) -> Result<Option<PathBuf>, Error> {
        let begun_with = self.optimizer.steps() - batch.passes.len();
        match &self.saved {
            Some((updates, path)) if *updates == begun_with => Ok(Some(path.clone())),
            _ => self.save(model, monitor),
        }
    }
}
