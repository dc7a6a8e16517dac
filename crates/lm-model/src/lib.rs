//! Qwen3, Qwen2 and Llama in Burn: the model, Hugging Face checkpoints, the tokenizer and its chat form.
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

//!
//! ```
//! use burn::backend::Flex;
//! use lm_model::{Qwen3, Qwen3Config, checkpoint};
//!
//! let config = Qwen3Config { vocab_size: 32, hidden_size: 16, num_hidden_layers: 1, ..Default::default() };
//! let model: Qwen3<Flex> = config.init(&Default::default(), 0);
//! // Two sequences, end to end.
//! let sequences: [&[u32]; 2] = [&[1, 2, 3], &[4, 5]];
//! let logits = model.logits(&model.pack(&sequences));
//! assert_eq!(logits.dims(), [5, 32]);
//!
//! let dir = tempfile::tempdir()?;
//! checkpoint::save_trained(&model, dir.path())?;
//! let again: Qwen3<Flex> = checkpoint::load(dir.path(), &Default::default())?;
//! let same = again.logits(&again.pack(&sequences));
//! assert_eq!(same.into_data(), logits.into_data());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
pub mod checkpoint;
mod config;
mod ending;
mod error;
mod files;
mod foreign;
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
pub use config::{
    Family, Llama3Scaling, ParameterSpec, Qwen3Config, RopeScaling, WeightDtype, Yarn,
};
pub use error::{Error, Result};
pub use lora::{LoraConfig, ModuleLora, TARGET_MODULES};
pub use model::Qwen3;
pub use packed::{Packed, Prefixed};
pub use precision::{Precision, QUANTIZED_BLOCK};
pub use tokenizer::{ChatTokenizer, Detokenizer, Pieces, StopMatcher, TextStream, ThoughtStream};
