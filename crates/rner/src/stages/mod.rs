//! The stages of the paper: each takes files and writes files.
//!
//! Every stage is a function (or a [`Task`](crate::backend::Task), where it
//! needs a model) that both its own command and `rner reproduce` call.

mod asking;
mod cot;
mod data;
mod eval;
mod grpo;
mod mix;
mod model_dir;
mod model_name;
mod sample;
mod sft;
mod task;
mod told;
mod watch;

pub use asking::Asking;
pub(crate) use cot::JOURNAL_REFUSED;
pub use cot::{CotJob, Simulated, serve_rows, serve_teacher};
pub use data::{Sources, load_suite, load_suite_of, read_suite, ready_cot};
pub use eval::{EvalJob, LOG, LmCompleter, SPEED, Speed, Ticks};
pub(crate) use grpo::rollout_endpoint;
pub use grpo::{CompletionTable, GrpoJob, NerReward};
pub use model_dir::{Answering, ModelDir};
pub use sft::{SftJob, samples};
pub use task::check_task;
pub use watch::Watch;

/// Name of the final model inside a training stage's folder.
pub const MODEL: &str = "model";
