//! `rner-lab bench generate`: the generator on a random model and random prompts.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use lm_generate::{Generator, NewToken, Observer, Request, Sampling};
use lm_kernels::{LmOps, TrainBackend};
use lm_model::{QUANTIZED_BLOCK, Qwen3Config};
use rner::backend::{Device, Inner, Task, dispatch};
use rner::recipe::Quantize;
use rner_cli::args::quantizations;
use rner_cli::exit::usage;
use rner_cli::interrupt;
use serde::Serialize;

use super::measure::{Memory, check_peak, median, print};
use super::shape::ShapeArgs;

/// What the numbers hold, for the report.
const TIMED: &str =
    "prefill of all prompts and all new tokens, sampled from the whole vocabulary; no stop token";

/// Flags of `rner-lab bench generate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchGenerateArgs {
    #[command(flatten)]
    shape: ShapeArgs,
    /// Sequences at once.
    #[arg(long, value_name = "B", default_value = "8")]
    batch: NonZero<usize>,
    /// Tokens of a prompt.
    #[arg(long, value_name = "P", default_value = "200")]
    prompt: NonZero<usize>,
    /// New tokens of a sequence.
    #[arg(long, value_name = "N", default_value = "128")]
    new: NonZero<usize>,
    /// Narrow the matrices of the weights.
    #[arg(long, value_parser = quantizations(), default_value = "none")]
    quantize: Quantize,
    /// Temperature; 0 takes the most probable token.
    #[arg(long, default_value_t = 0.9)]
    temperature: f64,
    /// Timed repetitions, after one that is not timed.
    #[arg(long, value_name = "N", default_value = "9")]
    repetitions: NonZero<usize>,
    /// Peak of the memory's bandwidth, for the utilisation.
    #[arg(long, value_name = "GB/S")]
    peak_gbs: Option<f64>,
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
    prompt: usize,
    new: usize,
    quantize: Quantize,
    temperature: f64,
    repetitions: usize,
    parameters: usize,
    /// New tokens of all sequences over the whole time, the median.
    new_tokens_per_s: f64,
    new_tokens_per_s_best: f64,
    /// From the call to the first token of any sequence, the median.
    time_to_first_token_ms: f64,
    /// Weights that are read for every new token.
    weight_bytes_per_step: u64,
    /// These bytes a second after the first token; null if there is only one token.
    bytes_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth_utilisation: Option<f64>,
    rss_before_bytes: Option<u64>,
    peak_rss_bytes: Option<u64>,
}

/// `rner-lab bench generate`.
pub(crate) fn run(args: &BenchGenerateArgs) -> Result<()> {
    check_peak("--peak-gbs", args.peak_gbs)?;
    if args.temperature < 0.0 || !args.temperature.is_finite() {
        return Err(usage("--temperature: expected 0 or a positive number"));
    }
    if let Err(expected) = args.quantize.check(args.shape.backend) {
        return Err(usage(format!("--quantize: expected {expected}")));
    }
    let config = args.shape.config(args.prompt.get() + args.new.get())?;
    let output = dispatch(args.shape.backend, GenerateTask { args, config })?;
    print(&output, args.json)
}

struct GenerateTask<'a> {
    args: &'a BenchGenerateArgs,
    config: Qwen3Config,
}

impl Task for GenerateTask<'_> {
    type Output = Output;
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<Output> {
        let shape = &self.args.shape;
        let model = shape.model::<Inner<B>>(&self.config, device);
        let model = self.args.quantize.narrow(model);
        let mut generator = Generator::new(&model, self.args.batch.get());
        let requests = self.args.requests();
        let before = Memory::restart();
        // One repetition more than is timed, the first.
        let timed: Vec<Repetition> = (0..=self.args.repetitions.get())
            .map(|_| repeat(&mut generator, &requests))
            .collect::<Result<_>>()?;
        Ok(self.output(&timed[1..], before))
    }
}

impl BenchGenerateArgs {
    fn requests(&self) -> Vec<Request> {
        let prompts = self.shape.sequences(self.batch.get(), self.prompt.get());
        let request = |(i, prompt)| Request {
            prompt,
            n: 1,
            sampling: Sampling {
                max_new_tokens: self.new.get(),
                temperature: self.temperature,
                seed: self.shape.seed + i as u64,
                ..Sampling::default()
            },
        };
        prompts.into_iter().enumerate().map(request).collect()
    }
}

impl GenerateTask<'_> {
    fn output(&self, timed: &[Repetition], before: Option<Memory>) -> Output {
        let args = self.args;
        let tokens = (args.batch.get() * args.new.get()) as f64;
        let seconds = || timed.iter().map(|x| x.all.as_secs_f64());
        let bytes = self.bytes_per_step();
        let bytes_per_s = (args.new.get() > 1).then(|| {
            let steps = (args.new.get() - 1) as f64;
            let after = |x: &Repetition| (x.all - x.first).as_secs_f64();
            bytes as f64 * steps / median(timed.iter().map(after).collect())
        });
        Output {
            bench: "generate",
            timed: TIMED,
            shape: args.shape.clone(),
            batch: args.batch.get(),
            prompt: args.prompt.get(),
            new: args.new.get(),
            quantize: args.quantize,
            temperature: args.temperature,
            repetitions: timed.len(),
            parameters: self.config.num_parameters(),
            new_tokens_per_s: tokens / median(seconds().collect()),
            new_tokens_per_s_best: tokens / seconds().fold(f64::INFINITY, f64::min),
            time_to_first_token_ms: 1e3
                * median(timed.iter().map(|x| x.first.as_secs_f64()).collect()),
            weight_bytes_per_step: bytes,
            bytes_per_s,
            bandwidth_utilisation: bytes_per_s
                .zip(args.peak_gbs)
                .map(|(bytes, peak)| bytes / (peak * 1e9)),
            rss_before_bytes: before.map(Memory::bytes),
            peak_rss_bytes: lm_train::peak_memory_bytes(),
        }
    }

    /// All weights but an embedding that is not the head: of it, a step reads a row for each sequence.
    fn bytes_per_step(&self) -> u64 {
        let config = &self.config;
        let embedding = if config.tie_word_embeddings {
            0
        } else {
            config.vocab_size * config.hidden_size
        };
        let count = (config.num_parameters() - embedding) as u64;
        match self.args.quantize {
            Quantize::None => count * self.args.shape.dtype.bytes(),
            // The norms, which stay as they are, do not matter.
            Quantize::Int8 => count + count / QUANTIZED_BLOCK as u64 * 4,
        }
    }
}

/// How long a call took.
struct Repetition {
    first: Duration,
    all: Duration,
}

fn repeat<B: LmOps>(generator: &mut Generator<B>, requests: &[Request]) -> Result<Repetition> {
    let begun = Instant::now();
    let mut watch = FirstToken { begun, first: None };
    let result = generator.generate(requests, interrupt::token(), &mut watch);
    if interrupt::requested() {
        return Err(rner::Error::Interrupted.into());
    }
    result?;
    let all = begun.elapsed();
    Ok(Repetition {
        first: watch.first.unwrap_or(all),
        all,
    })
}

/// Notes when the first token is there.
struct FirstToken {
    begun: Instant,
    first: Option<Duration>,
}

impl Observer for FirstToken {
    fn on_token(&mut self, _token: NewToken) -> ControlFlow<()> {
        self.first.get_or_insert_with(|| self.begun.elapsed());
        ControlFlow::Continue(())
    }
}
