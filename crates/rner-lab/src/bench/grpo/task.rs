//! The run that is measured: random prompts, tokens as numbers, and a watch that takes the time of every step.

use std::collections::HashSet;
use std::time::Instant;

use anyhow::{Result, ensure};
use burn::module::AutodiffModule;
use lm_grpo::{
    BuiltinEngine, Environment, GrpoConfig, Observer, Prompt, Reward, RewardItem, RewardValue,
    StepMetrics, TextDecoder, train_grpo,
};
use lm_kernels::TrainBackend;
use lm_model::Qwen3Config;
use lm_train::RunFiles;
use rner::backend::{Device, Task};
use rner_cli::interrupt;

use super::super::measure::Memory;
use super::BenchGrpoArgs;

/// The run of the flags.
pub(super) struct GrpoTask<'a> {
    pub(super) args: &'a BenchGrpoArgs,
    pub(super) config: &'a Qwen3Config,
    pub(super) trainer: &'a GrpoConfig,
}

/// What came out.
pub(super) struct Measured {
    /// Those that are not timed too.
    pub(super) steps: Vec<Step>,
    /// Trained parameters.
    pub(super) trained: usize,
    /// Memory before the first step.
    pub(super) before: Option<Memory>,
}

/// A step; times are in seconds.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// From the end of the step before.
    pub(super) seconds: f64,
    pub(super) rollout: f64,
    pub(super) training: f64,
    pub(super) rewards: f64,
    pub(super) rollout_tokens_per_s: f64,
    pub(super) reward: f64,
}

impl Task for GrpoTask<'_> {
    type Output = Measured;
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<Measured> {
        let (args, shape) = (self.args, &self.args.shape);
        let base = shape.model::<B>(self.config, device);
        // As for any run, the reference shares the weights of the policy as long as they are the same.
        let reference = (args.beta > 0.0).then(|| base.valid());
        let policy = shape.adapted(base, args.lora)?;
        let trained = policy.num_trainable();
        let prompts = self.prompts();
        let at_once = args.rollout_batch.map_or(args.completions(), |n| n.get());
        let environment = Environment {
            prompts: &prompts,
            held_out: &[],
            decoder: &Numbers,
            reward: &Variety,
            reference,
            engine: &mut BuiltinEngine::new(at_once),
        };
        let before = Memory::restart();
        let mut watch = Stopwatch::start();
        let files = RunFiles::default();
        let outcome = train_grpo(
            policy,
            environment,
            self.trainer,
            &files,
            interrupt::token(),
            &mut watch,
        )?;
        if outcome.stopped {
            return Err(rner::Error::Interrupted.into());
        }
        let steps = watch.steps;
        ensure!(steps.len() > args.warmups, "no step was timed");
        Ok(Measured {
            steps,
            trained,
            before,
        })
    }
}

impl GrpoTask<'_> {
    /// Other prompts for every step.
    fn prompts(&self) -> Vec<Prompt> {
        let count = self.trainer.max_steps.unwrap_or(1) * self.trainer.prompts_per_step;
        let sequences = self
            .args
            .shape
            .sequences(count, self.args.prompt_tokens.get());
        sequences.into_iter().map(|ids| Prompt { ids }).collect()
    }
}

/// Writes a token as a number. Nothing ends a completion before its limit.
struct Numbers;

impl TextDecoder for Numbers {
    fn text(&self, ids: &[u32]) -> String {
        ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
    }

    fn stop_ids(&self) -> Vec<u32> {
        Vec::new()
    }
}

/// The share of different tokens in a completion.
struct Variety;

impl Reward for Variety {
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
        let value = |item: &RewardItem<'_>| {
            let all = item.completion.split(' ').count();
            let different: HashSet<&str> = item.completion.split(' ').collect();
            RewardValue {
                total: different.len() as f64 / all as f64,
                parts: Vec::new(),
            }
        };
        items.iter().map(value).collect()
    }
}

/// Takes the time from step to step.
struct Stopwatch {
    last: Instant,
    steps: Vec<Step>,
}

impl Stopwatch {
    fn start() -> Self {
        Self {
            last: Instant::now(),
            steps: Vec::new(),
        }
    }
}

impl Observer for Stopwatch {
    fn on_step(&mut self, metrics: &StepMetrics) {
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        let value = |name| metrics.get(name).unwrap_or(f64::NAN);
        let part = |name| value("step_time") * value(name);
        self.steps.push(Step {
            seconds,
            rollout: part("time/rollout_share"),
            training: part("time/training_share"),
            rewards: part("time/reward_share"),
            rollout_tokens_per_s: value("rollout_tokens_per_second"),
            reward: value("reward"),
        });
    }
}
