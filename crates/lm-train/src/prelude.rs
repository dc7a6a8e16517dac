//! What a fine-tuning needs, from this crate and those below it: `use lm_train::prelude::*`.
//!
//! The reinforcement-learning trainer has a prelude of its own, whose `Observer`, `Outcome` and `StepMetrics` are
//! others.

pub use burn::backend::{Autodiff, Flex};
pub use lm_kernels::{LmOps, TrainBackend};
pub use lm_model::{ChatTokenizer, LoraConfig, Precision, Qwen3, Qwen3Config, checkpoint};
pub use tokio_util::sync::CancellationToken;

pub use crate::checkpoint::latest_checkpoint;
pub use crate::config::{BatchLayout, OverLength, SftConfig};
pub use crate::evaluation::SftData;
pub use crate::metrics::{EvalMetrics, Observer, StepMetrics};
pub use crate::optim::OptimConfig;
pub use crate::outcome::{Outcome, RunFiles};
pub use crate::resume::{Resume, SetAside};
pub use crate::sample::Sample;
pub use crate::schedule::ScheduleKind;
pub use crate::trainer::{train_sft, train_sft_on};
