//! The configuration of a supervised run, checked before anything expensive starts.

use serde::{Deserialize, Serialize};

use crate::batching::BatchLimits;
use crate::error::Error;
use crate::optimizer::AdamWConfig;
use crate::schedule::{Schedule, ScheduleKind};

/// What happens to a sample with more than `max_length` tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverLength {
    /// Keep the last `max_length` tokens. This is what the code of the ReasoningNER paper does: the
    /// answer survives, the start of the prompt (instruction and label schema) is lost.
    #[default]
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
    pub max_steps: Option<usize>,
    /// Most tokens of one micro-batch, prompts included. A longer sample is a micro-batch of its own.
    /// If neither this nor `batch_size` is set, the budget is 8,192 tokens.
    pub batch_tokens: Option<usize>,
    /// Most samples of one micro-batch. With `batch_tokens`, whichever is reached first ends it.
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
    /// Peak learning rate.
    pub lr: f64,
    /// Decay of the learning rate after the warm-up.
    pub schedule: ScheduleKind,
    /// Share of the steps that are warm-up, from 0 to 1.
    pub warmup_ratio: f64,
    /// Learning rate at the end, as a share of the peak.
    pub min_lr_ratio: f64,
    /// Leaves the token embedding, and with it a tied head, as it is (see
    /// [`Qwen3::freeze_embeddings`](lm_model::Qwen3::freeze_embeddings)).
    pub freeze_embeddings: bool,
    /// AdamW's decoupled weight decay, applied to every parameter.
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
    /// Most tokens of a sample.
    pub max_length: usize,
    /// What happens to longer samples.
    pub over_length: OverLength,
    /// Seed of the order of samples.
    pub seed: u64,
    /// Report every n-th step (and the last) to the observer.
    pub log_every: usize,
    /// Write a checkpoint every n steps, besides the one at the end.
    pub save_every: Option<usize>,
    /// Keep only this many checkpoints, the newest ones. The best one, see [`RunFiles`](crate::RunFiles), is kept
    /// besides.
    pub save_total_limit: Option<usize>,
    /// Evaluate every n steps and at the end; needs samples to evaluate on
    /// ([`SftData::eval`](crate::SftData::eval)). `None` never evaluates.
    pub eval_every: Option<usize>,
    /// End the run after this many evaluations in a row without a gain; `None` never does.
    pub early_stopping_patience: Option<usize>,
    /// By how much the loss must be below the best one, in nats, to count as a gain.
    pub early_stopping_threshold: f64,
    /// Give back, at the end, the model with the lowest evaluation loss instead of the last one.
    pub load_best_model_at_end: bool,
    /// What all devices of the run together can do, in floating-point operations per second; with it the
    /// metrics hold the model FLOPs utilisation.
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
            lr: 2e-5,
            schedule: ScheduleKind::Cosine,
            warmup_ratio: 0.03,
            min_lr_ratio: 0.0,
            freeze_embeddings: false,
            weight_decay: 0.0,
            betas: [0.9, 0.999],
            eps: 1e-8,
            max_grad_norm: 1.0,
            master_weights: true,
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
            load_best_model_at_end: false,
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
        let finite = |x: f64| x.is_finite() && x >= 0.0;
        let ratio = |x: f64| (0.0..=1.0).contains(&x);
        check(
            "epochs",
            "a positive number",
            self.epochs,
            self.epochs.is_finite() && self.epochs > 0.0,
        )?;
        check("lr", "a number of at least 0", self.lr, finite(self.lr))?;
        check(
            "warmup_ratio",
            "a number from 0 to 1",
            self.warmup_ratio,
            ratio(self.warmup_ratio),
        )?;
        check(
            "min_lr_ratio",
            "a number from 0 to 1",
            self.min_lr_ratio,
            ratio(self.min_lr_ratio),
        )?;
        check(
            "weight_decay",
            "a number of at least 0",
            self.weight_decay,
            finite(self.weight_decay),
        )?;
        check(
            "eps",
            "a positive number",
            self.eps,
            self.eps.is_finite() && self.eps > 0.0,
        )?;
        check(
            "max_grad_norm",
            "a number of at least 0",
            self.max_grad_norm,
            finite(self.max_grad_norm),
        )?;
        check(
            "early_stopping_threshold",
            "a number of at least 0",
            self.early_stopping_threshold,
            finite(self.early_stopping_threshold),
        )?;
        self.validate_evaluation()?;
        let decays = self.betas.iter().all(|beta| (0.0..1.0).contains(beta));
        check(
            "betas",
            "two numbers from 0 up to, but not including, 1",
            format!("{:?}", self.betas),
            decays,
        )
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
            "load_best_model_at_end",
            expected,
            "no eval_every",
            evaluates || !self.load_best_model_at_end,
        )
    }

    fn validate_counts(&self) -> Result<(), Error> {
        let counts = [
            ("max_steps", self.max_steps, 1),
            ("batch_tokens", self.batch_tokens, 1),
            ("batch_size", self.batch_size, 1),
            ("grad_accumulation", Some(self.grad_accumulation), 1),
            ("log_every", Some(self.log_every), 1),
            ("save_every", self.save_every, 1),
            ("save_total_limit", self.save_total_limit, 1),
            ("eval_every", self.eval_every, 1),
            ("early_stopping_patience", self.early_stopping_patience, 1),
        ];
        for (field, value, least) in counts {
            let value = value.unwrap_or(least);
            check(field, "a number of at least 1", value, value >= least)?;
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

    /// The learning-rate schedule of a run of `total_steps`.
    pub fn schedule(&self, total_steps: usize) -> Schedule {
        Schedule::new(
            self.schedule,
            self.lr,
            self.warmup_ratio,
            self.min_lr_ratio,
            total_steps,
        )
    }
}

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
        let config = SftConfig {
            warmup_ratio: 1.5,
            ..Default::default()
        };
        let message = config.validate().unwrap_err().to_string();
        assert!(
            message.contains("warmup_ratio") && message.contains("1.5"),
            "{message}"
        );
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
