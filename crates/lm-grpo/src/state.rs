//! Where a run is, and which run it is.

use lm_train::RunState;
use serde::{Deserialize, Serialize};

use crate::config::GrpoConfig;
use crate::environment::Prompt;

/// The best evaluation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestEvaluation {
    /// Steps done before it.
    pub global_step: usize,
    /// Mean reward of the held-out prompts, answered greedily.
    pub reward: f64,
}

/// What is remembered of the evaluations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluations {
    /// The best so far.
    pub(crate) best: Option<BestEvaluation>,
    /// Steps done before the last one.
    pub(crate) last: Option<usize>,
    /// How many in a row were not better than the best.
    pub(crate) without_gain: usize,
}

impl Evaluations {
    /// Enters a mean reward; returns whether it is the best so far.
    pub(crate) fn count(&mut self, global_step: usize, reward: f64) -> bool {
        let is_best = self.best.is_none_or(|best| reward > best.reward);
        self.last = Some(global_step);
        self.without_gain = if is_best { 0 } else { self.without_gain + 1 };
        if is_best {
            self.best = Some(BestEvaluation {
                global_step,
                reward,
            });
        }
        is_best
    }
}

/// The state of a run, as its checkpoints hold it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Steps done.
    pub(crate) global_step: usize,
    /// Tokens of prompts and completions so far, each counted once.
    pub(crate) num_tokens: u64,
    /// The configuration of the run.
    pub(crate) config: GrpoConfig,
    /// Hash of the tokens of all prompts, in the order given, and of the indices of those held out.
    pub(crate) prompts_hash: String,
    #[serde(default)]
    pub(crate) evaluations: Evaluations,
}

impl State {
    pub(crate) fn new(config: &GrpoConfig, prompts: &[Prompt], held_out: &[usize]) -> Self {
        Self {
            global_step: 0,
            num_tokens: 0,
            config: config.clone(),
            prompts_hash: hash(prompts, held_out),
            evaluations: Evaluations::default(),
        }
    }
}

impl RunState for State {
    type Config = GrpoConfig;

    const FREE_FIELDS: &'static [&'static str] =
        &["save_every", "save_total_limit", "micro_batch_tokens"];

    const DATA: (&'static str, &'static str) = ("prompts_hash", "the list of prompts");

    fn global_step(&self) -> usize {
        self.global_step
    }

    fn step_of_best(&self) -> Option<usize> {
        let best = self.evaluations.best.filter(|_| self.config.load_best);
        best.map(|best| best.global_step)
    }
}

fn hash(prompts: &[Prompt], held_out: &[usize]) -> String {
    let mut hasher = blake3::Hasher::new();
    for prompt in prompts {
        hasher.update(&(prompt.ids.len() as u64).to_le_bytes());
        for id in &prompt.ids {
            hasher.update(&id.to_le_bytes());
        }
    }
    for prompt in held_out {
        hasher.update(&(*prompt as u64).to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
