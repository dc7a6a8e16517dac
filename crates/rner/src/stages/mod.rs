//! The stages of the paper: each takes files and writes files.
//!
//! Every stage is a function (or a [`Task`](crate::backend::Task), where it
//! needs a model) that both its own command and `rner reproduce` call.

mod cot;
mod data;
mod eval;
mod grpo;
mod model_dir;
mod sft;
mod watch;

pub(crate) use cot::{CotJob, serve_teacher};
pub(crate) use data::{Sources, load_suite, read_suite};
pub(crate) use eval::{EvalJob, LOG, Ticks};
pub(crate) use grpo::GrpoJob;
pub(crate) use model_dir::{Answering, MODEL, ModelDir, prompt_template};
pub(crate) use sft::{SftJob, samples};
pub(crate) use watch::Watch;
