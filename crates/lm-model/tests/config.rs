//! `config.json` in its spellings, and what is refused.

mod common;

use common::parity;
use lm_model::{Error, Family, Llama3Scaling, Qwen3Config, RopeScaling, WeightDtype, Yarn};
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
fn a_padding_of_minus_one_is_none() {
    for (pad, expected) in [(json!(-1), None), (json!(null), None), (json!(7), Some(7))] {
        assert_eq!(with("pad_token_id", pad).unwrap().pad_token_id, expected);
    }
    assert!(with("pad_token_id", json!(-2)).is_err());
}

#[test]
fn unsupported_features_are_refused_by_name() {
    let cases = [
        (
            "rope_scaling",
            json!({"rope_type": "dynamic", "factor": 4.0}),
        ),
        ("rope_scaling", json!({"type": "longrope", "factor": 2.0})),
        (
            "rope_scaling",
            json!({"rope_type": "yarn", "factor": 2.0, "mscale": 0.7, "mscale_all_dim": 0.7}),
        ),
        (
            "rope_scaling",
            json!({"rope_type": "yarn", "factor": 2.0, "truncate": false}),
        ),
        (
            "rope_parameters",
            json!({"rope_type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5}),
        ),
        (
            "rope_parameters",
            json!({"rope_type": "proportional", "rope_theta": 1e6}),
        ),
        (
            "rope_scaling",
            json!({"rope_type": "llama3", "factor": 8.0, "partial_rotary_factor": 0.5}),
        ),
        ("use_sliding_window", json!(true)),
        ("layer_types", json!(["sliding_attention"])),
        ("num_experts", json!(128)),
        ("model_type", json!("qwen3_moe")),
        ("model_type", json!("mistral")),
        ("model_type", json!("internlm2")),
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
fn scaling_is_read_in_both_spellings_and_written_back() {
    let yarn = |original, attention_factor, beta_fast| {
        RopeScaling::Yarn(Yarn {
            factor: 4.0,
            original_max_position_embeddings: original,
            attention_factor,
            beta_fast,
            beta_slow: 1.0,
        })
    };
    let llama3 = |original| {
        RopeScaling::Llama3(Llama3Scaling {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: original,
        })
    };
    let linear = RopeScaling::Linear { factor: 2.0 };
    let cases = [
        (
            "rope_scaling",
            json!({"type": "linear", "factor": 2}),
            linear,
            40_960,
        ),
        (
            "rope_scaling",
            json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}),
            yarn(32_768, None, 32.0),
            131_072,
        ),
        (
            "rope_scaling",
            json!({"rope_type": "llama3", "factor": 8, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192}),
            llama3(8192),
            40_960,
        ),
        (
            "rope_parameters",
            json!({"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0}),
            llama3(40_960),
            40_960,
        ),
        (
            "rope_parameters",
            json!({"rope_type": "yarn", "rope_theta": 5e5, "factor": 4.0, "beta_fast": 16,
                "attention_factor": 1.5, "beta_slow": null}),
            yarn(40_960, Some(1.5), 16.0),
            163_840,
        ),
    ];
    for (field, value, expected, positions) in cases {
        let config = with(field, value).unwrap();
        assert_eq!(config.rope_scaling, Some(expected));
        assert_eq!(config.max_positions(), positions);
        let theta = if field == "rope_parameters" { 5e5 } else { 1e6 };
        assert_eq!(config.rope_theta, theta);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Qwen3Config>(&text).unwrap(), config);
    }
}

#[test]
fn meaningless_scaling_is_refused_by_name() {
    let cases = [
        (json!({"rope_type": "yarn"}), "factor"),
        (json!({"rope_type": "linear", "factor": "two"}), "factor"),
        (json!({"rope_type": "linear", "factor": 0.0}), "factor"),
        (
            json!({"rope_type": "yarn", "factor": 2.0, "beta_fast": -1}),
            "beta_fast",
        ),
        (
            json!({"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 1.5}),
            "original_max_position_embeddings",
        ),
        (
            json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0}),
            "high_freq_factor",
        ),
    ];
    let equal = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 2.0, "high_freq_factor": 2.0});
    let text = with("rope_scaling", equal).unwrap_err();
    assert!(text.contains("more than low_freq_factor"), "{text}");
    for (value, key) in cases {
        let text = with("rope_scaling", value).unwrap_err();
        assert!(text.contains("`rope_scaling` is"), "{text}");
        assert!(text.contains(&format!("as {key}")), "{text}");
    }
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

/// `config.json` as published, with what matters left out where the file leaves it out.
fn check_published(config: Value, family: Family, parameters: usize) -> Qwen3Config {
    let name = config["_name_or_path"].clone();
    let mut config: Qwen3Config = serde_json::from_value(config).unwrap();
    assert_eq!(config.family, family, "{name}");
    assert_eq!(config.num_parameters(), parameters, "{name}");
    let text = serde_json::to_string(&config).unwrap();
    let again: Qwen3Config = serde_json::from_str(&text).unwrap();
    assert_eq!(again, config, "{name}");
    // The layers are alike, and the test below lists the names of one.
    config.num_hidden_layers = 1;
    config
}

fn names(config: &Qwen3Config) -> Vec<String> {
    let specs = config.parameters().into_iter().map(|spec| spec.name);
    let short = |name: String| name.replace("model.layers.0.", "").replace(".weight", "");
    specs.map(short).collect()
}

#[test]
fn llama_2_and_3_have_neither_norms_of_heads_nor_biases() {
    let llama3 = json!({
        "_name_or_path": "Llama-3.1-8B", "architectures": ["LlamaForCausalLM"], "attention_bias": false,
        "attention_dropout": 0.0, "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009],
        "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
        "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32,
        "num_hidden_layers": 32, "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3"},
        "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 128256
    });
    let config = check_published(llama3, Family::Llama, 8_030_261_248);
    assert_eq!(config.head_dim, 128);
    assert_eq!(config.max_positions(), 131_072);
    assert_eq!(config.eos_token_id, [128_001, 128_008, 128_009]);
    // The file of Llama 2 names neither the base frequency nor, at its oldest, the key heads.
    let llama2 = json!({
        "_name_or_path": "Llama-2-7b", "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008,
        "max_position_embeddings": 4096, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32,
        "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null, "tie_word_embeddings": false,
        "torch_dtype": "float16", "use_cache": true, "vocab_size": 32000
    });
    let config = check_published(llama2, Family::Llama, 6_738_415_616);
    assert_eq!((config.rope_theta, config.num_key_value_heads), (1e4, 32));
    let expected = [
        "model.embed_tokens",
        "input_layernorm",
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "post_attention_layernorm",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
        "model.norm",
        "lm_head",
    ];
    assert_eq!(names(&config), expected);
}

#[test]
fn qwen2_has_three_biases_and_others_those_that_are_asked_for() {
    let qwen2 = json!({
        "_name_or_path": "Qwen2.5-0.5B", "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0,
        "bos_token_id": 151643, "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 896,
        "initializer_range": 0.02, "intermediate_size": 4864, "max_position_embeddings": 32768,
        "max_window_layers": 24, "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
        "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
        "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 151936
    });
    let config = check_published(qwen2.clone(), Family::Qwen2, 494_032_768);
    assert_eq!(config.head_dim, 64);
    let biases = |config: &Qwen3Config| -> Vec<String> {
        let all = names(config).into_iter();
        all.filter(|name| name.ends_with(".bias")).collect()
    };
    let qkv = [
        "self_attn.q_proj.bias",
        "self_attn.k_proj.bias",
        "self_attn.v_proj.bias",
    ];
    assert_eq!(biases(&config), qkv);
    // As in `transformers`, the key says nothing there.
    let mut said = qwen2.clone();
    said["attention_bias"] = json!(false);
    assert_eq!(biases(&serde_json::from_value(said).unwrap())[..3], qkv);
    let mut windows = qwen2;
    windows["use_sliding_window"] = json!(true);
    let error = serde_json::from_value::<Qwen3Config>(windows).unwrap_err();
    assert!(
        error.to_string().contains("`use_sliding_window`"),
        "{error}"
    );

    let mut config = with("attention_bias", json!(true)).unwrap();
    config.num_hidden_layers = 1;
    let found = biases(&config);
    assert_eq!(found[..3], qkv);
    assert_eq!(found[3..], ["self_attn.o_proj.bias"]);
    let text = with("mlp_bias", json!(true)).unwrap_err();
    assert!(text.contains("`mlp_bias` is true"), "{text}");
    config.family = Family::Llama;
    config.mlp_bias = true;
    assert_eq!(biases(&config).len(), 7);
}
