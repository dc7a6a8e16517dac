//! The task of a run: what is asked, how answers are made, read and scored.

use lm_kernels::LmOps;
use lm_model::Qwen3;
use lm_train::RunFiles;

use crate::config::GrpoConfig;
use crate::error::Error;
use crate::reward::{Reward, TextDecoder};
use crate::rollout::RolloutEngine;

/// A prompt to sample completions of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its token ids, chat markup included; at least one.
    pub ids: Vec<u32>,
}

/// The task: what is asked, how answers are made, read and scored. `B` is the backend without autodiff.
pub struct Environment<'a, B: LmOps> {
    /// The prompts; the reward is told their indices.
    pub prompts: &'a [Prompt],
    /// Those of the prompts that are only evaluated on, as indices; may be empty.
    pub held_out: &'a [usize],
    /// Turns tokens into the text that the reward sees.
    pub decoder: &'a dyn TextDecoder,
    /// Scores completions.
    pub reward: &'a dyn Reward,
    /// The model that the KL penalty is measured against, usually a copy of the first policy (`policy.valid()`); may be
    /// `None` when [`GrpoConfig::beta`](crate::GrpoConfig::beta) is 0, and is not used then.
    pub reference: Option<Qwen3<B>>,
    /// Samples completions.
    pub engine: &'a mut dyn RolloutEngine<B>,
}

/// Whether a part of the run came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Done,
    Stopped,
}

/// The prompts to train on. Refuses to evaluate on nothing, and to load a best model that is written nowhere.
pub(crate) fn trainable<B: LmOps>(
    environment: &Environment<'_, B>,
    config: &GrpoConfig,
    files: &RunFiles,
) -> Result<Vec<usize>, Error> {
    let (prompts, held_out) = (environment.prompts.len(), environment.held_out);
    let trainable = (0..prompts).filter(|prompt| !held_out.contains(prompt));
    let trainable: Vec<usize> = trainable.collect();
    let exist = held_out.iter().all(|&prompt| prompt < prompts);
    let evaluates = config.eval_every.is_some();
    if trainable.is_empty() || !exist || (evaluates && held_out.is_empty()) {
        return Err(Error::NoHeldOut {
            held_out: held_out.len(),
            prompts,
        });
    }
    if config.load_best && files.checkpoints.is_none() {
        return Err(Error::NowhereToKeep);
    }
    Ok(trainable)
}
