//! What a checkpoint of a run has besides model, optimizer and state: batches in progress, and the policy that is to
//! sample.

use std::path::PathBuf;

use burn::module::AutodiffModule;
use lm_kernels::TrainBackend;
use lm_model::Qwen3;
use lm_model::checkpoint::Blank;
use lm_train::{Candidates, Checkpoint, Draft, Optimizer};

use crate::batch::Batch;
use crate::error::Error;
use crate::plausible::Bounds;
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
    /// The checkpoint that the run goes on from.
    pub(crate) from: Option<PathBuf>,
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
            from: None,
        }
    }

    /// Goes on from the newest checkpoint that is whole and of the run of `fresh`; `policy` is the model that the run
    /// began with.
    pub(crate) fn resume(
        candidates: &mut Candidates<'_>,
        fresh: &State,
        policy: Qwen3<B>,
        bounds: Bounds<'_>,
    ) -> Result<Self, Error> {
        let blanks = (Blank::of(policy.valid()), Blank::of(policy));
        let read = |checkpoint| Self::read(&checkpoint, &blanks, bounds);
        let (dir, saved) = candidates.newest(fresh, read)?;
        tracing::info!(from = %dir.display(), "resumed");
        Ok(Self {
            from: Some(dir),
            ..saved
        })
    }

    fn read(
        checkpoint: &Checkpoint<State>,
        (rollout_blank, blank): &(Blank<B::InnerBackend>, Blank<B>),
        bounds: Bounds<'_>,
    ) -> Result<Self, lm_train::Error> {
        let state = checkpoint.state();
        let possible = |problem: Option<String>| {
            problem.map_or(Ok(()), |problem| Err(checkpoint.bad_state(problem)))
        };
        possible(bounds.broken_by_state(state))?;
        let updates_per_step = bounds.config.updates_per_step();
        let rollouts = Rollouts {
            batch: read_batch(checkpoint, BATCH_FILE, bounds, updates_per_step)?,
            next: read_batch(checkpoint, NEXT_FILE, bounds, 0)?,
            policy: checkpoint.model(ROLLOUT_POLICY, rollout_blank)?,
        };
        let (model, optimizer) = checkpoint.read(blank, bounds.config.optim.adamw())?;
        let passes = rollouts
            .batch
            .as_ref()
            .map_or(0, |batch| batch.passes.len());
        possible(bounds.broken_by_updates(state, passes, optimizer.steps()))?;
        Ok(Self {
            model,
            optimizer,
            state: state.clone(),
            rollouts,
            from: None,
        })
    }
}

/// A batch that was saved, if one was; it had at most so many passes.
fn read_batch(
    checkpoint: &Checkpoint<State>,
    name: &str,
    bounds: Bounds<'_>,
    passes: usize,
) -> Result<Option<Batch>, lm_train::Error> {
    let batch: Option<Batch> = checkpoint.json(name)?;
    let problem = batch
        .as_ref()
        .and_then(|batch| bounds.broken_by_batch(batch, passes));
    problem.map_or(Ok(batch), |problem| Err(checkpoint.bad_file(name, problem)))
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
