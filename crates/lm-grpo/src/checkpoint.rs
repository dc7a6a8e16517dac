//! What a checkpoint of a run has besides model, optimizer and state: batches in progress, and the policy that is to
//! sample.

use std::path::Path;

use burn::module::AutodiffModule;
use lm_kernels::TrainBackend;
use lm_model::Qwen3;
use lm_train::{Checkpoint, Draft, Optimizer};

use crate::batch::Batch;
use crate::error::Error;
use crate::state::State;

const BATCH_FILE: &str = "rollout_batch.json";
const NEXT_FILE: &str = "next_rollout_batch.json";

/// Folder of the policy that is to sample the next batch, if it is not the model of the checkpoint.
const ROLLOUT_POLICY: &str = "rollout_policy";

/// What a run needs to go on.
pub(crate) struct Saved<B: TrainBackend> {
    pub(crate) model: Qwen3<B>,
    pub(crate) optimizer: Optimizer<B>,
    pub(crate) state: State,
    pub(crate) rollouts: Rollouts<B>,
}

/// Rollouts that are not used up.
pub(crate) struct Rollouts<B: TrainBackend> {
    /// The batch in progress.
    pub(crate) batch: Option<Batch>,
    /// The batch of the step after it, sampled already.
    pub(crate) next: Option<Batch>,
    /// The policy that is to sample the batch of the step after it, if updates were made since. Only for the time
    /// between a stop in the middle of a step and the end of the run, or between its resumption and the next rollout.
    pub(crate) policy: Option<Qwen3<B::InnerBackend>>,
}

impl<B: TrainBackend> Saved<B> {
    /// The state of a run that begins.
    pub(crate) fn fresh(policy: Qwen3<B>, state: State) -> Self {
        Self {
            model: policy,
            optimizer: Optimizer::new(state.config.optim.adamw()),
            state,
            rollouts: Rollouts {
                batch: None,
                next: None,
                policy: None,
            },
        }
    }

    /// Reads the checkpoint in `dir`, which must have been written by the run of `fresh`; `policy` is the model that
    /// the run began with.
    pub(crate) fn read(dir: &Path, fresh: &State, policy: Qwen3<B>) -> Result<Self, Error> {
        let checkpoint = Checkpoint::open_of_run(dir, fresh)?;
        let rollouts = Rollouts {
            batch: checkpoint.json(BATCH_FILE)?,
            next: checkpoint.json(NEXT_FILE)?,
            policy: checkpoint.model(ROLLOUT_POLICY, policy.valid())?,
        };
        let (model, optimizer) = checkpoint.read(policy, fresh.config.optim.adamw())?;
        Ok(Self {
            model,
            optimizer,
            state: checkpoint.into_state(),
            rollouts,
        })
    }
}

impl<B: TrainBackend> Rollouts<B> {
    /// Adds what there is to a checkpoint.
    pub(crate) fn write(&self, draft: &Draft) -> Result<(), lm_train::Error> {
        for (file, batch) in [(BATCH_FILE, &self.batch), (NEXT_FILE, &self.next)] {
            if let Some(batch) = batch {
                draft.json(file, batch)?;
            }
        }
        match &self.policy {
            Some(policy) => draft.model(ROLLOUT_POLICY, policy),
            None => Ok(()),
        }
    }
}
