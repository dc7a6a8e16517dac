//! GRPO: rollout groups, advantages, losses and the KL penalty.
//!
//! The principal function is [`train_grpo`]. One *step* samples [`GrpoConfig::prompts_per_step`] prompts, draws
//! [`GrpoConfig::group_size`] completions of each, scores them with a [`Reward`], and makes
//! [`GrpoConfig::iterations`] passes over all of them, each of which ends in exactly one optimizer update. In TRL's
//! words: `steps_per_generation` equals `gradient_accumulation_steps`, and the rollout batch is the optimizer batch.
//! With [`GrpoConfig::mini_batches`] above 1 it is divided, and a pass makes an update for each part.
//!
//! Group relative policy optimization is from Shao et al., *DeepSeekMath* (2024). [`Objective`] has the loss of a
//! token, [`Surrogate`] what is made of a ratio, [`LossType::weights`] the normalisers: Liu et al., *Understanding
//! R1-Zero-like training* (2025), Yu et al., *DAPO* (2025), Zheng et al., *Group sequence policy optimization* (2025),
//! and those named at [`Surrogate`] and [`LossType`]. Names are those of TRL, which offers the same.
//!
//! [`GrpoConfig::entropy_coef`] adds an entropy bonus, which has the weights of the tokens like the rest of the loss. A
//! large `epsilon_high` is what DAPO uses against the collapse of the entropy instead.
//!
//! ```
//! use lm_grpo::prelude::*;
//!
//! /// The longer the better.
//! struct Length;
//!
//! impl Reward for Length {
//!     fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
//!         items.iter().map(|item| (item.completion.len() as f64).into()).collect()
//!     }
//! }
//!
//! let tokenizer = ChatTokenizer::train_bpe([""; 0], 261)?;
//! let model = Qwen3Config { vocab_size: 261, hidden_size: 16, num_hidden_layers: 1, ..Default::default() };
//! let policy = model.init::<Autodiff<Flex>>(&Default::default(), 0);
//! let environment = Environment {
//!     prompts: &[Prompt { ids: tokenizer.prompt_ids("Say something.") }],
//!     held_out: &[],
//!     decoder: &tokenizer,
//!     reward: &Length,
//!     reference: None,
//!     engine: &mut BuiltinEngine::new(4),
//! };
//! let config = GrpoConfig {
//!     max_steps: Some(1),
//!     prompts_per_step: 1,
//!     group_size: 4,
//!     max_completion_length: 5,
//!     beta: 0.0,
//!     ..Default::default()
//! };
//! let (files, stop) = (RunFiles::default(), CancellationToken::new());
//! let outcome = train_grpo(policy, environment, &config, &files, &stop, &mut ())?;
//! assert_eq!(outcome.steps, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a run guarantees
//!
//! - **The loss belongs to the whole optimizer batch.** Every token has its weight before the batch is cut into
//!   micro-batches, so cutting it differently changes nothing but rounding.
//! - **The first pass is on-policy.** The old log-probabilities are the trainer's own, from the forward pass of the
//!   first iteration, so its ratio is exactly 1 whatever the rollout engine computes. How far engine and trainer are
//!   apart is reported as `sampling/sampling_logp_difference/*`. With `iterations = 1` and `beta = 0` the *value* of
//!   the loss is therefore near 0 all the time (advantages have mean 0); its gradient is not. Watch `reward`. With
//!   mini-batches they are from a forward pass before the first update, and this holds for that update alone.
//! - **Nothing overflows at masked tokens.** Truncated completions under [`GrpoConfig::mask_truncated`] never enter the
//!   forward pass, and log-ratios, of tokens and of completions, are clamped to ±20 before they are exponentiated.
//! - **A run is a function of its inputs.** Prompts and samples depend on `(seed, step)` alone, those that replace
//!   groups with equal rewards ([`GrpoConfig::dynamic_sampling`]) on the policy's answers besides. A stopped run
//!   continues where it was: in the middle of a rollout batch if the stop came there.
//! - **Bad numbers do not reach the weights.** A loss or gradient norm that is not finite ends the run before the
//!   update; the error names step, prompts and completion, and the last good state is saved. A reward that returns too
//!   few values, NaN or panics is an error that names its completion.
//!
//! - **Workers change nothing.** [`train_grpo_on`] deals the micro-batches to several devices and sums their gradients.
//! - **Rollouts beside the training are exactly one step old.** With [`GrpoConfig::one_step_off_policy`] the batch of
//!   step n + 1 is sampled by the policy that step n began with, however long either takes. Its old log-probabilities
//!   are that policy's, so the ratio of the first pass is the true one and clipping sees it.
//!
//! # Pieces for other trainers
//!
//! [`advantages`], [`Objective`] and [`LossType::weights`] are pure functions of numbers. The loss depends on the
//! policy through one log-probability per token, so it is computed on the host in `f64`, and the backward pass of the
//! model is seeded with its derivative: every backend shares one implementation, which is compared with reference
//! values.
//!
//! This crate knows token ids and rewards, not what the text means.

mod advantages;
mod ahead;
mod batch;
mod checkpoint;
mod checks;
mod choices;
mod collect;
mod config;
mod correction;
mod environment;
mod error;
mod evaluation;
mod groups;
mod metrics;
mod objective;
mod pass;
mod plan;
mod plausible;
pub mod prelude;
mod ratio;
#[cfg(feature = "remote")]
mod remote;
mod reward;
mod rollout;
mod saving;
mod state;
mod surrogate;
mod trainer;
mod workers;

#[cfg(test)]
mod tests;

// Whoever names a model, a backend or a request needs them in the versions of this crate.
pub use {burn, lm_generate, lm_kernels, lm_model, lm_train};

pub use advantages::{Advantages, advantages, uniform_groups};
pub use choices::{EngineCorrection, ImportanceSamplingLevel, KlEstimator, LossType, ScaleRewards};
pub use config::GrpoConfig;
pub use correction::EngineWeight;
pub use environment::{Environment, Prompt};
pub use error::{Error, Place, Scoring};
pub use metrics::{CompletionRow, Evaluation, Observer, StepMetrics};
pub use objective::{Clipped, Objective, TokenInput, TokenTerm};
#[cfg(feature = "remote")]
pub use remote::{RemoteEngine, RemoteError, WeightSync};
pub use reward::{Reward, RewardItem, RewardValue, TextDecoder};
pub use rollout::{BoxError, BuiltinEngine, RolloutEngine};
pub use state::BestEvaluation;
pub use surrogate::{Gamma, Surrogate};
pub use tokio_util::sync::CancellationToken;
pub use trainer::{Outcome, train_grpo, train_grpo_on};
