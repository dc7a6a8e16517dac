//! Adapters in PEFT's format: `adapter_config.json` and `adapter_model.safetensors`.

mod peft;
mod refused;
mod selection;

use std::path::{Path, PathBuf};

use lm_kernels::LmOps;
use serde_json::{Map, Value, json};

use super::shard::Shard;
use super::write::{SaveDtype, Stored, write_tensors};
use crate::error::{Error, Result};
use crate::files;
use crate::lora::{LoraConfig, ModuleLora, projection_names};
use crate::model::Qwen3;

pub(super) use peft::PeftConfig;

/// What is trained and how.
const CONFIG: &str = "adapter_config.json";
/// The matrices.
const WEIGHTS: &str = "adapter_model.safetensors";
/// Key of the model below.
const BASE: &str = "base_model_name_or_path";
/// Key of its revision on the Hub.
const REVISION: &str = "revision";
/// What PEFT puts before the name of a module.
const PREFIX: &str = "base_model.model.";

/// Whether a directory holds an adapter.
pub fn is_adapter(dir: &Path) -> bool {
    dir.join(CONFIG).is_file()
}

/// The base model that an adapter names: an id of the Hub, with `@` and the revision if it names one, or a
/// path, relative to the adapter or to the current folder.
///
/// # Errors
/// When `adapter_config.json` cannot be read or names no base.
pub fn adapter_base(dir: &Path) -> Result<String> {
    let path = dir.join(CONFIG);
    let config = read_json(&path)?;
    base_of(&config).ok_or_else(|| bad(&path, BASE, config.get(BASE), "a path or an id"))
}

/// The base as `LoraConfig` holds it, `owner/name@revision` where PEFT has two keys.
fn base_of(config: &Map<String, Value>) -> Option<String> {
    let base = config.get(BASE)?.as_str().filter(|base| !base.is_empty())?;
    match config.get(REVISION).and_then(Value::as_str) {
        Some(revision) => Some(format!("{base}@{revision}")),
        None => Some(base.to_owned()),
    }
}

/// Takes the revision off an id of the Hub. A path keeps an `@` that is in it.
fn split_revision(base: &str) -> (&str, Option<&str>) {
    let is_id = |id: &str| id.matches('/').count() == 1 && !id.starts_with(['/', '.', '~']);
    match base.split_once('@') {
        Some((id, revision)) if is_id(id) && !revision.is_empty() => (id, Some(revision)),
        _ => (base, None),
    }
}

/// Writes the adapter of `model`, with [`LoraConfig::base_model`] as the model it belongs on.
///
/// # Errors
/// [`Error::NoAdapter`] if the model has none, and those of writing.
pub fn save_adapter<B: LmOps>(model: &Qwen3<B>, dir: &Path) -> Result<()> {
    let Some(config) = model.lora() else {
        return Err(Error::NoAdapter {
            path: dir.to_owned(),
        });
    };
    files::create_dir(dir)?;
    files::replace_json(&dir.join(CONFIG), &peft_config(config))?;
    let tensors = matrices(model);
    files::replace(&dir.join(WEIGHTS), |file| {
        write_tensors(file, &tensors, SaveDtype::F32)
    })
}

/// Puts the adapter in `dir` on `model`, whose weights are frozen.
///
/// Which projections it adapts, with which rank and alpha, is decided by PEFT's rules: lists, suffixes and regular
/// expressions in `target_modules` and `exclude_modules`, `layers_to_transform`, `rank_pattern`, `alpha_pattern`.
///
/// # Errors
/// When a file is absent or malformed, when the configuration asks for what is not built (DoRA, trained biases, ...) or
/// belongs on a base that PEFT has changed (PiSSA, OLoRA, CorDA, LoRA-GA, LoftQ), or when the matrices are not those of
/// the configuration.
pub fn load_adapter<B: LmOps>(model: Qwen3<B>, dir: &Path) -> Result<Qwen3<B>> {
    let modules = projection_names(model.config().num_hidden_layers);
    let config = PeftConfig::read(&dir.join(CONFIG))?.resolve(&modules)?;
    let shard = open_weights(dir)?;
    check_matrices(&shard, &config, &modules)?;
    model.adapt(&config, |module, rank, [out, input]| {
        let [a, b] = names_of(module);
        Ok([
            shard.wide(&a, &[rank, input])?,
            shard.wide(&b, &[out, rank])?,
        ])
    })
}

/// PEFT wrote `adapter_model.bin` for long; it is a pickle, which can run anything.
fn open_weights(dir: &Path) -> Result<Shard> {
    let path = dir.join(WEIGHTS);
    let old = dir.join("adapter_model.bin");
    if old.is_file() && !path.exists() {
        let found = "found an archive of `torch.save`; load the adapter in PEFT and save it again, which writes \
                     adapter_model.safetensors";
        return Err(Error::NotSafetensors {
            path: old,
            found: found.to_owned(),
        });
    }
    Shard::open(&path)
}

/// PEFT would leave a matrix that the file lacks as it was drawn, and one that the model lacks aside.
fn check_matrices(shard: &Shard, config: &LoraConfig, modules: &[String]) -> Result<()> {
    let adapted = modules.iter().filter(|name| config.module(name).is_some());
    let expected: Vec<String> = adapted.flat_map(|name| names_of(name)).collect();
    let found = shard.names();
    let found = found.iter().map(String::as_str).collect();
    super::check_names(&shard.path, &expected, &found)
}

/// The names of A and B of a projection in the file.
fn names_of(module: &str) -> [String; 2] {
    ["lora_A", "lora_B"].map(|matrix| format!("{PREFIX}{module}.{matrix}.weight"))
}

/// A and B of every adapted projection under PEFT's names.
fn matrices<B: LmOps>(model: &Qwen3<B>) -> Vec<Stored<B>> {
    let mut found = Vec::new();
    model.clone().for_each_projection(|module, linear| {
        let Some(adapter) = &linear.adapter else {
            return;
        };
        let both = [&adapter.lora_a, &adapter.lora_b];
        let named = names_of(module).into_iter().zip(both);
        found.extend(named.map(|(name, param)| Stored::new(name, param)));
    });
    found
}

/// `adapter_config.json` of an adapter; one whose layers differ has a line for each projection.
pub(super) fn peft_config(config: &LoraConfig) -> Value {
    let (base, revision) = config.base_model.as_deref().map(split_revision).unzip();
    let names: Vec<&String> = config.modules.keys().collect();
    let targets = if names.is_empty() {
        json!(config.target_modules)
    } else {
        json!(names)
    };
    json!({
        "alpha_pattern": pattern(config, |module| (module.alpha != config.alpha).then(|| module.alpha.into())),
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": config.rank,
        "rank_pattern": pattern(config, |module| (module.rank != config.rank).then(|| module.rank.into())),
        "revision": revision.flatten(),
        "target_modules": targets,
        "task_type": "CAUSAL_LM",
        "use_dora": false,
        "use_rslora": config.use_rslora,
    })
}

/// What differs from the whole adapter, by the full name of the projection.
fn pattern(config: &LoraConfig, differs: impl Fn(&ModuleLora) -> Option<Value>) -> Value {
    let modules = config.modules.iter();
    let found = modules.filter_map(|(name, module)| Some((name.clone(), differs(module)?)));
    Value::Object(found.collect())
}

fn read_json(path: &Path) -> Result<Map<String, Value>> {
    let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
    serde_json::from_slice(&bytes).map_err(Error::json(path))
}

fn bad(path: &Path, key: &str, found: Option<&Value>, expected: &str) -> Error {
    Error::BadAdapter {
        path: PathBuf::from(path),
        key: key.to_owned(),
        found: found.map_or_else(|| "nothing".to_owned(), Value::to_string),
        expected: expected.to_owned(),
    }
}
