//! A toy to train on: tokens are numbers, and the reward is the share of token 7.

use std::path::PathBuf;

use burn::backend::Flex;
use burn::module::AutodiffModule;
use lm_generate::Progress;
use lm_model::Qwen3;
use lm_train::{OptimConfig, RunFiles, ScheduleKind};
use tokio_util::sync::CancellationToken;

use super::{Train, policy, prompts};
use crate::{
    BuiltinEngine, CompletionRow, Environment, Error, Evaluation, GrpoConfig, Observer, Outcome,
    Reward, RewardItem, RewardValue, StepMetrics, TextDecoder, train_grpo,
};

/// Writes a token as a number; these tokens end a completion.
pub(crate) struct Numbers(pub(crate) &'static [u32]);

impl TextDecoder for Numbers {
    fn text(&self, ids: &[u32]) -> String {
        ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
    }

    fn stop_ids(&self) -> Vec<u32> {
        self.0.to_vec()
    }
}

/// The share of token 7 in the completion.
pub(crate) struct ShareOfSeven;

impl Reward for ShareOfSeven {
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
        let share = |item: &RewardItem<'_>| {
            let words: Vec<&str> = item.completion.split(' ').collect();
            words.iter().filter(|word| **word == "7").count() as f64 / words.len() as f64
        };
        items
            .iter()
            .map(|item| RewardValue {
                total: share(item),
                parts: vec![("share".into(), share(item))],
            })
            .collect()
    }
}

/// A reward given as a function of the number of items.
pub(crate) struct Fixed(pub(crate) fn(usize) -> Vec<f64>);

impl Reward for Fixed {
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
        (self.0)(items.len())
            .into_iter()
            .map(|total| RewardValue {
                total,
                parts: Vec::new(),
            })
            .collect()
    }
}

/// An observer with the token that ends the run it listens to.
pub(crate) trait Listener: Observer {
    fn token(&self) -> CancellationToken {
        CancellationToken::new()
    }
}

impl Listener for () {}

/// Collects metrics, and stops the run at the `stop_at`-th sign of life (from 1): a decode step or a micro-batch.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) metrics: Vec<StepMetrics>,
    pub(crate) evaluations: Vec<Evaluation>,
    pub(crate) rows: usize,
    /// The prompts of the rows.
    pub(crate) prompts: Vec<usize>,
    pub(crate) checkpoints: Vec<PathBuf>,
    pub(crate) signs: usize,
    stop_at: Option<usize>,
    stop: CancellationToken,
}

impl Watch {
    pub(crate) fn stopping_at(sign: usize) -> Self {
        Self {
            stop_at: Some(sign),
            ..Default::default()
        }
    }

    fn is_alive(&mut self) {
        self.signs += 1;
        if Some(self.signs) == self.stop_at {
            self.stop.cancel();
        }
    }
}

impl Listener for Watch {
    fn token(&self) -> CancellationToken {
        self.stop.clone()
    }
}

impl Observer for Watch {
    fn on_step(&mut self, metrics: &StepMetrics) {
        self.metrics.push(metrics.clone());
    }

    fn on_rollout(&mut self, _step: usize, rows: &[CompletionRow<'_>]) {
        self.rows += rows.len();
        self.prompts.extend(rows.iter().map(|row| row.prompt_index));
    }

    fn on_evaluation(&mut self, evaluation: &Evaluation) {
        self.evaluations.push(evaluation.clone());
    }

    fn on_checkpoint(&mut self, path: &std::path::Path) {
        self.checkpoints.push(path.to_path_buf());
    }

    fn on_progress(&mut self, _progress: Progress) {
        self.is_alive();
    }

    fn on_micro_batch(&mut self, _index: usize, _count: usize) {
        self.is_alive();
    }
}

/// Three steps of two passes.
pub(crate) fn config() -> GrpoConfig {
    GrpoConfig {
        group_size: 4,
        prompts_per_step: 3,
        max_steps: Some(3),
        iterations: 2,
        max_completion_length: 8,
        temperature: 0.8,
        optim: OptimConfig {
            lr: 5e-3,
            schedule: ScheduleKind::Constant,
            warmup_ratio: 0.0,
            ..Default::default()
        },
        micro_batch_tokens: 40,
        seed: 1,
        ..Default::default()
    }
}

/// What differs from run to run besides the configuration.
pub(crate) struct Setup<'a> {
    pub(crate) model: Qwen3<Train>,
    pub(crate) reference: Option<Qwen3<Flex>>,
    pub(crate) reward: &'a dyn Reward,
    pub(crate) stops: &'static [u32],
    pub(crate) held_out: &'static [usize],
}

impl Default for Setup<'_> {
    fn default() -> Self {
        let model = policy();
        let reference = Some(model.valid());
        Self {
            model,
            reference,
            reward: &ShareOfSeven,
            stops: &[0],
            held_out: &[],
        }
    }
}

impl Setup<'_> {
    pub(crate) fn run(
        self,
        config: &GrpoConfig,
        files: &RunFiles,
        listener: &mut impl Listener,
    ) -> Result<Outcome<Train>, Error> {
        let prompts = prompts();
        let mut engine = BuiltinEngine::new(5);
        let environment = Environment {
            prompts: &prompts,
            held_out: self.held_out,
            decoder: &Numbers(self.stops),
            reward: self.reward,
            reference: self.reference,
            engine: &mut engine,
        };
        let stop = listener.token();
        train_grpo(self.model, environment, config, files, &stop, listener)
    }
}

/// A run of the usual setup.
pub(crate) fn run(
    config: &GrpoConfig,
    files: &RunFiles,
    listener: &mut impl Listener,
) -> Result<Outcome<Train>, Error> {
    Setup::default().run(config, files, listener)
}

/// The error of a run that must fail.
pub(crate) fn expect_error(result: Result<Outcome<Train>, Error>) -> Error {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error,
    }
}
