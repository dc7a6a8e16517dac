//! The dimensions of a Qwen3 model and its number of parameters.

use serde::Deserialize;
use std::path::Path;

/// What determines a Qwen3's size; names as in Hugging Face's `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Dims {
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
    #[serde(default)]
    pub tie_word_embeddings: bool,
}

/// Hub ids of the base models and `[H, I, L, query heads]`; the rest is common to all.
const KNOWN: [(&str, [u64; 4]); 4] = [
    ("Qwen/Qwen3-0.6B-Base", [1024, 3072, 28, 16]),
    ("Qwen/Qwen3-1.7B-Base", [2048, 6144, 28, 16]),
    ("Qwen/Qwen3-4B-Base", [2560, 9728, 36, 32]),
    ("Qwen/Qwen3-8B-Base", [4096, 12288, 36, 32]),
];

/// The dimensions of a known hub id, or those of the checkpoint in a directory.
///
/// None if the id is not known and there is no readable `config.json`.
pub fn dims_of(base: &str) -> Option<Dims> {
    known(base).or_else(|| {
        let text = std::fs::read_to_string(Path::new(base).join("config.json")).ok()?;
        serde_json::from_str(&text).ok()
    })
}

fn known(id: &str) -> Option<Dims> {
    let (_, [h, i, l, heads]) = KNOWN.iter().find(|(name, _)| *name == id)?;
    Some(Dims {
        hidden_size: *h,
        intermediate_size: *i,
        num_hidden_layers: *l,
        num_attention_heads: *heads,
        num_key_value_heads: 8,
        head_dim: 128,
        vocab_size: 151_936,
        // Only the small models share the embedding with the head.
        tie_word_embeddings: *h < 4096,
    })
}

impl Dims {
    /// Widths `[in, out]` of the linear layers of one block.
    fn linears(&self) -> [[u64; 2]; 7] {
        let (h, i) = (self.hidden_size, self.intermediate_size);
        let q = self.num_attention_heads * self.head_dim;
        let kv = self.num_key_value_heads * self.head_dim;
        [[h, q], [h, kv], [h, kv], [q, h], [h, i], [h, i], [i, h]]
    }

    /// Parameters of the whole model, norms included.
    pub fn parameters(&self) -> u64 {
        let linears: u64 = self.linears().iter().map(|[a, b]| a * b).sum();
        // Two norms of the residual stream, one of the queries and one of the keys.
        let block = linears + 2 * self.hidden_size + 2 * self.head_dim;
        let tables = if self.tie_word_embeddings { 1 } else { 2 };
        tables * self.vocab_size * self.hidden_size
            + self.num_hidden_layers * block
            + self.hidden_size
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
