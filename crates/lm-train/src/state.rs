//! Where a supervised run is, and which run it is.

use serde::{Deserialize, Serialize};

use crate::checkpoint::RunState;
use crate::config::SftConfig;

/// The state of a supervised run, as its checkpoints hold it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Optimizer steps done.
    pub global_step: usize,
    /// Epoch of the next step, from 0.
    pub epoch: usize,
    /// Steps of that epoch already done.
    pub step_in_epoch: usize,
    /// Tokens trained on, prompts included.
    pub num_tokens: u64,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// The configuration of the run.
    pub config: SftConfig,
    /// Hash of the tokens and targets of all samples, in the order given.
    pub data_hash: String,
    /// Step of the last evaluation; 0 before the first.
    #[serde(default)]
    pub evaluated_at: usize,
    /// The best evaluation so far.
    #[serde(default)]
    pub best: Option<BestEvaluation>,
    /// Evaluations since then, none of which was a gain.
    #[serde(default)]
    pub evaluations_without_gain: usize,
}

/// The evaluation with the lowest loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestEvaluation {
    /// Optimizer steps before it.
    pub global_step: usize,
    /// Its loss, in nats per target token.
    pub eval_loss: f64,
}

impl RunState for TrainState {
    type Config = SftConfig;

    const FREE_FIELDS: &'static [&'static str] =
        &["log_every", "save_every", "save_total_limit", "peak_flops"];

    const DATA: (&'static str, &'static str) = ("data_hash", "the training data");

    fn global_step(&self) -> usize {
        self.global_step
    }

    fn step_of_best(&self) -> Option<usize> {
        let best = self.best.filter(|_| self.config.load_best);
        best.map(|best| best.global_step)
    }
}
