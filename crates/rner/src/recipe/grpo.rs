//! `[grpo]`: the keys of the reinforcement-learning stage, and which values make sense together.
//!
//! Keys that came later have a default, so that the recipe of an old run can still be read; profiles name them all.

use serde::{Deserialize, Serialize};

use lm_grpo::{ImportanceSamplingLevel, KlEstimator, LossType, ScaleRewards};

use super::sections::{Method, Schedule};
use super::{RecipeError, range};

/// `[grpo]`: reinforcement learning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grpo {
    /// Full training, or LoRA on top of the CoT-tuned model.
    pub method: Method,
    /// Completions per prompt.
    pub group_size: usize,
    /// Prompts of one rollout batch.
    pub prompts_per_step: usize,
    /// Optimiser steps on one rollout batch.
    pub iterations: usize,
    /// Lower clipping distance of the ratio.
    pub epsilon: f64,
    /// Upper clipping distance of the ratio.
    pub epsilon_high: f64,
    /// Greatest ratio that a token with a negative advantage is pushed down with; 0 means any.
    #[serde(default)]
    pub delta: f64,
    /// Whether ratios belong to tokens or to completions (GSPO).
    #[serde(default)]
    pub importance_sampling_level: ImportanceSamplingLevel,
    /// Weight of the KL term against the CoT-tuned model; 0 turns it off.
    pub beta: f64,
    /// Estimator of the divergence in that term.
    #[serde(default)]
    pub kl_estimator: KlEstimator,
    /// Weight of the entropy bonus; 0 turns it off.
    #[serde(default)]
    pub entropy_coef: f64,
    /// The loss's normaliser.
    pub loss_type: LossType,
    /// Whether advantages are divided by a standard deviation.
    pub scale_rewards: ScaleRewards,
    /// What is done about a rollout engine that computes other probabilities than the trainer.
    #[serde(default)]
    pub engine_correction: Correction,
    /// Greatest weight of that correction.
    #[serde(default = "correction_cap")]
    pub engine_correction_cap: f64,
    /// Further rollouts of a step that replace groups with equal rewards; 0 means none.
    #[serde(default)]
    pub dynamic_sampling: usize,
    /// Samples the completions of the next step while this one trains.
    #[serde(default)]
    pub one_step_off_policy: bool,
    /// Sampling temperature of the rollouts.
    pub temperature: f64,
    /// Longest prompt in tokens.
    pub max_prompt_length: usize,
    /// Most new tokens of a completion.
    pub max_completion_length: usize,
    /// Leaves completions cut by the limit out of the loss.
    pub mask_truncated: bool,
    /// Leaves completions without an advantage out of the loss, such as all of a group with equal rewards.
    pub mask_uniform: bool,
    /// Weight of the F1 reward.
    pub reward_f1: f64,
    /// Weight of the schema reward.
    pub reward_schema: f64,
    /// Weight of the punishment of long completions, which is in [-1, 0]. Not in the paper, like the next two; 0 is
    /// off.
    #[serde(default)]
    pub reward_length: f64,
    /// Characters of a completion that are not punished.
    #[serde(default = "length_free")]
    pub reward_length_free: usize,
    /// Characters at which the punishment is complete.
    #[serde(default = "length_max")]
    pub reward_length_max: usize,
    /// Weight of the reward for one closed reasoning block followed by the JSON alone.
    #[serde(default)]
    pub reward_format: f64,
    /// Weight of the share of the predicted texts that stand in the sentence.
    #[serde(default)]
    pub reward_grounding: f64,
    /// Passes over the prompts.
    pub epochs: f64,
    /// Rollout batches, each followed by `iterations` updates; 0 means as many as the epochs give.
    pub steps: usize,
    /// Completions that grow at once on one device.
    pub rollout_batch: usize,
    /// Most tokens of one micro-batch of the update.
    pub micro_batch_tokens: usize,
    /// Layers that are computed again for the backward pass, at a time; 0 keeps all activations.
    pub recompute_layers: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// How the learning rate falls after the warm-up.
    pub schedule: Schedule,
    /// Share of the steps that warm up.
    pub warmup_ratio: f64,
    /// Learning rate at the end, as a share of the peak.
    pub min_lr_ratio: f64,
    /// Leaves the token embedding, and with it a tied head, as it is.
    pub freeze_embeddings: bool,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// AdamW's beta 1.
    pub beta1: f64,
    /// AdamW's beta 2.
    pub beta2: f64,
    /// AdamW's epsilon.
    pub eps: f64,
    /// Gradients are scaled down to this global norm.
    pub max_grad_norm: f64,
    /// Rollout batches between two checkpoints; 0 means only at the end.
    pub save_every: usize,
    /// Keeps this many checkpoints, the newest; 0 means all.
    pub save_total_limit: usize,
    /// Rollout batches between two tables of completions; 0 means none.
    #[serde(default)]
    pub completions_every: usize,
    /// Share of the prompts that is held out to evaluate on.
    #[serde(default)]
    pub eval_share: f64,
    /// Rollout batches between two evaluations; 0 means none.
    #[serde(default)]
    pub eval_every: usize,
    /// Evaluations without a gain that end the training; 0 means never.
    #[serde(default)]
    pub early_stopping_patience: usize,
    /// Keeps the model with the highest mean reward, not the last.
    #[serde(default)]
    pub load_best: bool,
}

/// Recipes from before the length reward do not have its limits, nor older ones the cap of a correction.
fn length_free() -> usize {
    ner_rewards::LengthLimit::default().free
}

fn length_max() -> usize {
    ner_rewards::LengthLimit::default().max
}

fn correction_cap() -> f64 {
    2.0
}

/// What is done about a rollout engine that computes other probabilities than the trainer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Correction {
    /// Nothing.
    #[default]
    None,
    /// A token weighs as much as the trainer finds it more probable, up to the cap.
    Truncate,
    /// The same, and nothing above the cap.
    Mask,
}

impl Grpo {
    /// Checks what would otherwise be found out only when the stage begins, after those before it.
    pub(super) fn validate(&self) -> Result<(), RecipeError> {
        self.validate_rewards()?;
        let (delta, bound) = (self.delta, 1.0 + self.epsilon_high);
        let expected = "0 or more than 1 + grpo.epsilon_high";
        range("grpo.delta", delta, delta == 0.0 || delta > bound, expected)?;
        let bonus = self.entropy_coef;
        let ok = bonus.is_finite() && bonus >= 0.0;
        range(
            "grpo.entropy_coef",
            bonus,
            ok,
            "a finite number, 0 or above",
        )?;
        let cap = self.engine_correction_cap;
        let ok = cap.is_finite() && cap > 0.0;
        range(
            "grpo.engine_correction_cap",
            cap,
            ok,
            "a finite number above 0",
        )?;
        self.validate_evaluation()
    }

    fn validate_evaluation(&self) -> Result<(), RecipeError> {
        let (share, evaluates) = (self.eval_share, self.eval_every > 0);
        let expected = "a share below 1, and above 0 with grpo.eval_every";
        let ok = (0.0..1.0).contains(&share) && (share > 0.0 || !evaluates);
        range("grpo.eval_share", share, ok, expected)?;
        let expected = "0 without grpo.eval_every";
        let patience = self.early_stopping_patience;
        let ok = evaluates || patience == 0;
        range(
            "grpo.early_stopping_patience",
            patience as f64,
            ok,
            expected,
        )?;
        let best = f64::from(u8::from(self.load_best));
        range(
            "grpo.load_best",
            best,
            evaluates || !self.load_best,
            expected,
        )
    }

    /// A negative weight would reward what it is named to prevent.
    fn validate_rewards(&self) -> Result<(), RecipeError> {
        let weights = [
            ("grpo.reward_f1", self.reward_f1),
            ("grpo.reward_schema", self.reward_schema),
            ("grpo.reward_length", self.reward_length),
            ("grpo.reward_format", self.reward_format),
            ("grpo.reward_grounding", self.reward_grounding),
        ];
        for (key, value) in weights {
            let ok = value.is_finite() && value >= 0.0;
            range(key, value, ok, "a finite number, 0 or above")?;
        }
        let (free, max) = (self.reward_length_free, self.reward_length_max);
        let expected = "more than grpo.reward_length_free";
        range("grpo.reward_length_max", max as f64, max > free, expected)
    }
}
