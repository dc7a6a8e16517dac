//! The configuration of a GRPO run.

use lm_train::OptimConfig;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::choices::{
    EngineCorrection, ImportanceSamplingLevel, KlEstimator, LossType, ScaleRewards,
};
use crate::correction::EngineWeight;
use crate::objective::Objective;
use crate::surrogate::{Gamma, Surrogate};

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
    /// Passes over the prompts; the last one may be a fraction. Ignored when `max_steps` is set.
    pub epochs: f64,
    /// Rollout batches of the whole run, each followed by `iterations · mini_batches` updates, whatever the number of
    /// epochs that takes.
    #[serde(with = "lm_train::zero_is_off")]
    pub max_steps: Option<usize>,
    /// Passes over each rollout batch, each of `mini_batches` optimizer updates (μ of the paper, `num_iterations` of
    /// TRL).
    pub iterations: usize,
    /// Optimizer updates of a pass: the prompts of a rollout batch are divided into so many mini-batches, in order;
    /// `prompts_per_step` must be a multiple of it. With more than one, ratios are to the policy that sampled the
    /// rollout batch, whose log-probabilities cost a forward pass over it. (verl's `train_batch_size /
    /// ppo_mini_batch_size`.)
    pub mini_batches: usize,
    /// How far below 1 the probability ratio may fall before its gradient is cut.
    pub epsilon: f64,
    /// How far above 1 it may rise. With [`LossType::Cispo`], the greatest weight itself: at least 1, in the ScaleRL
    /// paper 5.
    pub epsilon_high: f64,
    /// Greatest ratio that a token with a negative advantage is pushed down with (TRL's `delta`, two-sided clipping);
    /// more than `1 + epsilon_high`. Without it such a token is pushed down with any ratio.
    #[serde(with = "lm_train::zero_is_off")]
    pub delta: Option<f64>,
    /// Whether ratios belong to tokens or to completions.
    pub importance_sampling_level: ImportanceSamplingLevel,
    /// Weight of the KL penalty against the reference; at 0 no reference is needed.
    pub beta: f64,
    /// How the divergence of that penalty is estimated.
    pub kl_estimator: KlEstimator,
    /// Whether the estimate is multiplied by the probability ratio, which has a gradient: with k3 of tokens, the
    /// gradient is then that of the reverse divergence. From DeepSeek-V3.2 (2025); recent versions of TRL do so by
    /// default (`use_bias_correction_kl`), those of the paper's time did not.
    pub kl_bias_correction: bool,
    /// Weight of the entropy bonus: the loss of a token is lowered by so many times the entropy of the distribution
    /// that it was drawn from, at the sampling temperature. 0 is none.
    pub entropy_coef: f64,
    /// Normalisation of the loss.
    pub loss_type: LossType,
    /// Temperature of [`LossType::Sapo`] where the advantage is not positive.
    pub sapo_temperature_neg: f64,
    /// Temperature of [`LossType::Sapo`] where it is.
    pub sapo_temperature_pos: f64,
    /// `k` of [`LossType::Vespo`] where the advantage is not negative: how fast the weight falls with the ratio.
    pub vespo_k_pos: f64,
    /// `λ` of [`LossType::Vespo`] there: how fast the weight falls as the ratio rises.
    pub vespo_lambda_pos: f64,
    /// `k` of [`LossType::Vespo`] where the advantage is negative.
    pub vespo_k_neg: f64,
    /// `λ` of [`LossType::Vespo`] there.
    pub vespo_lambda_neg: f64,
    /// Scaling of the advantages. Always written out in saved configurations, because it is easily overlooked.
    pub scale_rewards: ScaleRewards,
    /// What is done about a rollout engine that computes other probabilities than the trainer.
    pub engine_correction: EngineCorrection,
    /// Greatest weight of that correction, positive.
    pub engine_correction_cap: f64,
    /// Least weight of that correction, positive and below the greatest.
    #[serde(with = "lm_train::zero_is_off")]
    pub engine_correction_floor: Option<f64>,
    /// Replaces groups with equal rewards by groups of other prompts, in at most this many further rollouts of a step.
    /// What is still missing then is filled up with the groups that were to be replaced. From Yu et al., *DAPO* (2025).
    #[serde(with = "lm_train::zero_is_off")]
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
    /// completions, so with `dr_grpo`, `grpo`, `sapo` and `luspo` the others weigh the same as without; their tokens do
    /// not count in the means of `bnpo`, `dapo`, `cispo` and `vespo`, so there the others weigh more.
    pub mask_uniform: bool,
    /// Learning rate and optimizer. The defaults of [`GrpoConfig`] are a rate of 1e-6 and a warm-up of 0.1; a file that
    /// names some of these fields leaves the others at that.
    #[serde(deserialize_with = "optim")]
    pub optim: OptimConfig,
    /// Most tokens of one forward and backward pass, prompts included; a longer sequence is a micro-batch of its own.
    /// This bounds memory and, up to rounding, changes nothing else.
    pub micro_batch_tokens: usize,
    /// Layers whose activations are computed again for the backward pass instead of being kept, at a time; 0 keeps all.
    pub recompute_layers: usize,
    /// Seed of the order of prompts and of the samples.
    pub seed: u64,
    /// Write a checkpoint every n steps, besides the one at the end.
    #[serde(with = "lm_train::zero_is_off")]
    pub save_every: Option<usize>,
    /// Keep only this many checkpoints, the newest ones, besides the best.
    #[serde(with = "lm_train::zero_is_off")]
    pub save_total_limit: Option<usize>,
    /// Answer the held-out prompts greedily before the first step, after every n steps and after the last one, and keep
    /// the model with the highest mean reward.
    #[serde(with = "lm_train::zero_is_off")]
    pub eval_every: Option<usize>,
    /// End the run after so many evaluations in a row that are not better than the best.
    #[serde(with = "lm_train::zero_is_off")]
    pub early_stopping_patience: Option<usize>,
    /// Return the best model instead of the last.
    pub load_best: bool,
}

impl Default for GrpoConfig {
    fn default() -> Self {
        Self {
            group_size: 16,
            prompts_per_step: 24,
            epochs: 1.0,
            max_steps: None,
            iterations: 4,
            mini_batches: 1,
            epsilon: 0.2,
            epsilon_high: 0.28,
            delta: None,
            importance_sampling_level: ImportanceSamplingLevel::Token,
            beta: 0.04,
            kl_estimator: KlEstimator::K3,
            kl_bias_correction: false,
            entropy_coef: 0.0,
            loss_type: LossType::DrGrpo,
            sapo_temperature_neg: 1.05,
            sapo_temperature_pos: 1.0,
            vespo_k_pos: 2.0,
            vespo_lambda_pos: 3.0,
            vespo_k_neg: 3.0,
            vespo_lambda_neg: 2.0,
            scale_rewards: ScaleRewards::Group,
            engine_correction: EngineCorrection::None,
            engine_correction_cap: 3.0,
            engine_correction_floor: None,
            dynamic_sampling: None,
            one_step_off_policy: false,
            temperature: 0.9,
            max_completion_length: 4096,
            mask_truncated: false,
            mask_uniform: false,
            optim: default_optim(),
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

/// The paper's rate and warm-up of reinforcement learning.
fn default_optim() -> OptimConfig {
    OptimConfig {
        lr: 1e-6,
        warmup_ratio: 0.1,
        ..OptimConfig::default()
    }
}

/// Reads an [`OptimConfig`] whose absent fields have the defaults of this configuration, not those of fine-tuning.
fn optim<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OptimConfig, D::Error> {
    let given = Map::deserialize(deserializer)?;
    let mut fields = serde_json::to_value(default_optim()).map_err(serde::de::Error::custom)?;
    if let Value::Object(fields) = &mut fields {
        fields.extend(given);
    }
    serde_json::from_value(fields).map_err(serde::de::Error::custom)
}

impl GrpoConfig {
    /// Rollout batches of a run over so many prompts, at least one: an incomplete last batch of an epoch is dropped, as
    /// TRL does.
    pub fn total_steps(&self, prompts: usize) -> usize {
        let per_epoch = prompts / self.prompts_per_step.max(1);
        let planned = (per_epoch as f64 * self.epochs).floor() as usize;
        self.max_steps.unwrap_or(planned).max(1)
    }

    /// Optimizer updates on each rollout batch.
    pub fn updates_per_step(&self) -> usize {
        self.iterations * self.mini_batches
    }

    /// How the tokens of the engine are weighted.
    pub fn engine_weight(&self) -> EngineWeight {
        EngineWeight {
            correction: self.engine_correction,
            cap: self.engine_correction_cap,
            floor: self.engine_correction_floor,
        }
    }

    /// What the loss makes of a ratio.
    pub(crate) fn surrogate(&self) -> Surrogate {
        match self.loss_type {
            LossType::Cispo => Surrogate::Cispo,
            LossType::Sapo => Surrogate::Sapo {
                temperature_pos: self.sapo_temperature_pos,
                temperature_neg: self.sapo_temperature_neg,
            },
            LossType::Vespo => Surrogate::Vespo {
                pos: Gamma {
                    k: self.vespo_k_pos,
                    lambda: self.vespo_lambda_pos,
                },
                neg: Gamma {
                    k: self.vespo_k_neg,
                    lambda: self.vespo_lambda_neg,
                },
            },
            _ => Surrogate::Clipped,
        }
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
            kl_bias_correction: config.kl_bias_correction,
            importance_sampling_level: config.importance_sampling_level,
            surrogate: config.surrogate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_name_some_of_the_fields() {
        let text = r#"{"group_size": 4, "delta": 3, "optim": {"weight_decay": 0.5}}"#;
        let found: GrpoConfig = serde_json::from_str(text).expect("a configuration");
        let mut expected = GrpoConfig {
            group_size: 4,
            delta: Some(3.0),
            ..GrpoConfig::default()
        };
        expected.optim.weight_decay = 0.5;
        assert_eq!(found, expected);
        assert_eq!((found.optim.lr, found.optim.warmup_ratio), (1e-6, 0.1));
        let text = serde_json::to_string(&found).expect("JSON");
        assert_eq!(
            serde_json::from_str::<GrpoConfig>(&text).expect("the same"),
            expected
        );
        let refused = serde_json::from_str::<GrpoConfig>(r#"{"optim": {"rate": 1.0}}"#);
        assert!(refused.unwrap_err().to_string().contains("`rate`"));
    }

    #[test]
    fn epochs_give_the_steps_unless_they_are_counted() {
        let mut config = GrpoConfig::default();
        assert_eq!(config.total_steps(4703), 195);
        config.epochs = 2.5;
        assert_eq!(config.total_steps(4703), 487);
        assert_eq!(config.total_steps(3), 1);
        config.max_steps = Some(7);
        assert_eq!(config.total_steps(4703), 7);
    }
}
