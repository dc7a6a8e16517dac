//! Checkpoints: a run that was stopped goes on from a folder in which something is damaged, and must end with the model
//! of a run that was not disturbed.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use lm_grpo::{
    BuiltinEngine, Environment, GrpoConfig, Prompt, Reward, RewardItem, RewardValue, TextDecoder,
    train_grpo,
};
use lm_model::{Qwen3, Qwen3Config};
use lm_train::burn::backend::{Autodiff, Flex};
use lm_train::burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use lm_train::burn::tensor::Tensor;
use lm_train::{
    CancellationToken, OptimConfig, Resume, RunFiles, Sample, ScheduleKind, SftConfig, SftData,
    train_sft,
};

use super::subject::{Proof, Reading, Subject, digest};

type Train = Autodiff<Flex>;

const VOCAB: u32 = 16;

/// Steps of a whole run, and after how many it is stopped.
const STEPS: usize = 4;
const STOPPED: usize = 3;

fn model() -> Qwen3<Train> {
    let config = Qwen3Config {
        vocab_size: VOCAB as usize,
        hidden_size: 8,
        intermediate_size: 16,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 4,
        max_position_embeddings: 64,
        initializer_range: 0.15,
        ..Qwen3Config::default()
    };
    config.init(&Default::default(), 5)
}

fn optim() -> OptimConfig {
    OptimConfig {
        lr: 5e-3,
        schedule: ScheduleKind::Constant,
        warmup_ratio: 0.0,
        ..OptimConfig::default()
    }
}

fn files(dir: &Path) -> RunFiles {
    RunFiles {
        checkpoints: Some(dir.to_owned()),
        resume: Resume::Latest,
        ..RunFiles::default()
    }
}

/// All weights, in a word.
pub(super) fn weights(model: &Qwen3<Flex>) -> String {
    let mut bits = Bits(Vec::new());
    model.visit(&mut bits);
    digest(bits.0)
}

struct Bits(Vec<u32>);

impl ModuleVisitor<Flex> for Bits {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Flex, D>>) {
        let values = param.val().into_data();
        self.0.extend(values.iter::<f32>().map(f32::to_bits));
    }
}

/// Stops a run after some steps.
struct StopAfter {
    step: usize,
    stop: CancellationToken,
}

impl StopAfter {
    fn step(step: usize) -> Self {
        Self {
            step,
            stop: CancellationToken::new(),
        }
    }

    fn hear(&self, step: usize) {
        if step == self.step {
            self.stop.cancel();
        }
    }
}

impl lm_train::Observer for StopAfter {
    fn on_step(&mut self, metrics: &lm_train::StepMetrics) {
        self.hear(metrics.global_step);
    }
}

impl lm_grpo::Observer for StopAfter {
    fn on_step(&mut self, metrics: &lm_grpo::StepMetrics) {
        self.hear(metrics.global_step);
    }
}

/// A run that must end with the weights of the undisturbed one, whatever is damaged.
fn read(dir: &Path, train: Trainer) -> Reading {
    train(dir, &mut StopAfter::step(usize::MAX))
}

/// A training, up to its end or until the observer stops it; the word for its weights.
type Trainer = fn(&Path, &mut StopAfter) -> Result<String, String>;

/// A training that leaves checkpoints, and goes on from them.
pub(super) struct Training {
    name: &'static str,
    train: Trainer,
}

pub(super) const SFT: Training = Training {
    name: "SFT checkpoints",
    train: sft,
};

pub(super) const GRPO: Training = Training {
    name: "GRPO checkpoints",
    train: grpo,
};

impl Subject for Training {
    fn name(&self) -> &'static str {
        self.name
    }

    fn proof(&self) -> Proof {
        Proof::Hashed
    }

    fn write(&self, dir: &Path) -> Result<()> {
        stop(dir, self.train)
    }

    fn read(&self, dir: &Path) -> Result<Reading> {
        Ok(read(dir, self.train))
    }
}

/// Fills a folder with the checkpoints of a run that was stopped.
fn stop(dir: &Path, train: Trainer) -> Result<()> {
    let stopped = train(dir, &mut StopAfter::step(STOPPED));
    stopped
        .map_err(anyhow::Error::msg)
        .context("a run that is stopped")?;
    let newest = dir.join(format!("step-{STOPPED:06}"));
    ensure!(
        newest.is_dir(),
        "{}: expected a checkpoint",
        newest.display()
    );
    Ok(())
}

/// Fine-tuning with a checkpoint after each step, which ends with its best model.
fn sft(dir: &Path, watch: &mut StopAfter) -> Result<String, String> {
    let config = SftConfig {
        max_steps: Some(STEPS),
        batch_size: Some(2),
        save_every: Some(1),
        eval_every: Some(2),
        load_best: true,
        optim: optim(),
        ..SftConfig::default()
    };
    let sample = |i: u32| Sample {
        ids: (0..4 + i % 3).map(|j| (5 * i + 3 * j) % VOCAB).collect(),
        loss_from: 2,
    };
    let samples: Vec<Sample> = (0..9).map(sample).collect();
    let (train, eval) = samples.split_at(7);
    let (data, stop) = (SftData { train, eval }, watch.stop.clone());
    let outcome = train_sft(model(), data, &config, &files(dir), &stop, watch);
    outcome
        .map(|outcome| weights(&outcome.model.valid()))
        .map_err(|error| error.to_string())
}

/// GRPO with a checkpoint after each step, of which the next batch is sampled already.
fn grpo(dir: &Path, watch: &mut StopAfter) -> Result<String, String> {
    let config = GrpoConfig {
        group_size: 2,
        prompts_per_step: 2,
        max_steps: Some(STEPS),
        iterations: 2,
        max_completion_length: 4,
        temperature: 0.8,
        optim: optim(),
        micro_batch_tokens: 40,
        seed: 1,
        save_every: Some(1),
        one_step_off_policy: true,
        ..GrpoConfig::default()
    };
    let prompts = [vec![1, 2, 3], vec![4, 5], vec![6, 8, 9], vec![12]].map(|ids| Prompt { ids });
    let mut engine = BuiltinEngine::new(5);
    let environment = Environment {
        prompts: &prompts,
        held_out: &[],
        decoder: &Numbers,
        reward: &ShareOfSeven,
        reference: Some(model().valid()),
        engine: &mut engine,
    };
    let stop = watch.stop.clone();
    let outcome = train_grpo(model(), environment, &config, &files(dir), &stop, watch);
    outcome
        .map(|outcome| weights(&outcome.model.valid()))
        .map_err(|error| error.to_string())
}

/// Writes a token as a number.
struct Numbers;

impl TextDecoder for Numbers {
    fn text(&self, ids: &[u32]) -> String {
        ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
    }

    fn stop_ids(&self) -> Vec<u32> {
        vec![0]
    }
}

/// The share of token 7 in a completion.
struct ShareOfSeven;

impl Reward for ShareOfSeven {
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
        let share = |item: &RewardItem<'_>| {
            let words = item.completion.split(' ');
            let sevens = words.clone().filter(|word| *word == "7").count();
            sevens as f64 / words.count() as f64
        };
        let value = |item| RewardValue {
            total: share(item),
            parts: Vec::new(),
        };
        items.iter().map(value).collect()
    }
}
