//! `[sft]` and `[grpo]`: what the stages add to the configurations of the trainers.
//!
//! `[sft.train]` is [`SftConfig`] and `[grpo.train]` is [`GrpoConfig`], field by field. Those of their fields that the
//! run derives from other sections are no keys of a recipe; [`keys`](super::keys) lists them.

use lm_grpo::GrpoConfig;
use lm_train::SftConfig;
use serde::{Deserialize, Serialize};

use super::error::{RecipeError, range};
use super::form::Form;
use super::rollout::Rollout;

/// Which parameters are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// All of them.
    Full,
    /// Low-rank adapters of the linear layers.
    Lora,
}

/// Where a completion of reinforcement learning ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// At the end-of-sequence token, the last of the targets of fine-tuning: `<|im_end|>`, the line break and this
    /// token are part of the completion, as in the paper's code. What a model writes between them is, too.
    Eos,
    /// At the first `<|im_end|>`, end-of-sequence token or `<|endoftext|>`, where serving and evaluation stop.
    EndOfTurn,
}

/// `[sft]`: supervised fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sft {
    /// Full fine-tuning or LoRA.
    pub method: Method,
    /// Whether the loss covers the constant tokens that begin an answer, `<|im_start|>assistant\n`.
    pub train_header: bool,
    /// Share of the examples that is held out to evaluate on, from 0 up to 1.
    pub eval_share: f64,
    /// Share of the examples whose reasoning is shortened to the sentences that name their entities, and asked for with
    /// a switch in the prompt.
    pub short_share: f64,
    /// Share of the examples without their reasoning, asked for with another switch.
    pub none_share: f64,
    /// The trainer's configuration; `batch_size` and `batch_tokens` are those of one device.
    pub train: SftConfig,
}

/// `[grpo]`: reinforcement learning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grpo {
    /// Full training, or LoRA on top of the CoT-tuned model.
    pub method: Method,
    /// Longest prompt in tokens.
    pub max_prompt_length: usize,
    /// The token at which a completion ends.
    pub stop: Stop,
    /// Completions that grow at once on one device.
    pub rollout_batch: usize,
    /// What completions are held to while they are sampled; the log-probabilities stay those of the model without it.
    pub form: Form,
    /// Whether tokens are drafted, also from earlier completions of the same prompt.
    pub drafts: bool,
    /// Rollout batches between two tables of completions; 0 means none.
    pub completions_every: usize,
    /// Share of the prompts that is held out to evaluate on.
    pub eval_share: f64,
    /// The weights of the rewards.
    pub reward: Rewards,
    /// A server that samples the completions.
    pub rollout: Rollout,
    /// The trainer's configuration.
    pub train: GrpoConfig,
}

/// `[grpo.reward]`: how much each reward counts; 0 is off. Keys after `schema` are not in the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewards {
    /// Weight of the F1 reward.
    pub f1: f64,
    /// Weight of the schema reward.
    pub schema: f64,
    /// Whether an empty answer of the right shape earns an F1 of 1 where there is nothing to find; the paper's code
    /// gives it 0.
    pub empty: bool,
    /// Whether the schema reward is only for `{"entities": {label: [text]}}`; the paper's code gives it to any JSON
    /// value without a label outside the schema.
    pub require_shape: bool,
    /// Weight of the punishment of long completions, which is in [-1, 0].
    pub length: f64,
    /// Characters of a completion that are not punished.
    pub length_free: usize,
    /// Characters at which the punishment is complete.
    pub length_max: usize,
    /// Weight of the reward for one closed reasoning block followed by the JSON alone.
    pub format: f64,
    /// Weight of the share of the predicted texts that stand in the sentence.
    pub grounding: f64,
    /// Weight of the reward for reasoning that is short beside that of the same prompt's other completions.
    pub brevity: f64,
}

impl Sft {
    pub(super) fn validate(&self) -> Result<(), RecipeError> {
        let share = self.eval_share;
        let ok = (0.0..=1.0).contains(&share);
        range("sft.eval_share", share, ok, "between 0 and 1")?;
        self.validate_mix()?;
        let checked = self.train.validate();
        checked.map_err(|error| RecipeError::of_trainer("sft", error))
    }
}

impl Sft {
    fn validate_mix(&self) -> Result<(), RecipeError> {
        let (short, none) = (self.short_share, self.none_share);
        let ok = (0.0..=1.0).contains(&short);
        range("sft.short_share", short, ok, "between 0 and 1")?;
        let ok = (0.0..=1.0).contains(&none) && short + none <= 1.0;
        let expected = "between 0 and 1, and with sft.short_share no more than 1";
        range("sft.none_share", none, ok, expected)
    }
}

impl Grpo {
    /// Checks what would otherwise be found out only when the stage begins, after those before it.
    pub(super) fn validate(&self) -> Result<(), RecipeError> {
        self.reward.validate()?;
        self.rollout.validate()?;
        let batch = self.rollout_batch;
        range("grpo.rollout_batch", batch, batch >= 1, "at least 1")?;
        let is_own = !self.rollout.is_remote();
        let expected = "\"free\" where a server samples (grpo.rollout.url)";
        let is_free = self.form == Form::Free;
        range("grpo.form", self.form.name(), is_own || is_free, expected)?;
        let expected = "false where a server samples (grpo.rollout.url)";
        range("grpo.drafts", self.drafts, is_own || !self.drafts, expected)?;
        let checked = self.train.validate();
        checked.map_err(|error| RecipeError::of_trainer("grpo", error))?;
        let (share, evaluates) = (self.eval_share, self.train.eval_every.is_some());
        let ok = (0.0..1.0).contains(&share) && (share > 0.0 || !evaluates);
        let expected = "a share below 1, and above 0 with grpo.train.eval_every";
        range("grpo.eval_share", share, ok, expected)
    }
}

impl Rewards {
    /// A negative weight would reward what it is named to prevent.
    fn validate(&self) -> Result<(), RecipeError> {
        let weights = [
            ("grpo.reward.f1", self.f1),
            ("grpo.reward.schema", self.schema),
            ("grpo.reward.length", self.length),
            ("grpo.reward.format", self.format),
            ("grpo.reward.grounding", self.grounding),
            ("grpo.reward.brevity", self.brevity),
        ];
        for (key, weight) in weights {
            range(key, weight, weight >= 0.0, "a number of at least 0")?;
        }
        let (free, max) = (self.length_free, self.length_max);
        let expected = "more than grpo.reward.length_free";
        range("grpo.reward.length_max", max, max > free, expected)
    }
}
