//! Fine-tuning, GRPO and extraction with a Llama 3, a Qwen2 and a Llama 2: the stages know no family.

use std::path::Path;

use lm_model::{ChatTokenizer, Family, Qwen3Config};
use serde_json::{Value, json};

use super::support::{TestResult, root, succeeds, text, write};

const SENTENCE: &str = "Mira Dolan saw Port Halvek.";

/// Seeded values between -0.3 and 0.3, gains of 1.
fn values(name: &str, count: usize) -> Vec<f32> {
    if name.contains("norm") {
        return vec![1.0; count];
    }
    let mut state = name.bytes().fold(7_u32, |state, byte| {
        state.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 24) as f32 - 0.5) * 0.6
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// The weights of a configuration as a safetensors file.
fn weights(config: &Qwen3Config) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for spec in config.parameters() {
        let start = data.len();
        let count = spec.shape.iter().product();
        data.extend(
            values(&spec.name, count)
                .into_iter()
                .flat_map(f32::to_le_bytes),
        );
        let entry =
            json!({"dtype": "F32", "shape": spec.shape, "data_offsets": [start, data.len()]});
        header.insert(spec.name, entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], &header, &data].concat()
}

/// A small random model of a family with one of the tokenizers of the reference values.
fn model(family: Family, tokenizer: &str, dir: &Path) -> TestResult {
    let from = root().join("fixtures/parity").join(tokenizer);
    let tokenizer = ChatTokenizer::load(&from)?;
    let config = Qwen3Config {
        family,
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 48,
        intermediate_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 16,
        rope_theta: 1e4,
        eos_token_id: tokenizer.stop_ids(),
        tie_word_embeddings: family == Family::Qwen2,
        max_position_embeddings: 1024,
        ..Qwen3Config::default()
    };
    for file in [
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
    ] {
        write(&dir.join(file), std::fs::read(from.join(file))?)?;
    }
    write(&dir.join("config.json"), serde_json::to_string(&config)?)?;
    write(&dir.join("model.safetensors"), weights(&config))
}

fn example() -> String {
    let value = json!({
        "guid": "train-0", "dataset": "test", "sentence": SENTENCE, "schema": ["person", "city"],
        "cot": "Two names.",
        "entities": [{"text": "Mira Dolan", "label": "person"}, {"text": "Port Halvek", "label": "city"}],
    });
    value.to_string() + "\n"
}

/// One example learnt by heart, then a step of GRPO on an adapter: what is extracted is the example's answer, so the
/// prompt, the gradients, the files and the tokens that end an answer fit together.
fn check(family: Family, tokenizer: &str) -> TestResult {
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    let (base, data, sft, grpo) = (at("base"), at("data.jsonl"), at("sft"), at("grpo"));
    model(family, tokenizer, &base)?;
    write(&data, example())?;
    let sets = |sets: &[&'static str]| -> Vec<&str> {
        sets.iter().flat_map(|set| ["--set", *set]).collect()
    };
    let first = ["sft", "--profile", "smoke", "--model", text(&base)];
    let files = ["--data", text(&data), "--out", text(&sft)];
    let trained = sets(&[
        "sft.train.epochs=60",
        "sft.train.max_steps=60",
        "sft.train.batch_size=1",
        "sft.train.optim.lr=0.01",
        "sft.train.optim.freeze_embeddings=false",
    ]);
    succeeds(&[&first[..], &files, &trained].concat())?;
    let tuned = sft.join("model");
    let config: Value = serde_json::from_slice(&std::fs::read(tuned.join("config.json"))?)?;
    assert_eq!(config["model_type"], family.model_type());

    let first = ["grpo", "--profile", "smoke", "--model", text(&tuned)];
    let files = ["--data", text(&data), "--out", text(&grpo)];
    let trained = sets(&[
        "grpo.method=lora",
        "grpo.train.group_size=4",
        "grpo.train.prompts_per_step=1",
        "grpo.train.optim.lr=1e-5",
    ]);
    succeeds(&[&first[..], &files, &trained].concat())?;
    assert!(grpo.join("adapter/adapter_model.safetensors").exists());

    for model in [tuned, grpo.join("model"), grpo.join("adapter")] {
        let asked = [
            "--types",
            "person,city",
            "--max-new-tokens",
            "120",
            "--raw",
            SENTENCE,
        ];
        let said = succeeds(&[&["extract", "--model", text(&model)], &asked[..]].concat())?;
        let answer = "<think>\nTwo names.\n</think>\n{\n  \"entities\": {\n    \"person\": [\n      \"Mira Dolan\"\n";
        assert!(said.trim_start().starts_with(answer), "{family:?}: {said}");
        assert!(said.trim_end().ends_with('}'), "{family:?}: {said}");
    }
    Ok(())
}

#[test]
fn llama_3_learns_and_answers() -> TestResult {
    check(Family::Llama, "llama3-tokenizer")
}

#[test]
fn qwen2_learns_and_answers() -> TestResult {
    check(Family::Qwen2, "qwen2-tokenizer")
}

#[test]
fn llama_2_learns_and_answers() -> TestResult {
    check(Family::Llama, "llama2-tokenizer")
}
