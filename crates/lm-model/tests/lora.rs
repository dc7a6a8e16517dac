//! Adapters against PEFT, and what a user does with them: save, load, merge, take off.

mod common;

use std::path::PathBuf;

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::backend::AutodiffBackend;
use common::{Cpu, distance, parity, tensors, tiny, values};
use lm_kernels::LmOps;
use lm_model::checkpoint::{self, SaveDtype};
use lm_model::{Error, LoraConfig, Qwen3, TARGET_MODULES};

type Grad = Autodiff<Cpu>;

/// The reference batch: ids, labels, and the logits of every real token.
struct Reference {
    sequences: Vec<Vec<u32>>,
    labels: Vec<Vec<i64>>,
    logits: Vec<f32>,
}

fn reference() -> Reference {
    let all = tensors(&parity("lora-adapter").join("forward.safetensors"));
    let (shape, mask) = &all["attention_mask"];
    let (columns, width) = (shape[1], all["logits"].0[2]);
    let mut found = Reference {
        sequences: Vec::new(),
        labels: Vec::new(),
        logits: Vec::new(),
    };
    for row in 0..shape[0] {
        let real = (row * columns..(row + 1) * columns).filter(|&cell| mask[cell] != 0.0);
        let cells: Vec<usize> = real.collect();
        let pick = |name: &str| {
            cells
                .iter()
                .map(|&cell| all[name].1[cell])
                .collect::<Vec<_>>()
        };
        let whole = |values: Vec<f32>| values.into_iter().map(|value| value as i64);
        found
            .sequences
            .push(whole(pick("input_ids")).map(|id| id as u32).collect());
        found.labels.push(whole(pick("labels")).collect());
        for cell in cells {
            found
                .logits
                .extend(&all["logits"].1[cell * width..][..width]);
        }
    }
    found
}

fn adapted<B: LmOps>() -> Qwen3<B> {
    let base = checkpoint::load(&parity("qwen3-untied-f32"), &B::Device::default()).unwrap();
    checkpoint::load_adapter(base, &parity("lora-adapter")).unwrap()
}

fn logits<B: LmOps>(model: &Qwen3<B>, sequences: &[Vec<u32>]) -> Vec<f32> {
    let sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    values(model.logits(&model.pack(&sequences)))
}

#[test]
fn adapter_logits_and_merged_logits_are_those_of_peft() {
    let reference = reference();
    let model = adapted::<Cpu>();
    let merged_by_peft = checkpoint::load(&parity("lora-merged"), &Default::default()).unwrap();
    for (what, model) in [
        ("adapter", model.clone()),
        ("merged here", model.merged()),
        ("merged by PEFT", merged_by_peft),
    ] {
        let worst = distance(&logits(&model, &reference.sequences), &reference.logits);
        println!("{what}: largest difference {worst:e}");
        assert!(worst <= 1e-4, "{what}: {worst}");
    }
}

/// Gradients by the names of PEFT.
struct Gradients<'a, B: AutodiffBackend> {
    all: &'a B::Gradients,
    path: Vec<String>,
    found: Vec<(String, Vec<f32>)>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Gradients<'_, B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = param.val().grad(self.all) {
            let path = self.path.join(".").replace(".adapter.lora_a", ".lora_A");
            let path = path.replace(".adapter.lora_b", ".lora_B");
            self.found
                .push((format!("base_model.model.{path}.weight"), values(gradient)));
        }
    }
}

#[test]
fn loss_and_gradients_are_those_of_peft_and_the_base_has_none() {
    let reference = reference();
    let model = adapted::<Grad>();
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    let mut start = 0;
    for (ids, labels) in reference.sequences.iter().zip(&reference.labels) {
        for next in (1..ids.len()).filter(|&next| labels[next] != -100) {
            rows.push(start + next as i64 - 1);
            targets.push(i64::from(ids[next]));
        }
        start += ids.len() as i64;
    }
    let ids = |ids: Vec<i64>| {
        Tensor::from_data(
            TensorData::new(ids.clone(), [ids.len()]),
            &Default::default(),
        )
    };
    let sequences: Vec<&[u32]> = reference.sequences.iter().map(Vec::as_slice).collect();
    let batch = model.pack(&sequences);
    let loss = model
        .log_probs(&batch, ids(rows), ids(targets), 1.0)
        .log_probs
        .mean()
        .neg();
    let expected = std::fs::read(parity("lora-adapter").join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    let found = f64::from(values(loss.clone().inner())[0]);
    assert!(
        (found - expected["loss"].as_f64().unwrap()).abs() <= 1e-4,
        "{found}"
    );

    let mut visitor = Gradients::<Grad> {
        all: &loss.backward(),
        path: Vec::new(),
        found: Vec::new(),
    };
    model.visit(&mut visitor);
    let expected = tensors(&parity("lora-adapter").join("gradients.safetensors"));
    assert_eq!(visitor.found.len(), expected.len());
    for (name, found) in visitor.found {
        let (_, expected) = &expected[&name];
        let largest = expected
            .iter()
            .fold(0f32, |most, value| most.max(value.abs()));
        let worst = distance(&found, expected);
        assert!(worst <= 1e-3 * largest, "{name}: {worst} of {largest}");
    }
}

fn sequences() -> Vec<Vec<u32>> {
    vec![vec![3, 14, 15, 92, 65], vec![35, 89, 79]]
}

fn small() -> (Qwen3<Cpu>, LoraConfig) {
    let config = LoraConfig {
        rank: 3,
        alpha: 6.0,
        target_modules: vec!["q_proj".into(), "down_proj".into()],
        ..LoraConfig::default()
    };
    (tiny(true).init::<Cpu>(&Default::default(), 1), config)
}

#[test]
fn a_fresh_adapter_changes_nothing_and_comes_off_without_a_trace() {
    let (base, config) = small();
    let before = logits(&base, &sequences());
    let model = base.with_lora(&config, 5).unwrap();
    assert_eq!(logits(&model, &sequences()), before);
    assert_eq!(logits(&model.without_adapter(), &sequences()), before);

    let reference = reference();
    let plain = checkpoint::load::<Cpu>(&parity("qwen3-untied-f32"), &Default::default()).unwrap();
    let expected = logits(&plain, &reference.sequences);
    let model = adapted::<Grad>().valid();
    assert_ne!(logits(&model, &reference.sequences), expected);
    assert_eq!(
        logits(&model.without_adapter(), &reference.sequences),
        expected
    );
}

#[test]
fn saved_adapters_are_read_back_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let model = adapted::<Cpu>();
    checkpoint::save_adapter(&model, dir.path()).unwrap();
    assert!(checkpoint::is_adapter(dir.path()));
    assert_eq!(
        checkpoint::adapter_base(dir.path()).unwrap(),
        "../qwen3-untied-f32"
    );
    let again = checkpoint::load_adapter(model.without_adapter(), dir.path()).unwrap();
    assert_eq!(again.lora(), model.lora());
    let reference = reference();
    assert_eq!(
        logits(&again, &reference.sequences),
        logits(&model, &reference.sequences)
    );
    let written = tensors(&dir.path().join("adapter_model.safetensors"));
    let original = tensors(&parity("lora-adapter").join("adapter_model.safetensors"));
    assert_eq!(written, original);
}

#[test]
fn a_model_with_an_adapter_is_not_saved_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (base, config) = small();
    let model = base.with_lora(&config, 1).unwrap();
    let saved = checkpoint::save(&model, model.config(), dir.path(), SaveDtype::F32);
    assert!(matches!(saved, Err(Error::HasAdapter { .. })), "{saved:?}");
    let merged = model.merged();
    checkpoint::save(&merged, merged.config(), dir.path(), SaveDtype::F32).unwrap();
    let none = checkpoint::save_adapter(&merged, dir.path());
    assert!(matches!(none, Err(Error::NoAdapter { .. })), "{none:?}");
}

#[test]
fn the_adapter_alone_is_trainable_until_it_is_merged() {
    let device = Default::default();
    let model = tiny(true).init::<Grad>(&device, 1);
    let all = model.config().num_parameters();
    assert_eq!(model.num_trainable(), all);
    let config = LoraConfig {
        rank: 2,
        target_modules: vec!["q_proj".into()],
        ..LoraConfig::default()
    };
    let model = model.with_lora(&config, 1).unwrap();
    // Two layers; q_proj is [4 · 12, 32].
    assert_eq!(model.num_trainable(), 2 * 2 * (48 + 32));
    assert_eq!(model.without_adapter().num_trainable(), 0);
    assert_eq!(model.merged().num_trainable(), all);
    let table = model.config().vocab_size * model.config().hidden_size;
    assert_eq!(
        model.merged().freeze_embeddings().num_trainable(),
        all - table
    );
}

#[test]
fn the_base_keeps_its_revision_in_pefts_two_keys() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        ("owner/name", "owner/name", serde_json::Value::Null),
        ("owner/name@v1.0", "owner/name", "v1.0".into()),
        ("../models/a@b", "../models/a@b", serde_json::Value::Null),
    ];
    for (base, name, revision) in cases {
        let config = LoraConfig {
            rank: 1,
            base_model: Some(base.into()),
            ..LoraConfig::default()
        };
        let model = tiny(true).init::<Cpu>(&Default::default(), 1);
        let model = model.with_lora(&config, 1).unwrap();
        checkpoint::save_adapter(&model, dir.path()).unwrap();
        let text = std::fs::read(dir.path().join("adapter_config.json")).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(written["base_model_name_or_path"], name);
        assert_eq!(written["revision"], revision);
        assert_eq!(checkpoint::adapter_base(dir.path()).unwrap(), base);
        let again = checkpoint::load_adapter(model.without_adapter(), dir.path()).unwrap();
        assert_eq!(again.lora().unwrap().base_model.as_deref(), Some(base));
    }
}

#[test]
fn scales_of_both_kinds() {
    let mut config = LoraConfig {
        rank: 16,
        alpha: 32.0,
        ..LoraConfig::default()
    };
    assert_eq!(config.scale(), 2.0);
    config.use_rslora = true;
    assert_eq!(config.scale(), 8.0);
}

#[test]
fn dropout_acts_while_training_only_and_repeats_with_its_seed() {
    let config = LoraConfig {
        dropout: 0.5,
        ..LoraConfig::default()
    };
    let device = Default::default();
    let mut model = tiny(true)
        .init::<Grad>(&device, 1)
        .with_lora(&config, 5)
        .unwrap();
    // B of a fresh adapter is zero, which would hide the branch.
    model = model.map(&mut Ones);
    let run = |seed| {
        Grad::seed(&device, seed);
        logits(&model, &sequences())
    };
    assert_ne!(run(1), run(2));
    assert_eq!(run(1), run(1));
    let plain = model.valid();
    assert_eq!(logits(&plain, &sequences()), logits(&plain, &sequences()));
    assert_ne!(logits(&plain, &sequences()), run(1));
}

/// Sets every parameter to small numbers.
struct Ones;

impl<B: Backend> burn::module::ModuleMapper<B> for Ones {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|value| value.ones_like().mul_scalar(0.05))
    }
}

fn refused(edit: impl FnOnce(&mut serde_json::Value)) -> String {
    let dir = tempfile::tempdir().unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(parity("lora-adapter").join(file), dir.path().join(file)).unwrap();
    }
    let path: PathBuf = dir.path().join("adapter_config.json");
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut config);
    std::fs::write(&path, config.to_string()).unwrap();
    let base = checkpoint::load::<Cpu>(&parity("qwen3-untied-f32"), &Default::default()).unwrap();
    checkpoint::load_adapter(base, dir.path())
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    for (key, value) in [
        ("use_dora", serde_json::json!(true)),
        ("bias", serde_json::json!("all")),
        ("modules_to_save", serde_json::json!(["lm_head"])),
        ("peft_type", serde_json::json!("IA3")),
        ("something_new", serde_json::json!(3)),
    ] {
        let message = refused(|config| config[key] = value.clone());
        assert!(message.contains(&format!("`{key}`")), "{message}");
    }
    let message = refused(|config| config["target_modules"] = serde_json::json!(["embed_tokens"]));
    assert!(message.contains("`embed_tokens`"), "{message}");
    let message = refused(|config| config["r"] = serde_json::json!(5));
    assert!(
        message.contains("lora_A") && message.contains("[5, 64]"),
        "{message}"
    );
    let message = refused(|config| config["target_modules"] = serde_json::json!(["q_proj"]));
    assert!(message.contains("do not belong"), "{message}");
    assert_eq!(TARGET_MODULES.len(), 7);
}
