//! The configuration of a GRPO run, checked before anything expensive starts.

use lm_train::{AdamWConfig, Schedule, ScheduleKind};
use serde::{Deserialize, Serialize};

use crate::choices::{
    EngineCorrection, ImportanceSamplingLevel, KlEstimator, LossType, ScaleRewards,
};
use crate::error::Error;
use crate::objective::Objective;

/// Configuration of [`train_grpo`](crate::train_grpo).
///
/// The defaults are those of the configuration published with the ReasoningNER paper, which combines `dr_grpo` with
/// rewards divided by the standard deviation of the group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpoConfig {
    /// Completions per prompt, at least 2.
    pub group_size: usize,
    /// Prompts per rollout batch.
    pub prompts_per_step: usize,
    /// Rollout batches of the whole run. The optimizer makes `steps · iterations` updates.
    pub steps: usize,
    /// Passes over each rollout batch, one optimizer update each (μ of the paper, `num_iterations` of TRL).
    pub iterations: usize,
    /// How far below 1 the probability ratio may fall before its gradient is cut.
    pub epsilon: f64,
    /// How far above 1 it may rise.
    pub epsilon_high: f64,
    /// Greatest ratio that a token with a negative advantage is pushed down with (TRL's `delta`, two-sided clipping);
    /// more than `1 + epsilon_high`. Without it such a token is pushed down with any ratio.
    pub delta: Option<f64>,
    /// Whether ratios belong to tokens or to completions.
    pub importance_sampling_level: ImportanceSamplingLevel,
    /// Weight of the KL penalty against the reference; at 0 no reference is needed.
    pub beta: f64,
    /// How the divergence of that penalty is estimated.
    pub kl_estimator: KlEstimator,
    /// Weight of the entropy bonus: the loss of a token is lowered by so many times the entropy of the distribution
    /// that it was drawn from, at the sampling temperature. 0 is none.
    pub entropy_coef: f64,
    /// Normalisation of the loss.
    pub loss_type: LossType,
    /// Scaling of the advantages. Always written out in saved configurations, because it is easily overlooked.
    pub scale_rewards: ScaleRewards,
    /// What is done about a rollout engine that computes other probabilities than the trainer.
    pub engine_correction: EngineCorrection,
    /// Replaces groups with equal rewards by groups of other prompts, in at most this many further rollouts of a step.
    /// What is still missing then is filled up with the groups that were to be replaced. From Yu et al., *DAPO* (2025).
    pub dynamic_sampling: Option<usize>,
    /// Samples the completions of the next step while this one trains: one step off-policy, also called asynchronous.
    /// It pays where rollouts are made elsewhere (`RemoteEngine`, feature `remote`). The first pass over a batch then
    /// has ratios that differ from 1, to the policy that sampled it. Costs a second copy of the trained weights, and a
    /// forward pass over each batch.
    pub one_step_off_policy: bool,
    /// Sampling temperature; the trainer divides its logits by it too. Positive.
    pub temperature: f64,
    /// Most new tokens of a completion.
    pub max_completion_length: usize,
    /// Whether completions that ran into that limit are left out of the loss. They keep their reward and count in the
    /// normalisers that count completions.
    pub mask_truncated: bool,
    /// Whether completions without an advantage, such as all of a group with equal rewards, are left out of the loss.
    /// All that they could add is the KL penalty, for as much work as the others take. They go on counting as
    /// completions, so with `dr_grpo`, `grpo` and `dapo` the others weigh the same as without; their tokens do not
    /// count in the mean of `bnpo`, so there the others weigh more.
    pub mask_uniform: bool,
    /// Peak learning rate.
    pub lr: f64,
    /// Decay of the learning rate after the warm-up, over all updates.
    pub schedule: ScheduleKind,
    /// Share of the updates that are warm-up, from 0 to 1.
    pub warmup_ratio: f64,
    /// Learning rate at the end, as a share of the peak.
    pub min_lr_ratio: f64,
    /// Leaves the token embedding, and with it a tied head, as it is (see
    /// [`Qwen3::freeze_embeddings`](lm_model::Qwen3::freeze_embeddings)).
    pub freeze_embeddings: bool,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// AdamW's decay rates of the first and second moment.
    pub betas: [f64; 2],
    /// AdamW's denominator offset.
    pub eps: f64,
    /// Largest global gradient norm; larger gradients are scaled down to it. 0 means no clipping.
    pub max_grad_norm: f64,
    /// For a model in BF16: whether the optimizer keeps its weights in single precision too (see
    /// [`AdamWConfig::master_weights`]).
    pub master_weights: bool,
    /// Most tokens of one forward and backward pass, prompts included; a longer sequence is a micro-batch of its own.
    /// This bounds memory and, up to rounding, changes nothing else.
    pub micro_batch_tokens: usize,
    /// Layers whose activations are computed again for the backward pass instead of being kept, at a time; 0 keeps all.
    pub recompute_layers: usize,
    /// Seed of the order of prompts and of the samples.
    pub seed: u64,
    /// Write a checkpoint every n steps, besides the one at the end.
    pub save_every: Option<usize>,
    /// Keep only this many checkpoints, the newest ones, besides the best.
    pub save_total_limit: Option<usize>,
    /// Answer the held-out prompts greedily before the first step, after every n steps and after the last one, and keep
    /// the model with the highest mean reward.
    pub eval_every: Option<usize>,
    /// End the run after so many evaluations in a row that are not better than the best.
    pub early_stopping_patience: Option<usize>,
    /// Return the best model instead of the last.
    pub load_best: bool,
}

impl Default for GrpoConfig {
    fn default() -> Self {
        Self {
            group_size: 16,
            prompts_per_step: 24,
            steps: 195,
            iterations: 4,
            epsilon: 0.2,
            epsilon_high: 0.28,
            delta: None,
            importance_sampling_level: ImportanceSamplingLevel::Token,
            beta: 0.04,
            kl_estimator: KlEstimator::K3,
            entropy_coef: 0.0,
            loss_type: LossType::DrGrpo,
            scale_rewards: ScaleRewards::Group,
            engine_correction: EngineCorrection::None,
            dynamic_sampling: None,
            one_step_off_policy: false,
            temperature: 0.9,
            max_completion_length: 4096,
            mask_truncated: false,
            mask_uniform: false,
            lr: 1e-6,
            schedule: ScheduleKind::Cosine,
            warmup_ratio: 0.1,
            min_lr_ratio: 0.0,
            freeze_embeddings: false,
            weight_decay: 0.0,
            betas: [0.9, 0.999],
            eps: 1e-8,
            max_grad_norm: 1.0,
            master_weights: true,
            micro_batch_tokens: 4096,
            recompute_layers: 0,
            seed: 42,
            save_every: None,
            save_total_limit: None,
            eval_every: None,
            early_stopping_patience: None,
            load_best: false,
        }
    }
}

impl GrpoConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first field whose value no run can use.
    pub fn validate(&self) -> Result<(), Error> {
        self.validate_counts()?;
        self.validate_ratios()?;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let not_negative = |x: f64| x.is_finite() && x >= 0.0;
        let ratio = |x: f64| (0.0..=1.0).contains(&x);
        let numbers = [
            (
                "epsilon",
                "a number from 0 to 1",
                self.epsilon,
                ratio(self.epsilon),
            ),
            (
                "epsilon_high",
                "a number of at least 0",
                self.epsilon_high,
                not_negative(self.epsilon_high),
            ),
            (
                "beta",
                "a number of at least 0",
                self.beta,
                not_negative(self.beta),
            ),
            (
                "entropy_coef",
                "a number of at least 0",
                self.entropy_coef,
                not_negative(self.entropy_coef),
            ),
            (
                "temperature",
                "a positive number",
                self.temperature,
                positive(self.temperature),
            ),
            (
                "lr",
                "a number of at least 0",
                self.lr,
                not_negative(self.lr),
            ),
            (
                "warmup_ratio",
                "a number from 0 to 1",
                self.warmup_ratio,
                ratio(self.warmup_ratio),
            ),
            (
                "min_lr_ratio",
                "a number from 0 to 1",
                self.min_lr_ratio,
                ratio(self.min_lr_ratio),
            ),
            (
                "weight_decay",
                "a number of at least 0",
                self.weight_decay,
                not_negative(self.weight_decay),
            ),
            ("eps", "a positive number", self.eps, positive(self.eps)),
            (
                "max_grad_norm",
                "a number of at least 0",
                self.max_grad_norm,
                not_negative(self.max_grad_norm),
            ),
        ];
        for (field, expected, value, ok) in numbers {
            check(field, expected, value, ok)?;
        }
        let decays = self.betas.iter().all(|beta| (0.0..1.0).contains(beta));
        check(
            "betas",
            "two numbers from 0 up to, but not including, 1",
            format!("{:?}", self.betas),
            decays,
        )
    }

    /// Checks what bounds ratios, and what only makes sense together.
    fn validate_ratios(&self) -> Result<(), Error> {
        if let Some(delta) = self.delta {
            let ok = delta.is_finite() && delta > 1.0 + self.epsilon_high;
            check("delta", "more than 1 + epsilon_high", delta, ok)?;
        }
        if let Some(cap) = self.engine_correction.cap() {
            let ok = cap.is_finite() && cap > 0.0;
            check("engine_correction", "a positive cap", cap, ok)?;
        }
        let evaluates = self.eval_every.is_some();
        let expected = "nothing while eval_every is not set";
        let patience = self.early_stopping_patience;
        let ok = evaluates || patience.is_none();
        check(
            "early_stopping_patience",
            expected,
            format!("{patience:?}"),
            ok,
        )?;
        check(
            "load_best",
            expected,
            self.load_best,
            evaluates || !self.load_best,
        )
    }

    fn validate_counts(&self) -> Result<(), Error> {
        let counts = [
            (
                "group_size",
                "a number of at least 2 (a group of one has no advantage)",
                self.group_size,
                2,
            ),
            ("prompts_per_step", AT_LEAST_ONE, self.prompts_per_step, 1),
            ("steps", AT_LEAST_ONE, self.steps, 1),
            ("iterations", AT_LEAST_ONE, self.iterations, 1),
            (
                "max_completion_length",
                AT_LEAST_ONE,
                self.max_completion_length,
                1,
            ),
            (
                "micro_batch_tokens",
                AT_LEAST_ONE,
                self.micro_batch_tokens,
                1,
            ),
            (
                "dynamic_sampling",
                AT_LEAST_ONE,
                self.dynamic_sampling.unwrap_or(1),
                1,
            ),
            ("eval_every", AT_LEAST_ONE, self.eval_every.unwrap_or(1), 1),
            (
                "early_stopping_patience",
                AT_LEAST_ONE,
                self.early_stopping_patience.unwrap_or(1),
                1,
            ),
            ("save_every", AT_LEAST_ONE, self.save_every.unwrap_or(1), 1),
            (
                "save_total_limit",
                AT_LEAST_ONE,
                self.save_total_limit.unwrap_or(1),
                1,
            ),
        ];
        counts
            .into_iter()
            .try_for_each(|(field, expected, value, least)| {
                check(field, expected, value, value >= least)
            })
    }

    /// The optimizer's part of the configuration.
    pub fn adamw(&self) -> AdamWConfig {
        AdamWConfig {
            beta1: self.betas[0],
            beta2: self.betas[1],
            eps: self.eps,
            weight_decay: self.weight_decay,
            max_grad_norm: self.max_grad_norm,
            master_weights: self.master_weights,
        }
    }

    /// The learning-rate schedule over the `steps · iterations` updates of the run.
    pub fn lr_schedule(&self) -> Schedule {
        let updates = self.steps * self.iterations;
        Schedule::new(
            self.schedule,
            self.lr,
            self.warmup_ratio,
            self.min_lr_ratio,
            updates,
        )
    }
}

impl Default for Objective {
    /// That of the default [`GrpoConfig`].
    fn default() -> Self {
        Self::from(&GrpoConfig::default())
    }
}

impl From<&GrpoConfig> for Objective {
    fn from(config: &GrpoConfig) -> Self {
        Self {
            epsilon: config.epsilon,
            epsilon_high: config.epsilon_high,
            delta: config.delta,
            beta: config.beta,
            kl_estimator: config.kl_estimator,
            importance_sampling_level: config.importance_sampling_level,
        }
    }
}

const AT_LEAST_ONE: &str = "a number of at least 1";

fn check(
    field: &'static str,
    expected: &'static str,
    found: impl ToString,
    ok: bool,
) -> Result<(), Error> {
    if ok {
        Ok(())
    } else {
        Err(Error::Config {
            field,
            expected,
            found: found.to_string(),
        })
    }
}
