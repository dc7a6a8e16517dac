//! Damaged and hostile checkpoints: 2,700 of them, each an error or a model, none a panic, none much memory.
//!
//! The memory is counted by an allocator of this program's own, so the file has one test that loads.

#[path = "../common/mod.rs"]
mod common;
mod memory;
mod mutation;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use common::{Cpu, tiny};
use lm_model::checkpoint::{self, SaveDtype};
use lm_model::{ChatTokenizer, LoraConfig, Qwen3, Qwen3Config};
use mutation::Random;

/// Damaged checkpoints in all, about 300 for each file.
const CASES: u64 = 2_700;

/// Bytes that loading may take at most: four times the files, and this much.
const SLACK: usize = 64 << 20;

const FILES: [&str; 9] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "sharded/config.json",
    "sharded/model.safetensors.index.json",
];

fn whole(dir: &Path) {
    let device = Default::default();
    let model = tiny(true).init::<Cpu>(&device, 1);
    checkpoint::save(&model, &tiny(true), dir, SaveDtype::Bf16).unwrap();
    checkpoint::save_sharded(
        &model,
        &tiny(true),
        &dir.join("sharded"),
        SaveDtype::F32,
        20_000,
    )
    .unwrap();
    let lora = LoraConfig {
        rank: 2,
        base_model: Some("..".into()),
        ..LoraConfig::default()
    };
    let adapted = model.with_lora(&lora, 1).unwrap();
    checkpoint::save_adapter(&adapted, &dir.join("adapter")).unwrap();
    let texts = ["Ann sings in Brel.", "Bo sleeps in Brel, and Ann sings."];
    let tokenizer = ChatTokenizer::train_bpe(texts, 300).unwrap();
    tokenizer.save(dir).unwrap();
    fs::write(
        dir.join("generation_config.json"),
        r#"{"eos_token_id": [1, 2]}"#,
    )
    .unwrap();
}

/// Reads everything; gives how many of the four readings succeeded.
fn load(dir: &Path) -> usize {
    let device = Default::default();
    let base: Result<Qwen3<Cpu>, _> = checkpoint::load(dir, &device);
    let is_base = base.is_ok();
    let adapted = base.and_then(|base| checkpoint::load_adapter(base, &dir.join("adapter")));
    let sharded: Result<Qwen3<Cpu>, _> = checkpoint::load(&dir.join("sharded"), &device);
    let tokenizer = ChatTokenizer::load(dir).map(|tokenizer| {
        let text = "Ann\u{e9} \u{1f600} <|im_end|>";
        tokenizer.decode(&tokenizer.encode_text(text).unwrap_or_default())
    });
    let outcomes = [is_base, adapted.is_ok(), sharded.is_ok(), tokenizer.is_ok()];
    outcomes.iter().filter(|is_ok| **is_ok).count()
}

#[test]
fn damage_is_an_error_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    whole(dir.path());
    assert_eq!(load(dir.path()), 4);
    let originals = FILES.map(|file| fs::read(dir.path().join(file)).unwrap());
    let size: usize = originals.iter().map(Vec::len).sum();
    let mut outcomes = [0; 5];
    for case in 0..CASES {
        let mut random = Random::new(case);
        let number = random.below(FILES.len());
        let path = dir.path().join(FILES[number]);
        let damaged = random.damaged(&originals[number]);
        fs::write(&path, &damaged).unwrap();
        memory::begin();
        let loaded = catch_unwind(AssertUnwindSafe(|| load(dir.path())));
        let taken = memory::most_taken();
        let what = format!("case {case}: {}", FILES[number]);
        let loaded = loaded.unwrap_or_else(|_| panic!("{what}: a panic"));
        let allowed = 4 * (size + damaged.len()) + SLACK;
        assert!(taken <= allowed, "{what}: {taken} bytes, {allowed} allowed");
        outcomes[loaded] += 1;
        fs::write(&path, &originals[number]).unwrap();
    }
    println!("readings that succeeded, from none to four: {outcomes:?}");
    assert_eq!(load(dir.path()), 4);
    hostile_sizes(dir.path());
}

/// What an adversary writes and a fuzzer seldom finds.
fn hostile_sizes(dir: &Path) {
    let config = fs::read_to_string(dir.join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    for key in [
        "num_hidden_layers",
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "max_position_embeddings",
    ] {
        for value in [1_u64 << 13, 1 << 31, 1 << 53, u64::MAX] {
            let mut config = config.clone();
            config[key] = value.into();
            fs::write(dir.join("config.json"), config.to_string()).unwrap();
            memory::begin();
            let loaded: Result<Qwen3<Cpu>, _> = checkpoint::load(dir, &Default::default());
            let is_harmless = key == "max_position_embeddings" && value < 1 << 30;
            assert_eq!(loaded.is_ok(), is_harmless, "{key} {value}");
            assert!(memory::most_taken() <= SLACK, "{key} {value}");
        }
    }
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let mut lora: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("adapter/adapter_config.json")).unwrap())
            .unwrap();
    for rank in [1_u64 << 16, 1 << 40, u64::MAX] {
        lora["r"] = rank.into();
        fs::write(dir.join("adapter/adapter_config.json"), lora.to_string()).unwrap();
        memory::begin();
        assert_eq!(load(dir), 3, "rank {rank}");
        assert!(memory::most_taken() <= SLACK, "rank {rank}");
    }
    assert!(Qwen3Config::load(dir).is_ok());
}
