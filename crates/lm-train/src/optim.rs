//! The optimizer's part of a configuration, which supervised and reinforced runs share.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::optimizer::AdamWConfig;
use crate::range::{NOT_NEGATIVE, POSITIVE, RATIO, check};
use crate::schedule::{Schedule, ScheduleKind};

/// Learning rate, AdamW and clipping. The defaults are those of the ReasoningNER paper's fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimConfig {
    /// Peak learning rate.
    pub lr: f64,
    /// Decay of the learning rate after the warm-up, over all updates.
    pub schedule: ScheduleKind,
    /// Share of the updates that are warm-up, from 0 to 1.
    pub warmup_ratio: f64,
    /// Learning rate at the end, as a share of the peak.
    pub min_lr_ratio: f64,
    /// AdamW's decay rates of the first and second moment.
    pub betas: [f64; 2],
    /// AdamW's denominator offset.
    pub eps: f64,
    /// AdamW's decoupled weight decay, applied to every parameter.
    pub weight_decay: f64,
    /// Largest global gradient norm; larger gradients are scaled down to it.
    #[serde(with = "crate::zero_is_off")]
    pub max_grad_norm: Option<f64>,
    /// Leaves the token embedding, and with it a tied head, as it is (see
    /// [`Qwen3::freeze_embeddings`](lm_model::Qwen3::freeze_embeddings)).
    pub freeze_embeddings: bool,
    /// For a model in BF16: whether the optimizer keeps its weights in single precision too (see
    /// [`AdamWConfig::master_weights`]).
    pub master_weights: bool,
}

impl Default for OptimConfig {
    fn default() -> Self {
        Self {
            lr: 2e-5,
            schedule: ScheduleKind::Cosine,
            warmup_ratio: 0.03,
            min_lr_ratio: 0.0,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: Some(1.0),
            freeze_embeddings: false,
            master_weights: true,
        }
    }
}

impl OptimConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first field whose value no run can use, as `optim.lr`: the configuration of a run
    /// has this one in a field `optim`.
    pub fn validate(&self) -> Result<(), Error> {
        let numbers = [
            ("optim.lr", NOT_NEGATIVE, self.lr),
            ("optim.warmup_ratio", RATIO, self.warmup_ratio),
            ("optim.min_lr_ratio", RATIO, self.min_lr_ratio),
            ("optim.eps", POSITIVE, self.eps),
            ("optim.weight_decay", NOT_NEGATIVE, self.weight_decay),
            (
                "optim.max_grad_norm",
                POSITIVE,
                self.max_grad_norm.unwrap_or(1.0),
            ),
        ];
        for (field, range, value) in numbers {
            range.check(field, value)?;
        }
        let decays = self.betas.iter().all(|beta| (0.0..1.0).contains(beta));
        let (expected, found) = (
            "two numbers from 0 up to, but not including, 1",
            format!("{:?}", self.betas),
        );
        check("optim.betas", expected, found, decays)
    }

    /// The constants of the optimizer.
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

    /// The learning-rate schedule of a run of so many updates.
    pub fn schedule(&self, updates: usize) -> Schedule {
        Schedule::new(
            self.schedule,
            self.lr,
            self.warmup_ratio,
            self.min_lr_ratio,
            updates,
        )
    }
}
