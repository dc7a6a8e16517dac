//! `rner-lab bench grpo`: the trainer's own step on a random model, random prompts and a reward of token ids.

mod task;

use std::num::NonZero;

use anyhow::Result;
use clap::Args;
use lm_grpo::GrpoConfig;
use lm_model::Qwen3Config;
use lm_train::ScheduleKind;
use rner::backend::dispatch;
use serde::Serialize;

use self::task::{GrpoTask, Step};
use super::measure::{Memory, median, print};
use super::shape::ShapeArgs;

/// What the numbers hold, for the report.
const TIMED: &str = "one step of the trainer from the end of the one before: rollouts by the built-in engine, rewards, passes of \
                     the reference and the policy, clipping by the global norm, AdamW; new prompts in every step, completions of \
                     exactly new-tokens tokens; the reward is the share of different tokens in a completion";

/// Flags of `rner-lab bench grpo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchGrpoArgs {
    #[command(flatten)]
    shape: ShapeArgs,
    /// Prompts of a step.
    #[arg(long, value_name = "P", default_value = "2")]
    prompts: NonZero<usize>,
    /// Completions of a prompt, at least 2.
    #[arg(long, value_name = "G", default_value_t = 16)]
    group: usize,
    /// Tokens of a prompt.
    #[arg(long, value_name = "T", default_value = "200")]
    prompt_tokens: NonZero<usize>,
    /// Tokens of a completion.
    #[arg(long, value_name = "N", default_value = "128")]
    new_tokens: NonZero<usize>,
    /// Timed steps.
    #[arg(long, value_name = "N", default_value = "7")]
    steps: NonZero<usize>,
    /// Steps before the timed ones.
    #[arg(long, value_name = "N", default_value_t = 2)]
    warmups: usize,
    /// Passes over the completions of a step, an update each.
    #[arg(long, value_name = "N", default_value_t = 1)]
    iterations: usize,
    /// Weight of the KL penalty; at 0 there is no reference model.
    #[arg(long, default_value_t = 0.04)]
    beta: f64,
    /// Completions that grow at once; all of a step if left out.
    #[arg(long, value_name = "B")]
    rollout_batch: Option<NonZero<usize>>,
    /// Most tokens of a forward and backward pass.
    #[arg(long, value_name = "T", default_value_t = 4096)]
    micro_batch_tokens: usize,
    /// Train adapters of this rank on the frozen model.
    #[arg(long, value_name = "RANK")]
    lora: Option<NonZero<usize>>,
    /// Compute every K layers again in the backward pass; 0 keeps all activations.
    #[arg(long, value_name = "K", default_value_t = 0)]
    recompute: usize,
    /// Sample the completions of the next step while this one trains (one step off-policy).
    #[arg(long)]
    one_step_off_policy: bool,
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
    prompts: usize,
    group: usize,
    prompt_tokens: usize,
    new_tokens: usize,
    iterations: usize,
    beta: f64,
    micro_batch_tokens: usize,
    lora: Option<NonZero<usize>>,
    recompute: usize,
    one_step_off_policy: bool,
    warmups: usize,
    steps: usize,
    parameters: usize,
    trained_parameters: usize,
    /// Of the median step.
    seconds_per_step: f64,
    /// Of the fastest step.
    seconds_per_step_best: f64,
    /// New tokens over the whole time of the median step.
    completion_tokens_per_s: f64,
    /// New tokens over the time of the rollout alone, the median.
    rollout_tokens_per_s: f64,
    /// Shares of the time of all timed steps together; their sum is 1.
    phases: Phases,
    /// Held before the first step: the program and the weights.
    rss_before_bytes: Option<u64>,
    /// The most that was held since then, the former included.
    peak_rss_bytes: Option<u64>,
    /// Mean reward of the last step.
    reward: f64,
}

/// Where the time goes. With `one_step_off_policy`, `rollout` is what training has to wait for.
#[derive(Debug, Serialize)]
struct Phases {
    rollout: f64,
    training: f64,
    rewards: f64,
    rest: f64,
}

/// `rner-lab bench grpo`.
pub(crate) fn run(args: &BenchGrpoArgs) -> Result<()> {
    let longest = args.prompt_tokens.get() + args.new_tokens.get();
    let config = args.shape.config(longest)?;
    let trainer = args.trainer();
    trainer
        .validate()
        .map_err(|error| rner_cli::exit::usage(error.to_string()))?;
    let task = GrpoTask {
        args,
        config: &config,
        trainer: &trainer,
    };
    let measured = dispatch(args.shape.backend, task)?;
    let timed = &measured.steps[args.warmups..];
    print(
        &args.output(&config, timed, measured.trained, measured.before),
        args.json,
    )
}

impl BenchGrpoArgs {
    /// What TRL does by default, where it matters for the time, with the loss of the paper.
    fn trainer(&self) -> GrpoConfig {
        let mut config = GrpoConfig {
            group_size: self.group,
            prompts_per_step: self.prompts.get(),
            max_steps: Some(self.warmups + self.steps.get()),
            iterations: self.iterations,
            beta: self.beta,
            one_step_off_policy: self.one_step_off_policy,
            max_completion_length: self.new_tokens.get(),
            micro_batch_tokens: self.micro_batch_tokens,
            recompute_layers: self.recompute,
            seed: self.shape.seed,
            ..GrpoConfig::default()
        };
        config.optim.schedule = ScheduleKind::Constant;
        config.optim.warmup_ratio = 0.0;
        config.optim.master_weights = self.shape.dtype.master_weights();
        config
    }

    /// Completions of a step.
    fn completions(&self) -> usize {
        self.prompts.get() * self.group
    }

    fn output(
        &self,
        config: &Qwen3Config,
        timed: &[Step],
        trained: usize,
        before: Option<Memory>,
    ) -> Output {
        let seconds = || timed.iter().map(|step| step.seconds);
        let seconds_per_step = median(seconds().collect());
        let tokens = (self.completions() * self.new_tokens.get()) as f64;
        Output {
            bench: "grpo",
            timed: TIMED,
            shape: self.shape.clone(),
            prompts: self.prompts.get(),
            group: self.group,
            prompt_tokens: self.prompt_tokens.get(),
            new_tokens: self.new_tokens.get(),
            iterations: self.iterations,
            beta: self.beta,
            micro_batch_tokens: self.micro_batch_tokens,
            lora: self.lora,
            recompute: self.recompute,
            one_step_off_policy: self.one_step_off_policy,
            warmups: self.warmups,
            steps: timed.len(),
            parameters: config.num_parameters(),
            trained_parameters: trained,
            seconds_per_step,
            seconds_per_step_best: seconds().fold(f64::INFINITY, f64::min),
            completion_tokens_per_s: tokens / seconds_per_step,
            rollout_tokens_per_s: median(
                timed.iter().map(|step| step.rollout_tokens_per_s).collect(),
            ),
            phases: Phases::of(timed),
            rss_before_bytes: before.map(Memory::bytes),
            peak_rss_bytes: lm_train::peak_memory_bytes(),
            reward: timed.last().map_or(f64::NAN, |step| step.reward),
        }
    }
}

impl Phases {
    fn of(timed: &[Step]) -> Self {
        let sum = |part: fn(&Step) -> f64| timed.iter().map(part).sum::<f64>();
        let all = sum(|step| step.seconds);
        let share = |part| sum(part) / all;
        let (rollout, training) = (share(|step| step.rollout), share(|step| step.training));
        let rewards = share(|step| step.rewards);
        Self {
            rollout,
            training,
            rewards,
            rest: 1.0 - rollout - training - rewards,
        }
    }
}
