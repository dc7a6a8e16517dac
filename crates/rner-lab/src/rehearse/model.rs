//! A base model of a real shape with random weights.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::backend::Flex;
use lm_model::{Precision, Qwen3Config, checkpoint};
use rner_cli::exit::usage;

/// Files of the toy's tokenizer that say how a conversation is written, which is Qwen3's own way.
const CHAT: &str = "fixtures/tiny-base/tokenizer_config.json";

/// Writes a model with the widths of Qwen3-0.6B, so many of its 28 layers, and the tokenizer of `tokenizer`.
///
/// # Errors
/// A tokenizer that is not there, a folder that cannot be written.
pub(super) fn random(layers: usize, tokenizer: &Path, dir: &Path) -> Result<PathBuf> {
    let source = tokenizer.join("tokenizer.json");
    if !source.is_file() {
        let source = source.display();
        return Err(usage(format!(
            "--tokenizer: there is no {source}; take the file of Qwen/Qwen3-0.6B-Base"
        )));
    }
    // https://huggingface.co/Qwen/Qwen3-0.6B-Base/blob/main/config.json, but for the layers.
    let config = Qwen3Config {
        vocab_size: 151_936,
        hidden_size: 1024,
        intermediate_size: 3072,
        num_hidden_layers: layers,
        num_attention_heads: 16,
        num_key_value_heads: 8,
        head_dim: 128,
        tie_word_embeddings: true,
        max_position_embeddings: 32_768,
        eos_token_id: vec![151_645, 151_643],
        ..Qwen3Config::default()
    };
    let model = config
        .init::<Flex>(&Default::default(), 42)
        .in_precision(Precision::Bf16);
    checkpoint::save(&model, &config, dir, model.precision().into())?;
    for (from, name) in [
        (source.as_path(), "tokenizer.json"),
        (Path::new(CHAT), "tokenizer_config.json"),
    ] {
        std::fs::copy(from, dir.join(name))
            .with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(dir.to_owned())
}
