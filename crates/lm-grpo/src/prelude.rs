//! What reinforcement learning needs, from this crate and those below it: `use lm_grpo::prelude::*`.
//!
//! `Observer`, `Outcome` and `StepMetrics` are those of this trainer, not of the supervised one.

pub use burn::backend::{Autodiff, Flex};
/// For `policy.valid()`, the policy as a reference.
pub use burn::module::AutodiffModule;
pub use lm_generate::{Finish, Generated, Progress, Request};
pub use lm_kernels::{LmOps, TrainBackend};
pub use lm_model::{ChatTokenizer, LoraConfig, Precision, Qwen3, Qwen3Config, checkpoint};
pub use lm_train::{OptimConfig, Resume, RunFiles, ScheduleKind, SetAside, latest_checkpoint};
pub use tokio_util::sync::CancellationToken;

pub use crate::choices::{
    EngineCorrection, ImportanceSamplingLevel, KlEstimator, LossType, ScaleRewards,
};
pub use crate::config::GrpoConfig;
pub use crate::environment::{Environment, Prompt};
pub use crate::metrics::{CompletionRow, Evaluation, Observer, StepMetrics};
#[cfg(feature = "remote")]
pub use crate::remote::{RemoteEngine, WeightSync};
pub use crate::reward::{Reward, RewardItem, RewardValue, TextDecoder};
pub use crate::rollout::{BoxError, BuiltinEngine, RolloutEngine};
pub use crate::trainer::{Outcome, train_grpo, train_grpo_on};
