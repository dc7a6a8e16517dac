//! The configuration of a supervised run, checked before anything expensive starts.

use serde::{Deserialize, Serialize};

use crate::batching::BatchLimits;
use crate::error::Error;
use crate::optim::OptimConfig;
use crate::range::{AT_LEAST_ONE, NOT_NEGATIVE, POSITIVE, check};

/// What happens to a sample with more than `max_length` tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverLength {
    /// Keep the last `max_length` tokens. This is what the code of the ReasoningNER paper does: the
    /// answer survives, the start of the prompt (instruction and label schema) is lost.
    #[default]
    #[serde(alias = "keep-last")]
    KeepLast,
    /// Leave the sample out, and log how many were left out.
    Skip,
    /// End with an error that names the sample.
    Refuse,
}

/// How the sequences of a micro-batch are laid out for the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchLayout {
    /// End to end, each attending to itself only: no token is wasted.
    #[default]
    Packed,
    /// Each filled up at its end to the longest, as most trainers do. The padding is never a target and, since
    /// attention looks back only, nothing attends to it: losses and gradients are those of the packed
    /// layout, at a higher price.
    Padded,
}

/// Configuration of [`train_sft`](crate::train_sft). The defaults are those of the ReasoningNER paper
/// where it states a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SftConfig {
    /// Passes over the samples; the last one may be a fraction. Ignored when `max_steps` is set.
    pub epochs: f64,
    /// Number of optimizer steps, whatever the number of epochs that takes.
    #[serde(with = "crate::zero_is_off")]
    pub max_steps: Option<usize>,
    /// Most tokens of one micro-batch, prompts included. A longer sample is a micro-batch of its own.
    /// If neither this nor `batch_size` is set, the budget is 8,192 tokens.
    #[serde(with = "crate::zero_is_off")]
    pub batch_tokens: Option<usize>,
    /// Most samples of one micro-batch. With `batch_tokens`, whichever is reached first ends it.
    #[serde(with = "crate::zero_is_off")]
    pub batch_size: Option<usize>,
    /// How the sequences of a micro-batch are laid out.
    pub layout: BatchLayout,
    /// Layers whose activations are computed again for the backward pass instead of being kept, at a time; 0 keeps all.
    /// Memory falls to the hidden states in front of every such group and the activations of one.
    pub recompute_layers: usize,
    /// Micro-batches per optimizer step; the last step of an epoch takes what is left.
    pub grad_accumulation: usize,
    /// Whether each epoch has its own random order (from `seed`) or all have the given order.
    pub shuffle: bool,
    /// Learning rate and optimizer.
    pub optim: OptimConfig,
    /// Most tokens of a sample.
    pub max_length: usize,
    /// What happens to longer samples.
    pub over_length: OverLength,
    /// Seed of the order of samples.
    pub seed: u64,
    /// Report every n-th step (and the last) to the observer.
    pub log_every: usize,
    /// Write a checkpoint every n steps, besides the one at the end.
    #[serde(with = "crate::zero_is_off")]
    pub save_every: Option<usize>,
    /// Keep only this many checkpoints, the newest ones. The best one, see [`RunFiles`](crate::RunFiles), is kept
    /// besides.
    #[serde(with = "crate::zero_is_off")]
    pub save_total_limit: Option<usize>,
    /// Evaluate every n steps and at the end; needs samples to evaluate on
    /// ([`SftData::eval`](crate::SftData::eval)). `None` never evaluates.
    #[serde(with = "crate::zero_is_off")]
    pub eval_every: Option<usize>,
    /// End the run after this many evaluations in a row without a gain; `None` never does.
    #[serde(with = "crate::zero_is_off")]
    pub early_stopping_patience: Option<usize>,
    /// By how much the loss must be below the best one, in nats, to count as a gain.
    pub early_stopping_threshold: f64,
    /// Give back, at the end, the model with the lowest evaluation loss instead of the last one.
    pub load_best: bool,
    /// What all devices of the run together can do, in floating-point operations per second; with it the
    /// metrics hold the model FLOPs utilisation.
    #[serde(with = "crate::zero_is_off")]
    pub peak_flops: Option<f64>,
}

impl Default for SftConfig {
    fn default() -> Self {
        Self {
            epochs: 5.0,
            max_steps: None,
            batch_tokens: None,
            batch_size: None,
            recompute_layers: 0,
            grad_accumulation: 1,
            shuffle: true,
            optim: OptimConfig::default(),
            max_length: 8192,
            over_length: OverLength::KeepLast,
            seed: 42,
            log_every: 1,
            save_every: None,
            save_total_limit: None,
            layout: BatchLayout::Packed,
            eval_every: None,
            early_stopping_patience: None,
            early_stopping_threshold: 0.0,
            load_best: false,
            peak_flops: None,
        }
    }
}

/// Token budget of a micro-batch when the configuration names no limit.
const DEFAULT_BATCH_TOKENS: usize = 8192;

impl SftConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first field whose value no run can use.
    pub fn validate(&self) -> Result<(), Error> {
        self.validate_counts()?;
        self.optim.validate()?;
        POSITIVE.check("epochs", self.epochs)?;
        NOT_NEGATIVE.check("early_stopping_threshold", self.early_stopping_threshold)?;
        POSITIVE.check("peak_flops", self.peak_flops.unwrap_or(1.0))?;
        self.validate_evaluation()
    }

    /// What depends on evaluations needs some.
    fn validate_evaluation(&self) -> Result<(), Error> {
        let evaluates = self.eval_every.is_some();
        let expected = "eval_every to be set";
        check(
            "early_stopping_patience",
            expected,
            "no eval_every",
            evaluates || self.early_stopping_patience.is_none(),
        )?;
        check(
            "load_best",
            expected,
            "no eval_every",
            evaluates || !self.load_best,
        )
    }

    fn validate_counts(&self) -> Result<(), Error> {
        let counts = [
            ("max_steps", self.max_steps),
            ("batch_tokens", self.batch_tokens),
            ("batch_size", self.batch_size),
            ("grad_accumulation", Some(self.grad_accumulation)),
            ("log_every", Some(self.log_every)),
            ("save_every", self.save_every),
            ("save_total_limit", self.save_total_limit),
            ("eval_every", self.eval_every),
            ("early_stopping_patience", self.early_stopping_patience),
        ];
        for (field, value) in counts {
            AT_LEAST_ONE.check(field, value.unwrap_or(1) as f64)?;
        }
        // One token has no successor to predict.
        check(
            "max_length",
            "a number of at least 2",
            self.max_length,
            self.max_length >= 2,
        )
    }

    /// The limits of one micro-batch.
    pub fn batch_limits(&self) -> BatchLimits {
        match (self.batch_tokens, self.batch_size) {
            (None, None) => BatchLimits {
                tokens: DEFAULT_BATCH_TOKENS,
                sequences: usize::MAX,
            },
            (tokens, sequences) => BatchLimits {
                tokens: tokens.unwrap_or(usize::MAX),
                sequences: sequences.unwrap_or(usize::MAX),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_refused() {
        let error = serde_json::from_str::<SftConfig>(r#"{"learning_rate": 1.0}"#).unwrap_err();
        assert!(error.to_string().contains("learning_rate"), "{error}");
    }

    #[test]
    fn a_bad_value_is_named() {
        let mut config = SftConfig::default();
        config.optim.warmup_ratio = 1.5;
        let message = config.validate().unwrap_err().to_string();
        let expected = "`optim.warmup_ratio`: expected a number from 0 to 1, found 1.5";
        assert!(message.contains(expected), "{message}");
        let config = SftConfig {
            grad_accumulation: 0,
            ..Default::default()
        };
        assert!(
            config
                .validate()
                .unwrap_err()
                .to_string()
                .contains("grad_accumulation")
        );
    }

    #[test]
    fn the_defaults_are_valid_and_survive_serde() {
        let config = SftConfig::default();
        config.validate().unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<SftConfig>(&text).unwrap(), config);
    }

    #[test]
    fn one_limit_switches_the_default_budget_off() {
        let config = SftConfig {
            batch_size: Some(4),
            ..Default::default()
        };
        assert_eq!(
            config.batch_limits(),
            BatchLimits {
                tokens: usize::MAX,
                sequences: 4
            }
        );
        assert_eq!(SftConfig::default().batch_limits().tokens, 8192);
    }
}
