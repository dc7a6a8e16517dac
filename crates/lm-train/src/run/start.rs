//! What a run begins with, or goes on from.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use lm_kernels::TrainBackend;
use lm_model::Qwen3;
use lm_model::checkpoint::Blank;

use super::plan;
use crate::checkpoint::{Candidates, Checkpoint};
use crate::config::SftConfig;
use crate::counters;
use crate::error::Error;
use crate::optimizer::Optimizer;
use crate::outcome::RunFiles;
use crate::resume::SetAside;
use crate::state::TrainState;

/// What a run has at its start.
pub(super) struct Start<B: AutodiffBackend> {
    pub(super) model: Qwen3<B>,
    pub(super) optimizer: Optimizer<B>,
    pub(super) state: TrainState,
    /// The checkpoint that it goes on from.
    pub(super) from: Option<PathBuf>,
    /// Checkpoints that were passed over.
    pub(super) set_aside: Vec<SetAside>,
}

impl<B: TrainBackend> Start<B> {
    /// Goes on from the newest checkpoint that is whole, if the run is to and there is one; else it begins with `model`
    /// and `fresh`. What the first worker has proved the others believe.
    pub(super) fn find(
        model: Qwen3<B>,
        config: &SftConfig,
        files: &RunFiles,
        fresh: TrainState,
        lengths: &[usize],
        is_first: bool,
    ) -> Result<Self, Error> {
        let mut candidates = if is_first {
            Candidates::find(files)?
        } else {
            Candidates::proved(files)?
        };
        let start = if candidates.is_empty() {
            Self::anew(model, config, fresh)
        } else {
            resume(&mut candidates, model, config, &fresh, lengths)?
        };
        Ok(Self {
            set_aside: candidates.passed_over(),
            ..start
        })
    }

    fn anew(model: Qwen3<B>, config: &SftConfig, state: TrainState) -> Self {
        Self {
            model,
            optimizer: Optimizer::new(config.optim.adamw()),
            state,
            from: None,
            set_aside: Vec::new(),
        }
    }
}

/// Replaces the fresh parts of a run by those of the newest checkpoint that is whole.
fn resume<B: TrainBackend>(
    candidates: &mut Candidates<'_>,
    model: Qwen3<B>,
    config: &SftConfig,
    fresh: &TrainState,
    lengths: &[usize],
) -> Result<Start<B>, Error> {
    let blank = Blank::of(model);
    let tokens = lengths.iter().map(|&length| length as u64).sum();
    let steps_of = |epoch| plan(config, lengths, epoch).steps();
    let read = |checkpoint: Checkpoint<TrainState>| {
        let problem = counters::impossible(checkpoint.state(), fresh, tokens, steps_of);
        problem.map_or(Ok(()), |problem| Err(checkpoint.bad_state(problem)))?;
        let (model, optimizer) = checkpoint.read(&blank, config.optim.adamw())?;
        let (updates, steps) = (optimizer.steps(), checkpoint.state().global_step);
        if updates != steps {
            let problem = format!("expected a step for each of {updates} updates, found {steps}");
            return Err(checkpoint.bad_state(problem));
        }
        Ok((model, optimizer, checkpoint.into_state()))
    };
    let (from, (model, optimizer, state)) = candidates.newest(fresh, read)?;
    tracing::info!(step = state.global_step, from = %from.display(), "resumed");
    Ok(Start {
        model,
        optimizer,
        state,
        from: Some(from),
        set_aside: Vec::new(),
    })
}
