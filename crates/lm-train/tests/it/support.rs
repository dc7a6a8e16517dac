//! A tiny model, made-up samples and an observer that records.

use std::path::PathBuf;

use burn::backend::{Autodiff, Flex};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use lm_model::{Qwen3, Qwen3Config};
use lm_train::{
    CancellationToken, Error, EvalMetrics, Observer, OptimConfig, Outcome, RunFiles, Sample,
    SftConfig, SftData, StepMetrics,
};
use rand::{Rng, SeedableRng};

pub(crate) type Cpu = Autodiff<Flex>;

pub(crate) const VOCAB: u32 = 48;

pub(crate) fn tiny_config() -> Qwen3Config {
    Qwen3Config {
        vocab_size: VOCAB as usize,
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        ..Default::default()
    }
}

pub(crate) fn tiny_model() -> Qwen3<Cpu> {
    tiny_config().init(&Default::default(), 3)
}

/// `count` samples of 4 to 20 random tokens, of which about the second half is the completion.
pub(crate) fn samples(count: usize) -> Vec<Sample> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    (0..count)
        .map(|_| {
            let length = rng.random_range(4..=20);
            let ids = (0..length).map(|_| rng.random_range(0..VOCAB)).collect();
            Sample {
                ids,
                loss_from: length / 2,
            }
        })
        .collect()
}

pub(crate) fn quick(max_steps: usize) -> SftConfig {
    SftConfig {
        max_steps: Some(max_steps),
        optim: OptimConfig {
            lr: 1e-2,
            ..Default::default()
        },
        batch_size: Some(3),
        ..Default::default()
    }
}

/// An observer with the token that ends the run it listens to.
pub(crate) trait Listener: Observer {
    fn token(&self) -> CancellationToken {
        CancellationToken::new()
    }
}

impl Listener for () {}

/// [`lm_train::train_sft`] with the token of the listener.
pub(crate) fn train_sft<'a>(
    model: Qwen3<Cpu>,
    data: impl Into<SftData<'a>>,
    config: &SftConfig,
    files: &RunFiles,
    listener: &mut impl Listener,
) -> Result<Outcome<Cpu>, Error> {
    let stop = listener.token();
    lm_train::train_sft(model, data, config, files, &stop, listener)
}

/// Records what it is told, and stops the run at the `stop_at`-th micro-batch (from 1), training and evaluation
/// together.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) steps: Vec<StepMetrics>,
    pub(crate) evaluations: Vec<EvalMetrics>,
    pub(crate) checkpoints: Vec<PathBuf>,
    pub(crate) stop_at: Option<usize>,
    micro_batches: usize,
    stop: CancellationToken,
}

impl Recorder {
    pub(crate) fn stopping_at(micro_batch: usize) -> Self {
        Self {
            stop_at: Some(micro_batch),
            ..Default::default()
        }
    }

    /// What of the metrics does not depend on the clock or the machine.
    pub(crate) fn trajectory(&self) -> Vec<(usize, [u64; 5], u64)> {
        self.steps.iter().map(numbers).collect()
    }
}

fn numbers(step: &StepMetrics) -> (usize, [u64; 5], u64) {
    let floats = [
        step.loss,
        step.grad_norm,
        step.learning_rate,
        step.entropy,
        step.epoch,
    ];
    (step.global_step, floats.map(f64::to_bits), step.num_tokens)
}

impl Listener for Recorder {
    fn token(&self) -> CancellationToken {
        self.stop.clone()
    }
}

impl Observer for Recorder {
    fn on_step(&mut self, metrics: &StepMetrics) {
        self.steps.push(metrics.clone());
    }

    fn on_evaluation(&mut self, metrics: &EvalMetrics) {
        self.evaluations.push(metrics.clone());
    }

    fn on_checkpoint(&mut self, path: &std::path::Path) {
        self.checkpoints.push(path.to_path_buf());
    }

    fn on_micro_batch(&mut self, index: usize, count: usize) {
        assert!(index < count);
        self.micro_batches += 1;
        if Some(self.micro_batches) == self.stop_at {
            self.stop.cancel();
        }
    }
}

/// Every weight of the model, in visiting order.
pub(crate) fn weights<M: Module<Cpu>>(model: &M) -> Vec<Vec<f32>> {
    struct Collect(Vec<Vec<f32>>);
    impl ModuleVisitor<Cpu> for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Cpu, D>>) {
            self.0.push(param.val().into_data().iter::<f32>().collect());
        }
    }
    let mut collect = Collect(Vec::new());
    model.visit(&mut collect);
    collect.0
}

pub(crate) fn bits(weights: &[Vec<f32>]) -> Vec<Vec<u32>> {
    weights
        .iter()
        .map(|tensor| tensor.iter().map(|value| value.to_bits()).collect())
        .collect()
}
