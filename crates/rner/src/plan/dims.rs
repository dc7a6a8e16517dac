//! The dimensions of a model and its number of parameters.

use lm_model::{Family, Qwen3Config};
use serde::Deserialize;
use std::path::Path;

/// What determines the size of a Qwen3, a Qwen2 or a Llama; names as in Hugging Face's `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Which of them it is.
    pub family: Family,
    /// Width of the residual stream, H.
    pub hidden_size: u64,
    /// Width of the feed-forward layer, I.
    pub intermediate_size: u64,
    /// Layers, L.
    pub num_hidden_layers: u64,
    /// Query heads.
    pub num_attention_heads: u64,
    /// Key and value heads.
    pub num_key_value_heads: u64,
    /// Width of a head, D.
    pub head_dim: u64,
    /// Tokens in the vocabulary, V.
    pub vocab_size: u64,
    /// Whether the head is the embedding.
    pub tie_word_embeddings: bool,
    /// Whether all projections of attention have biases.
    pub attention_bias: bool,
    /// Whether the projections of the feed-forward layer have them.
    pub mlp_bias: bool,
}

/// The fields of `config.json`; what is left out is as `transformers` takes it.
#[derive(Deserialize)]
struct File {
    model_type: Option<String>,
    hidden_size: u64,
    intermediate_size: u64,
    num_hidden_layers: u64,
    num_attention_heads: u64,
    num_key_value_heads: Option<u64>,
    head_dim: Option<u64>,
    vocab_size: u64,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
}

/// A base model: hub id, family, `[H, I, L, query heads, key-value heads, D, V]`, and whether the head is the
/// embedding. From the published `config.json` of each.
type Known = (&'static str, Family, [u64; 7], bool);

#[rustfmt::skip]
const KNOWN: [Known; 12] = {
    use Family::{Llama, Qwen2, Qwen3};
    [
        ("Qwen/Qwen3-0.6B-Base", Qwen3, [1024, 3072, 28, 16, 8, 128, 151_936], true),
        ("Qwen/Qwen3-1.7B-Base", Qwen3, [2048, 6144, 28, 16, 8, 128, 151_936], true),
        ("Qwen/Qwen3-4B-Base", Qwen3, [2560, 9728, 36, 32, 8, 128, 151_936], true),
        ("Qwen/Qwen3-8B-Base", Qwen3, [4096, 12288, 36, 32, 8, 128, 151_936], false),
        ("Qwen/Qwen2.5-0.5B", Qwen2, [896, 4864, 24, 14, 2, 64, 151_936], true),
        ("Qwen/Qwen2.5-1.5B", Qwen2, [1536, 8960, 28, 12, 2, 128, 151_936], true),
        ("Qwen/Qwen2.5-3B", Qwen2, [2048, 11008, 36, 16, 2, 128, 151_936], true),
        ("Qwen/Qwen2.5-7B", Qwen2, [3584, 18944, 28, 28, 4, 128, 152_064], false),
        ("meta-llama/Llama-2-7b-hf", Llama, [4096, 11008, 32, 32, 32, 128, 32_000], false),
        ("meta-llama/Llama-3.1-8B", Llama, [4096, 14336, 32, 32, 8, 128, 128_256], false),
        ("meta-llama/Llama-3.2-1B", Llama, [2048, 8192, 16, 32, 8, 64, 128_256], true),
        ("meta-llama/Llama-3.2-3B", Llama, [3072, 8192, 28, 24, 8, 128, 128_256], true),
    ]
};

/// The dimensions of a known hub id, or those of the checkpoint in a directory.
///
/// None if the id is not known and there is no readable `config.json` of one of the families.
pub fn dims_of(base: &str) -> Option<Dims> {
    known(base).or_else(|| {
        let text = std::fs::read_to_string(Path::new(base).join("config.json")).ok()?;
        serde_json::from_str::<File>(&text).ok()?.dims()
    })
}

fn known(id: &str) -> Option<Dims> {
    let (_, family, [h, i, l, heads, kv, d, v], tied) = KNOWN.iter().find(|known| known.0 == id)?;
    Some(Dims {
        family: *family,
        hidden_size: *h,
        intermediate_size: *i,
        num_hidden_layers: *l,
        num_attention_heads: *heads,
        num_key_value_heads: *kv,
        head_dim: *d,
        vocab_size: *v,
        tie_word_embeddings: *tied,
        attention_bias: false,
        mlp_bias: false,
    })
}

impl File {
    fn dims(self) -> Option<Dims> {
        let heads = self.num_attention_heads;
        Some(Dims {
            family: Family::of(self.model_type.as_deref().unwrap_or("qwen3"))?,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: self.num_key_value_heads.unwrap_or(heads),
            head_dim: self.head_dim.or(self.hidden_size.checked_div(heads))?,
            vocab_size: self.vocab_size,
            tie_word_embeddings: self.tie_word_embeddings,
            attention_bias: self.attention_bias,
            mlp_bias: self.mlp_bias,
        })
    }
}

impl Dims {
    /// Widths `[in, out]` of the linear layers of one block.
    fn linears(&self) -> [[u64; 2]; 7] {
        let (h, i) = (self.hidden_size, self.intermediate_size);
        let q = self.num_attention_heads * self.head_dim;
        let kv = self.num_key_value_heads * self.head_dim;
        [[h, q], [h, kv], [h, kv], [q, h], [h, i], [h, i], [i, h]]
    }

    /// Parameters of the whole model, norms and biases included.
    pub fn parameters(&self) -> u64 {
        let config = Qwen3Config {
            family: self.family,
            vocab_size: self.vocab_size as usize,
            hidden_size: self.hidden_size as usize,
            intermediate_size: self.intermediate_size as usize,
            num_hidden_layers: self.num_hidden_layers as usize,
            num_attention_heads: self.num_attention_heads as usize,
            num_key_value_heads: self.num_key_value_heads as usize,
            head_dim: self.head_dim as usize,
            tie_word_embeddings: self.tie_word_embeddings,
            attention_bias: self.attention_bias,
            mlp_bias: self.mlp_bias,
            ..Qwen3Config::default()
        };
        config.num_parameters() as u64
    }

    /// Parameters of LoRA adapters of this rank on every linear layer of every block.
    pub fn lora_parameters(&self, rank: u64) -> u64 {
        let widths: u64 = self.linears().iter().map(|[a, b]| a + b).sum();
        self.num_hidden_layers * rank * widths
    }

    /// Numbers that the KV cache keeps for one token.
    pub fn cache_numbers(&self) -> u64 {
        2 * self.num_hidden_layers * self.num_key_value_heads * self.head_dim
    }
}
