//! `rner-lab bench sft`: the trainer's own step on a random model and random tokens.

use std::num::NonZero;

use anyhow::{Result, ensure};
use clap::Args;
use lm_kernels::TrainBackend;
use lm_model::Qwen3Config;
use lm_train::{
    Observer, OptimConfig, RunFiles, Sample, ScheduleKind, SftConfig, StepMetrics, train_sft,
};
use rner::backend::{Device, Task, dispatch};
use rner_cli::interrupt;
use serde::Serialize;

use super::measure::{Memory, check_peak, median, print};
use super::shape::ShapeArgs;

/// What the numbers hold, for the report.
const TIMED: &str = "one optimizer step of the trainer: forward, backward, clipping by the global norm, AdamW; \
                     the same batch every time, a target at every token";

/// Flags of `rner-lab bench sft`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchSftArgs {
    #[command(flatten)]
    shape: ShapeArgs,
    /// Sequences at once.
    #[arg(long, value_name = "B", default_value = "8")]
    batch: NonZero<usize>,
    /// Tokens of a sequence.
    #[arg(long, value_name = "S", default_value = "512")]
    seq: NonZero<usize>,
    /// Timed steps.
    #[arg(long, value_name = "N", default_value = "9")]
    steps: NonZero<usize>,
    /// Steps before the timed ones.
    #[arg(long, value_name = "N", default_value_t = 3)]
    warmups: usize,
    /// Train adapters of this rank on the frozen model.
    #[arg(long, value_name = "RANK")]
    lora: Option<NonZero<usize>>,
    /// Compute every K layers again in the backward pass; 0 keeps all activations.
    #[arg(long, value_name = "K", default_value_t = 0)]
    recompute: usize,
    /// Peak of the device, for the utilisation.
    #[arg(long, value_name = "TFLOPS")]
    peak_tflops: Option<f64>,
    /// Print JSON instead of lines.
    #[arg(long)]
    json: bool,
}

/// What the command prints.
#[derive(Debug, Serialize)]
struct Output {
    bench: &'static str,
    timed: &'static str,
    #[serde(flatten)]
    shape: ShapeArgs,
    batch: usize,
    seq: usize,
    lora: Option<NonZero<usize>>,
    recompute: usize,
    warmups: usize,
    steps: usize,
    parameters: usize,
    trained_parameters: usize,
    /// Of the median step.
    tokens_per_s: f64,
    /// Of the fastest step.
    tokens_per_s_best: f64,
    step_seconds: Seconds,
    /// Medians, each by itself. A backend that computes asynchronously has only queued a phase when it ends.
    phases: Phases,
    /// Of the model's matrix products and attention, in the median step.
    flops_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mfu: Option<f64>,
    /// Held before the first step: the program and the weights.
    rss_before_bytes: Option<u64>,
    /// The most that was held since then, the former included.
    peak_rss_bytes: Option<u64>,
    loss: f64,
}

#[derive(Debug, Serialize)]
struct Seconds {
    median: f64,
    min: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Phases {
    /// With the head's part of the backward pass, whose logits are not kept for it.
    forward_seconds: f64,
    backward_seconds: f64,
    optimizer_seconds: f64,
}

/// `rner-lab bench sft`.
pub(crate) fn run(args: &BenchSftArgs) -> Result<()> {
    check_peak("--peak-tflops", args.peak_tflops)?;
    let config = args.shape.config(args.seq.get() + 1)?;
    let output = dispatch(args.shape.backend, SftTask { args, config })?;
    print(&output, args.json)
}

struct SftTask<'a> {
    args: &'a BenchSftArgs,
    config: Qwen3Config,
}

impl Task for SftTask<'_> {
    type Output = Output;
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<Output> {
        let args = self.args;
        let model = args.shape.model::<B>(&self.config, device);
        let model = args.shape.adapted(model, args.lora)?;
        let trained = model.num_trainable();
        // The last token of a sequence is only a target.
        let (count, length) = (args.batch.get(), args.seq.get() + 1);
        let sequences = args.shape.sequences(count, length);
        let sample = |ids| Sample { ids, loss_from: 1 };
        let samples: Vec<Sample> = sequences.into_iter().map(sample).collect();
        let mut steps = Steps::default();
        let before = Memory::restart();
        let (config, files) = (args.trainer(), RunFiles::default());
        let outcome = train_sft(
            model,
            samples.as_slice(),
            &config,
            &files,
            interrupt::token(),
            &mut steps,
        )?;
        if outcome.stopped {
            return Err(rner::Error::Interrupted.into());
        }
        ensure!(steps.0.len() > args.warmups, "no step was timed");
        Ok(self.output(&steps.0[args.warmups..], trained, before))
    }
}

impl SftTask<'_> {
    fn output(&self, steps: &[StepMetrics], trained: usize, before: Option<Memory>) -> Output {
        let args = self.args;
        let median_of = |f: fn(&StepMetrics) -> f64| median(steps.iter().map(f).collect());
        let seconds = || steps.iter().map(|step| step.step_time);
        let step_seconds = Seconds {
            median: median_of(|step| step.step_time),
            min: seconds().fold(f64::INFINITY, f64::min),
            max: seconds().fold(0.0, f64::max),
        };
        let tokens = (args.batch.get() * args.seq.get()) as f64;
        let flops_per_s = 1e12 * median_of(|step| step.model_tflops);
        Output {
            bench: "sft",
            timed: TIMED,
            shape: args.shape.clone(),
            batch: args.batch.get(),
            seq: args.seq.get(),
            lora: args.lora,
            recompute: args.recompute,
            warmups: args.warmups,
            steps: steps.len(),
            parameters: self.config.num_parameters(),
            trained_parameters: trained,
            tokens_per_s: tokens / step_seconds.median,
            tokens_per_s_best: tokens / step_seconds.min,
            step_seconds,
            phases: Phases {
                forward_seconds: median_of(|step| step.forward_time),
                backward_seconds: median_of(|step| step.backward_time),
                optimizer_seconds: median_of(|step| step.optimizer_time),
            },
            flops_per_s,
            mfu: args.peak_tflops.map(|peak| flops_per_s / (peak * 1e12)),
            rss_before_bytes: before.map(Memory::bytes),
            peak_rss_bytes: lm_train::peak_memory_bytes(),
            loss: steps.last().map_or(f64::NAN, |step| step.loss),
        }
    }
}

impl BenchSftArgs {
    /// One epoch is one step; the steps are counted.
    fn trainer(&self) -> SftConfig {
        SftConfig {
            max_steps: Some(self.warmups + self.steps.get()),
            batch_tokens: None,
            batch_size: Some(self.batch.get()),
            recompute_layers: self.recompute,
            grad_accumulation: 1,
            shuffle: false,
            optim: OptimConfig {
                lr: 1e-3,
                schedule: ScheduleKind::Constant,
                warmup_ratio: 0.0,
                master_weights: self.shape.dtype.master_weights(),
                ..OptimConfig::default()
            },
            max_length: self.seq.get() + 1,
            seed: self.shape.seed,
            log_every: 1,
            save_every: None,
            ..SftConfig::default()
        }
    }
}

/// Keeps what the trainer reports.
#[derive(Default)]
struct Steps(Vec<StepMetrics>);

impl Observer for Steps {
    fn on_step(&mut self, metrics: &StepMetrics) {
        self.0.push(metrics.clone());
    }
}
