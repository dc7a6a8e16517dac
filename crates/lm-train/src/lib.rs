//! Supervised fine-tuning of a Qwen3 model: batches, schedule, optimizer, checkpoints, metrics.
//!
//! The principal function is [`train_sft`]. It takes tokenised [`Sample`]s, lays them end to end in
//! packed micro-batches (no padding; each sample attends only to itself) and minimises the mean
//! negative log-likelihood of the completion tokens with AdamW. Only the hidden states that predict
//! a completion token reach the vocabulary projection.
//!
//! ```
//! use lm_train::prelude::*;
//!
//! let config = Qwen3Config { vocab_size: 16, hidden_size: 16, num_hidden_layers: 1, ..Default::default() };
//! let model = config.init::<Autodiff<Flex>>(&Default::default(), 0);
//! // The loss is taken on the last two tokens.
//! let samples = [Sample { ids: vec![1, 2, 3, 4], loss_from: 2 }];
//! let optim = OptimConfig { lr: 1e-2, ..Default::default() };
//! let config = SftConfig { max_steps: Some(3), optim, ..Default::default() };
//! let (files, stop) = (RunFiles::default(), CancellationToken::new());
//! let outcome = train_sft(model, &samples, &config, &files, &stop, &mut ())?;
//! assert_eq!(outcome.steps, 3);
//! # Ok::<(), lm_train::Error>(())
//! ```
//!
//! # What a run guarantees
//!
//! - **The loss is a token mean over the whole optimizer step.** Micro-batches are weighted by their
//!   number of target tokens, so splitting a step differently changes nothing but rounding.
//! - **A run is a function of its inputs.** The order of samples depends on `(seed, epoch)` alone, and
//!   a run that was stopped and resumed from its checkpoint follows the trajectory of one that was not,
//!   bit for bit on a deterministic backend.
//! - **A checkpoint is complete or absent.** It is written beside its final name, synced and renamed.
//! - **A checkpoint is proved before it is believed.** `checkpoint.json`, written last, has the length and BLAKE3 of
//!   each file. With [`Resume::Latest`] a run goes on from the newest checkpoint that is what was written; damaged ones
//!   are named and renamed, never removed.
//! - **Bad numbers do not reach the weights.** A loss or gradient norm that is not finite ends the run
//!   with [`Error::NonFinite`] before the update, and the last good state is saved.
//!
//! - **Workers change nothing.** [`train_sft_on`] divides every micro-batch among several devices and sums their
//!   gradients; the trajectory is that of one device up to rounding.
//!
//! # Pieces for other trainers
//!
//! [`GradientAccumulator`], [`OptimConfig`], [`Optimizer`], [`Schedule`], [`Checkpoints`] and [`AtomicDir`] know
//! nothing of samples or losses; the reinforcement-learning trainer is built from them too.
//!
//! Continued pre-training needs no separate code: a [`Sample`] with `loss_from = 1` trains on every token
//! after its first.

mod accumulated;
mod backprop;
mod batching;
mod checkpoint;
mod clock;
mod config;
mod counters;
mod error;
mod evaluation;
mod exchange;
mod flops;
mod gradients;
mod leaves;
mod loss;
mod metrics;
mod optim;
mod optimizer;
mod optimizer_state;
mod outcome;
pub mod prelude;
pub mod range;
mod resume;
mod run;
mod sample;
mod schedule;
mod scoring;
mod state;
mod step;
mod team;
mod trainer;
pub mod zero_is_off;

// Whoever names a model or a backend needs them in the versions of this crate.
pub use {burn, lm_kernels, lm_model};

pub use atomic_files::AtomicDir;
pub use backprop::{Recompute, backpropagate, backpropagate_known};
pub use batching::{BatchLimits, EpochPlan};
pub use checkpoint::{
    Candidates, Checkpoint, Checkpoints, Draft, RunState, latest_checkpoint, verify_checkpoint,
};
pub use config::{BatchLayout, OverLength, SftConfig};
pub use error::Error;
pub use evaluation::SftData;
pub use flops::training_flops;
pub use gradients::{GradientAccumulator, ParamGradients};
pub use metrics::{EvalMetrics, Observer, StepMetrics, peak_memory_bytes};
pub use optim::OptimConfig;
pub use optimizer::{AdamWConfig, Optimizer};
pub use outcome::{Outcome, RunFiles};
pub use resume::{Resume, SetAside};
pub use sample::{Sample, SampleCounts, Sequence, prepare};
pub use schedule::{Schedule, ScheduleKind};
pub use scoring::Scoring;
pub use state::{BestEvaluation, TrainState};
pub use tokio_util::sync::CancellationToken;
pub use trainer::{train_sft, train_sft_on};
