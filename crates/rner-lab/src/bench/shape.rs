//! The random model that is measured: flags, checks, weights and tokens.

use std::num::NonZero;

use anyhow::Result;
use clap::Args;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::{Error, LoraConfig, Qwen3, Qwen3Config};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rner::backend::Device;
use rner::recipe::{Backend, Dtype};
use rner_cli::args::{backends, dtypes};
use rner_cli::exit::usage;
use serde::Serialize;

/// Shape of the model, type of its weights and where it runs.
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct ShapeArgs {
    /// Width of the residual stream.
    #[arg(long, value_name = "H", default_value_t = 256)]
    pub(super) hidden: usize,
    /// Decoder layers.
    #[arg(long, value_name = "L", default_value_t = 4)]
    pub(super) layers: usize,
    /// Query heads.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(super) heads: usize,
    /// Key and value heads; they divide the query heads.
    #[arg(long, value_name = "K", default_value_t = 4)]
    pub(super) kv_heads: usize,
    /// Width of a head, an even number.
    #[arg(long, value_name = "D", default_value_t = 32)]
    pub(super) head_dim: usize,
    /// Width of the feed-forward layer.
    #[arg(long, value_name = "F", default_value_t = 768)]
    pub(super) ffn: usize,
    /// Entries of the vocabulary.
    #[arg(long, value_name = "V", default_value_t = 4096)]
    pub(super) vocab: usize,
    /// The output head is the embedding itself.
    #[arg(long)]
    pub(super) tied: bool,
    /// Type of the weights.
    #[arg(long, value_parser = dtypes(), default_value = "f32")]
    pub(super) dtype: Dtype,
    /// Burn backend.
    #[arg(long, value_parser = backends(), default_value = "flex")]
    pub(super) backend: Backend,
    /// Seed of weights, tokens and samples.
    #[arg(long, default_value_t = 42)]
    pub(super) seed: u64,
}

impl ShapeArgs {
    /// The model's configuration, for sequences of up to `positions` tokens.
    ///
    /// # Errors
    /// Wrong usage if there is no such model; the message names the flag.
    pub(super) fn config(&self, positions: usize) -> Result<Qwen3Config> {
        let config = Qwen3Config {
            vocab_size: self.vocab,
            hidden_size: self.hidden,
            intermediate_size: self.ffn,
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            num_key_value_heads: self.kv_heads,
            head_dim: self.head_dim,
            tie_word_embeddings: self.tied,
            max_position_embeddings: positions,
            bos_token_id: Vec::new(),
            eos_token_id: Vec::new(),
            ..Qwen3Config::default()
        };
        match config.check() {
            Ok(()) => Ok(config),
            Err(Error::InvalidConfig {
                field,
                found,
                expected,
            }) => Err(usage(format!(
                "{}: expected {expected}, found {found}",
                flag(field)
            ))),
            Err(other) => Err(other.into()),
        }
    }

    /// The model of `config` with random weights.
    pub(super) fn model<B: LmOps>(&self, config: &Qwen3Config, device: &Device<B>) -> Qwen3<B> {
        let model = config.init::<B>(device, self.seed);
        model.in_precision(self.dtype.precision())
    }

    /// `model` with adapters of this rank, if there is one.
    pub(super) fn adapted<B: TrainBackend>(
        &self,
        model: Qwen3<B>,
        rank: Option<NonZero<usize>>,
    ) -> Result<Qwen3<B>> {
        let Some(rank) = rank else {
            return Ok(model);
        };
        let lora = LoraConfig {
            rank: rank.get(),
            ..LoraConfig::default()
        };
        Ok(model.with_lora(&lora, self.seed)?)
    }

    /// `count` sequences of `length` random tokens each.
    pub(super) fn sequences(&self, count: usize, length: usize) -> Vec<Vec<u32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let vocab = self.vocab as u32;
        let mut sequence = || (0..length).map(|_| rng.random_range(0..vocab)).collect();
        (0..count).map(|_| sequence()).collect()
    }
}

/// The flag that sets a field of the configuration.
fn flag(field: &str) -> &str {
    match field {
        "vocab_size" => "--vocab",
        "hidden_size" => "--hidden",
        "intermediate_size" => "--ffn",
        "num_hidden_layers" => "--layers",
        "num_attention_heads" => "--heads",
        "num_key_value_heads" => "--kv-heads",
        "head_dim" => "--head-dim",
        other => other,
    }
}
