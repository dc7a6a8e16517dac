//! Qwen3 in Burn: the model, Hugging Face checkpoints, the tokenizer and its chat template.
//!
//! Sequences are *packed*: the tokens of a batch lie end to end in one dimension without padding,
//! and [`lm_kernels::SeqBounds`] says where each begins. Shapes in the documentation use T for the
//! number of tokens of a batch, H for the hidden size, D for the width of a head and V for the
//! vocabulary.
//!
//! * [`Qwen3Config`] reads and writes `config.json`, and [`Qwen3Config::init`] draws a fresh model.
//! * [`Qwen3`] computes hidden states, log-probabilities and, with a [`ModelCache`], continuations.
//! * [`Qwen3::with_lora`] freezes it and adds low-rank adapters, [`LoraConfig`].
//! * [`checkpoint`] reads and writes directories in the layout of Hugging Face.
//! * With the feature `hub`, `hub::HubModel` downloads models of the Hugging Face Hub.
//! * [`ChatTokenizer`] turns prompts and targets into ids, and can be trained; [`TextStream`] turns ids into text while
//!   they arrive, and finds stop strings.

mod cache;
pub mod checkpoint;
mod config;
mod error;
mod files;
#[cfg(feature = "hub")]
pub mod hub;
mod init;
mod lora;
mod model;
mod packed;
mod precision;
mod rope;
mod tokenizer;

pub use cache::ModelCache;
pub use config::{ParameterSpec, Qwen3Config, RopeScaling, WeightDtype, Yarn};
pub use error::{Error, Result};
pub use lora::{LoraConfig, TARGET_MODULES};
pub use model::Qwen3;
pub use packed::{Packed, Prefixed};
pub use precision::{Precision, QUANTIZED_BLOCK};
pub use tokenizer::{ChatTokenizer, Detokenizer, Pieces, StopMatcher, TextStream};
