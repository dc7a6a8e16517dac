//! Adapters as people have them: every way in which PEFT chooses modules, ranks and first values is computed as PEFT
//! computes it, or refused by name. The reference values are by `scripts/reference_adapters.py`.

mod common;

use std::path::{Path, PathBuf};

use common::{Cpu, distance, parity, tensors, values};
use lm_model::checkpoint::{self, is_adapter};
use lm_model::{Error, Qwen3};
use serde_json::{Map, Value, json};

fn fixtures(name: &str) -> PathBuf {
    parity("..").join(name)
}

fn base(name: &str) -> Qwen3<Cpu> {
    checkpoint::load(&parity(name), &Default::default()).unwrap()
}

/// The largest difference to the logits of PEFT, of the adapter, of its merged model and of what is saved and read.
fn distance_to_peft(dir: &Path) -> f32 {
    let all = tensors(&dir.join("logits.safetensors"));
    let ids: Vec<u32> = all["input_ids"].1.iter().map(|&id| id as u32).collect();
    let base = base("llama3-untied-f32");
    let model = checkpoint::load_adapter(base.clone(), dir).unwrap();
    let copy = tempfile::tempdir().unwrap();
    checkpoint::save_adapter(&model, copy.path()).unwrap();
    let again = checkpoint::load_adapter(base, copy.path()).unwrap();
    assert_eq!(again.lora(), model.lora());
    let distances = [model.merged(), again, model].map(|model| {
        let found = values(model.logits(&model.pack(&[&ids])));
        distance(&found, &all["logits"].1)
    });
    distances.into_iter().fold(0.0, f32::max)
}

#[test]
fn what_peft_chooses_is_chosen() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(fixtures("adapters")).unwrap() {
        let dir = entry.unwrap().path();
        if is_adapter(&dir) {
            let worst = distance_to_peft(&dir);
            println!("{}: largest difference {worst:e}", dir.display());
            assert!(worst <= 1e-4, "{}: {worst}", dir.display());
            names.push(dir);
        }
    }
    assert_eq!(names.len(), 14);
}

/// The case of this name with other keys in its configuration.
fn loaded(case: &str, edit: &[(&str, Value)]) -> Result<Qwen3<Cpu>, Error> {
    let from = fixtures("cases").join(case);
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(
        from.join("adapter_model.safetensors"),
        dir.path().join("adapter_model.safetensors"),
    )
    .unwrap();
    let text = std::fs::read(from.join("adapter_config.json")).unwrap();
    let mut config: Map<String, Value> = serde_json::from_slice(&text).unwrap();
    config.extend(
        edit.iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone())),
    );
    let text = Value::Object(config).to_string();
    std::fs::write(dir.path().join("adapter_config.json"), text).unwrap();
    checkpoint::load_adapter(base("qwen3-untied-f32"), dir.path())
}

fn refused(case: &str, edit: &[(&str, Value)], words: &[&str]) {
    let message = loaded(case, edit).unwrap_err().to_string();
    for word in words {
        assert!(
            message.contains(word),
            "{edit:?}: {word:?} not in: {message}"
        );
    }
}

#[test]
fn adapters_on_a_changed_base_are_refused_with_the_remedy() {
    let init = |name: &str| [("init_lora_weights", json!(name))];
    let convert = "path_initial_model_for_weight_conversion";
    refused(
        "adapter-pissa",
        &[],
        &["`init_lora_weights` is \"pissa\"", convert],
    );
    for name in [
        "PiSSA",
        "pissa_niter_16",
        "olora",
        "OLoRA",
        "corda",
        "lora_ga",
    ] {
        refused("adapter-plain", &init(name), &[name, convert]);
    }
    refused(
        "adapter-plain",
        &init("loftq"),
        &["\"loftq\"", "quantized", "merge_and_unload"],
    );
    refused(
        "adapter-plain",
        &init("something_new"),
        &["something_new", "not known"],
    );
    refused(
        "adapter-plain",
        &[("kasa_config", json!({"beta": 0.1}))],
        &["`kasa_config`", "singular values", "merge_and_unload"],
    );
}

#[test]
fn first_values_and_options_that_change_nothing_are_read() {
    let plain = loaded("adapter-plain", &[]).unwrap();
    let ids: [&[u32]; 1] = [&[3, 14, 15, 92, 65]];
    let expected = values(plain.logits(&plain.pack(&ids)));
    for edit in [
        ("init_lora_weights", json!(false)),
        ("init_lora_weights", Value::Null),
        ("init_lora_weights", json!("Gaussian")),
        ("init_lora_weights", json!("eva")),
        ("eva_config", json!({"rho": 2.0})),
        ("loftq_config", json!({"loftq_bits": 4})),
        ("fan_in_fan_out", json!(true)),
        ("lorap_emb_lr", json!(1e-6)),
        ("target_modules", json!("all-linear")),
        ("target_modules", json!(r".*_proj")),
        // As Unsloth writes it.
        (
            "target_modules",
            json!(
                r"(?:.*?(?:language|text).*?(?:self_attn|mlp).*?(?:k_proj|v_proj|q_proj|o_proj).*?)|(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|attention|mlp)\.(?:(?:k_proj|v_proj|q_proj|o_proj|gate_proj|up_proj|down_proj)))"
            ),
        ),
        // As Axolotl's documentation has it.
        (
            "rank_pattern",
            json!({r".*\.layers\.1\..*(q_proj|k_proj|v_proj|o_proj)$": 4}),
        ),
        ("exclude_modules", json!(["lm_head"])),
        ("rank_pattern", json!({"q_proj": 4})),
        ("alpha_pattern", json!({"lm_head": 3, "mlp": 5})),
        ("layers_to_transform", json!([0, 1])),
    ] {
        let model = loaded("adapter-plain", std::slice::from_ref(&edit)).unwrap();
        assert_eq!(
            values(model.logits(&model.pack(&ids))),
            expected,
            "{edit:?}"
        );
    }
}

#[test]
fn what_changes_the_function_and_is_not_built_is_refused_by_name() {
    for (key, value, word) in [
        ("use_dora", json!(true), "magnitudes"),
        ("bias", json!("lora_only"), "biases"),
        ("lora_bias", json!(true), "bias"),
        ("modules_to_save", json!(["lm_head"]), "trained as a whole"),
        ("trainable_token_indices", json!([3]), "embeddings"),
        ("layer_replication", json!([[0, 2], [1, 2]]), "replicated"),
        ("alora_invocation_tokens", json!([1, 2]), "aLoRA"),
        ("use_qalora", json!(true), "merge"),
        ("velora_config", json!({"num_groups": 4}), "merge"),
        ("use_bdlora", json!({"nblocks": 2}), "merge"),
        ("arrow_config", json!({"top_k": 3}), "merge"),
        ("monteclora_config", json!({"num_samples": 8}), "merge"),
        (
            "target_parameters",
            json!(["mlp.experts.down_proj"]),
            "merge",
        ),
        ("megatron_config", json!({"hidden_size": 64}), "merge"),
        ("peft_type", json!("ADALORA"), "\"LORA\""),
        ("something_new", json!(3), "not known"),
        ("target_modules", json!(["q_proj", "lm_head"]), "lm_head"),
        ("target_modules", Value::Null, "null"),
        (
            "target_modules",
            json!("(?!.*k_proj).*_proj"),
            "look-around",
        ),
        (
            "target_modules",
            json!("vision.*"),
            "this model's projections",
        ),
        ("rank_pattern", json!({"q_proj": 0}), "a whole one"),
        ("rank_pattern", json!({"q_proj": 2.5}), "a whole one"),
        (
            "alpha_pattern",
            json!({".*_proj": 2, "q_proj": 3}),
            "two numbers",
        ),
        ("layers_to_transform", json!("all"), "number of a layer"),
        ("use_rslora", json!("yes"), "true or false"),
        ("lora_alpha", Value::Null, "a number"),
    ] {
        let key_in_words = format!("`{key}`");
        refused("adapter-plain", &[(key, value)], &[&key_in_words, word]);
    }
}

/// PEFT warns and computes without the matrices; the answers are then those of the base.
#[test]
fn matrices_under_another_prefix_are_counted_and_shown() {
    refused(
        "adapter-wrong-prefix",
        &[],
        &[
            "28 of the model's tensors are missing",
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
            "and 23 more",
            "the file has base_model.model.model.language_model.layers.0.mlp.down_proj.lora_A.weight, \
             base_model.model.model.language_model.layers.0.mlp.down_proj.lora_B.weight and 26 more instead",
        ],
    );
}

#[test]
fn missing_and_surplus_matrices_are_counted() {
    // The file has the matrices of seven projections in two layers.
    let only = |names: Value| [("target_modules", names)];
    refused(
        "adapter-plain",
        &only(json!([
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj"
        ])),
        &["4 tensors do not belong to this model", "down_proj.lora_A"],
    );
    refused(
        "adapter-plain",
        &[("layers_to_transform", json!(1))],
        &["14 tensors do not belong to this model"],
    );
    refused(
        "adapter-plain",
        &[("rank_pattern", json!({"layers.1.mlp.up_proj": 8}))],
        &["layers.1.mlp.up_proj.lora_A", "[8, 64]", "[4, 64]"],
    );
}

#[test]
fn an_archive_of_torch_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let from = fixtures("cases/adapter-plain/adapter_config.json");
    std::fs::copy(from, dir.path().join("adapter_config.json")).unwrap();
    std::fs::write(dir.path().join("adapter_model.bin"), b"PK\x03\x04").unwrap();
    let message = checkpoint::load_adapter(base("qwen3-untied-f32"), dir.path());
    let message = message.unwrap_err().to_string();
    assert!(
        message.contains("adapter_model.bin") && message.contains("save it again"),
        "{message}"
    );
}
