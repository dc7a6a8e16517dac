//! `config.json` in its spellings, and what is refused.

mod common;

use common::parity;
use lm_model::{Error, Qwen3Config, WeightDtype};
use serde_json::{Value, json};

/// Qwen3-0.6B as version 4 of `transformers` writes it.
fn published() -> Value {
    json!({
        "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
        "hidden_size": 1024, "initializer_range": 0.02, "intermediate_size": 3072,
        "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3",
        "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
        "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000,
        "sliding_window": null, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
        "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
        "vocab_size": 151936
    })
}

fn with(field: &str, value: Value) -> Result<Qwen3Config, String> {
    let mut config = published();
    config[field] = value;
    serde_json::from_value(config).map_err(|error| error.to_string())
}

#[test]
fn the_published_configuration_is_the_default() {
    let config: Qwen3Config = serde_json::from_value(published()).unwrap();
    let dtype = Some(WeightDtype::Bfloat16);
    assert_eq!(
        config,
        Qwen3Config {
            dtype,
            ..Qwen3Config::default()
        }
    );
}

#[test]
fn the_spelling_of_version_5_is_read() {
    let config = Qwen3Config::load(&parity("qwen3-tied-bf16-sharded")).unwrap();
    assert_eq!((config.rope_theta, config.head_dim), (1e6, 24));
    assert_eq!(config.dtype, Some(WeightDtype::Bfloat16));
    assert_eq!(
        (config.bos_token_id, config.eos_token_id),
        (vec![0], vec![2])
    );
}

#[test]
fn what_is_written_is_read_back() {
    let many = Qwen3Config {
        eos_token_id: vec![151_645, 151_643],
        bos_token_id: vec![],
        pad_token_id: Some(3),
        dtype: Some(WeightDtype::Float16),
        ..Qwen3Config::default()
    };
    let text = serde_json::to_string(&many).unwrap();
    assert_eq!(serde_json::from_str::<Qwen3Config>(&text).unwrap(), many);
}

#[test]
fn token_ids_may_be_absent_one_or_many() {
    assert!(
        with("eos_token_id", json!(null))
            .unwrap()
            .eos_token_id
            .is_empty()
    );
    assert_eq!(with("eos_token_id", json!(7)).unwrap().eos_token_id, [7]);
    assert_eq!(
        with("eos_token_id", json!([7, 8])).unwrap().eos_token_id,
        [7, 8]
    );
}

#[test]
fn unsupported_features_are_refused_by_name() {
    let cases = [
        ("rope_scaling", json!({"rope_type": "yarn", "factor": 4.0})),
        ("rope_scaling", json!({"type": "linear", "factor": 2.0})),
        (
            "rope_parameters",
            json!({"rope_type": "llama3", "rope_theta": 1e6}),
        ),
        ("use_sliding_window", json!(true)),
        ("layer_types", json!(["sliding_attention"])),
        ("num_experts", json!(128)),
        ("model_type", json!("qwen3_moe")),
        ("model_type", json!("llama")),
        ("attention_bias", json!(true)),
        ("attention_dropout", json!(0.1)),
        ("hidden_act", json!("gelu")),
        ("torch_dtype", json!("float8_e4m3fn")),
        ("dtype", json!("int8")),
        ("quantization_config", json!({"quant_method": "awq"})),
    ];
    for (field, value) in cases {
        let text = with(field, value.clone()).unwrap_err();
        // Of a list, the offending element is named.
        let found = value.get(0).unwrap_or(&value);
        assert!(
            text.contains(&format!("`{field}` is {found}, but only")),
            "{field}: {text}"
        );
    }
    assert!(
        with("sliding_window", json!(4096)).is_ok(),
        "a width that is not used is harmless"
    );
    assert!(with("rope_scaling", json!({"rope_type": "default"})).is_ok());
}

#[test]
fn impossible_sizes_are_refused_by_name() {
    let cases = [
        ("num_hidden_layers", json!(0)),
        ("num_key_value_heads", json!(3)),
        ("head_dim", json!(127)),
        ("rope_theta", json!(0.0)),
        ("rms_norm_eps", json!(-1e-6)),
        ("initializer_range", json!(-0.02)),
    ];
    for (field, value) in cases {
        let text = with(field, value).unwrap_err();
        assert!(text.contains(&format!("`{field}`")), "{field}: {text}");
    }
    let text = with("rope_theta", json!(null)).unwrap_err();
    assert!(text.contains("`rope_theta` is absent"), "{text}");
}

#[test]
fn errors_of_a_file_name_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    let mut config = published();
    config["hidden_act"] = json!("relu");
    std::fs::write(&path, config.to_string()).unwrap();
    let error = Qwen3Config::load(dir.path()).unwrap_err();
    assert!(matches!(&error, Error::Config { .. }));
    assert!(
        error.to_string().starts_with(&path.display().to_string()),
        "{error}"
    );
    std::fs::write(&path, "{").unwrap();
    let error = Qwen3Config::load(dir.path()).unwrap_err();
    assert!(matches!(&error, Error::Json { .. }), "{error}");
}
