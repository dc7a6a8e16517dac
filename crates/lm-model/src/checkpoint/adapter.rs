//! Adapters in PEFT's format: `adapter_config.json` and `adapter_model.safetensors`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lm_kernels::LmOps;
use serde_json::{Map, Value, json};

use super::shard::Shard;
use super::write::{SaveDtype, Stored, write_tensors};
use crate::error::{Error, Result};
use crate::files;
use crate::lora::{LoraConfig, TARGET_MODULES};
use crate::model::Qwen3;

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

/// Keys that say nothing about the function that is computed, or that are read here.
const HARMLESS: [&str; 17] = [
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "init_lora_weights",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
    "ensure_weight_tying",
];

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
/// # Errors
/// When a file is absent or malformed, when the configuration asks for what is not built (DoRA,
/// biases, patterns of ranks, ...), or when the matrices are not those of the configuration.
pub fn load_adapter<B: LmOps>(model: Qwen3<B>, dir: &Path) -> Result<Qwen3<B>> {
    let config = read_config(&dir.join(CONFIG))?;
    let shard = Shard::open(&dir.join(WEIGHTS))?;
    let mut used = BTreeSet::new();
    let model = model.adapt(&config, |module, [out, input]| {
        let mut read = |matrix: &str, shape: [usize; 2]| {
            let name = format!("{PREFIX}{module}.{matrix}.weight");
            let values = shard.wide(&name, &shape);
            used.insert(name);
            values
        };
        Ok([
            read("lora_A", [config.rank, input])?,
            read("lora_B", [out, config.rank])?,
        ])
    })?;
    let extra: Vec<String> = shard
        .names()
        .into_iter()
        .filter(|name| !used.contains(name))
        .collect();
    if extra.is_empty() {
        Ok(model)
    } else {
        Err(Error::ExtraTensors {
            path: shard.path,
            names: extra,
        })
    }
}

/// A and B of every adapted projection under PEFT's names.
fn matrices<B: LmOps>(model: &Qwen3<B>) -> Vec<Stored<B>> {
    let mut found = Vec::new();
    model.clone().for_each_projection(|module, linear| {
        let Some(adapter) = &linear.adapter else {
            return;
        };
        let both = [("lora_A", &adapter.lora_a), ("lora_B", &adapter.lora_b)];
        found.extend(both.map(|(matrix, param)| {
            Stored::new(format!("{PREFIX}{module}.{matrix}.weight"), param)
        }));
    });
    found
}

pub(super) fn peft_config(config: &LoraConfig) -> Value {
    let (base, revision) = config.base_model.as_deref().map(split_revision).unzip();
    json!({
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
        "revision": revision.flatten(),
        "target_modules": config.target_modules,
        "task_type": "CAUSAL_LM",
        "use_dora": false,
        "use_rslora": config.use_rslora,
    })
}

fn read_json(path: &Path) -> Result<Map<String, Value>> {
    let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
    serde_json::from_slice(&bytes).map_err(Error::json(path))
}

pub(super) fn read_config(path: &Path) -> Result<LoraConfig> {
    let map = read_json(path)?;
    if map.get("peft_type") != Some(&Value::from("LORA")) {
        return Err(bad(path, "peft_type", map.get("peft_type"), "\"LORA\""));
    }
    refuse_unsupported(path, &map)?;
    let number = |key: &str| match map.get(key).and_then(Value::as_f64) {
        Some(value) => Ok(value),
        None => Err(bad(path, key, map.get(key), "a number")),
    };
    let rank = match map.get("r").and_then(Value::as_u64) {
        Some(rank) => rank as usize,
        None => return Err(bad(path, "r", map.get("r"), "a whole number")),
    };
    let config = LoraConfig {
        rank,
        alpha: number("lora_alpha")?,
        dropout: if map.contains_key("lora_dropout") {
            number("lora_dropout")?
        } else {
            0.0
        },
        use_rslora: map.get("use_rslora") == Some(&Value::Bool(true)),
        target_modules: target_modules(path, map.get("target_modules"))?,
        base_model: base_of(&map),
    };
    config.check()?;
    Ok(config)
}

fn target_modules(path: &Path, value: Option<&Value>) -> Result<Vec<String>> {
    match value {
        Some(Value::String(all)) if all == "all-linear" => {
            Ok(TARGET_MODULES.map(str::to_owned).to_vec())
        }
        Some(Value::Array(list)) => {
            let mut names = Vec::new();
            for item in list {
                let Value::String(name) = item else {
                    return Err(bad(path, "target_modules", Some(item), "names"));
                };
                let name = kind_of_module(name).to_owned();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            Ok(names)
        }
        found => {
            let expected = "a list of names, or \"all-linear\"";
            Err(bad(path, "target_modules", found, expected))
        }
    }
}

/// What PEFT 0.21 writes for `all-linear` is each module with its full name, `model.layers.0.mlp.up_proj`. One that is
/// adapted in some layers only is refused later, because matrices of the others are missing.
fn kind_of_module(name: &str) -> &str {
    let last = name.rsplit('.').next();
    last.filter(|_| name.starts_with("model.layers."))
        .unwrap_or(name)
}

/// PEFT writes all its options; one that is switched on and not built here would change the function.
fn refuse_unsupported(path: &Path, map: &Map<String, Value>) -> Result<()> {
    let off = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text == "none",
        _ => false,
    };
    let on = map
        .iter()
        .find(|(key, value)| !HARMLESS.contains(&key.as_str()) && !off(value));
    match on {
        Some((key, value)) => Err(bad(path, key, Some(value), "off: it is not supported")),
        None => Ok(()),
    }
}

fn bad(path: &Path, key: &str, found: Option<&Value>, expected: &str) -> Error {
    Error::BadAdapter {
        path: PathBuf::from(path),
        key: key.to_owned(),
        found: found.map_or_else(|| "nothing".to_owned(), Value::to_string),
        expected: expected.to_owned(),
    }
}
