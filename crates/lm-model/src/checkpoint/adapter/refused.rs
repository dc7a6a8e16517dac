//! What of an `adapter_config.json` is refused by name, because it changes what is computed.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Keys that say nothing about the function that is computed, or that are read elsewhere. `fan_in_fan_out` is switched
/// off by PEFT for layers that store `[out, in]`, as all do here; the `*_config` say how the first values were drawn;
/// the last four are written by ms-swift.
const HARMLESS: [&str; 31] = [
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_alpha",
    "lora_dropout",
    "lora_ga_config",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
    "model_key_mapping",
    "lora_dtype",
    "lorap_lr_ratio",
    "lorap_emb_lr",
];

/// First values of A and B that leave the base as it is.
const PLAIN: [&str; 4] = ["gaussian", "orthogonal", "eva", "mica"];
/// First values that are taken out of the base, which PEFT changes for that.
const FROM_THE_BASE: [&str; 4] = ["pissa", "olora", "corda", "lora_ga"];

/// What is left to do with an adapter that PEFT can merge.
const MERGE: &str = "merge it in PEFT, `PeftModel.from_pretrained(base, adapter).merge_and_unload()\
                     .save_pretrained(DIR)`, and give DIR in place of the adapter";
/// What PEFT offers for an adapter on a base that was changed.
const CONVERT: &str = "convert it in PEFT into an adapter of the published base, `model.save_pretrained(DIR, \
                       path_initial_model_for_weight_conversion=INITIAL)` with the adapter as it was saved before \
                       training as INITIAL, or merge it where it was trained, `model.merge_and_unload()\
                       .save_pretrained(DIR)`, and give DIR";

/// Refuses what would change the function and is not built. PEFT writes all its options; those that are switched off
/// change nothing.
pub(super) fn refuse(path: &Path, map: &Map<String, Value>) -> Result<()> {
    refuse_init(path, map.get("init_lora_weights"))?;
    let on = map
        .iter()
        .find(|(key, value)| !HARMLESS.contains(&key.as_str()) && !is_off(value));
    match on {
        Some((key, value)) => Err(unsupported(path, key, value, reason(key))),
        None => Ok(()),
    }
}

/// The matrices that remain after an initialization from the base belong on the rest of it, which is in no file.
fn refuse_init(path: &Path, value: Option<&Value>) -> Result<()> {
    let Some(Value::String(text)) = value else {
        return Ok(());
    };
    let init = text.to_lowercase();
    if PLAIN.contains(&init.as_str()) {
        return Ok(());
    }
    let reason = if FROM_THE_BASE.iter().any(|name| init.starts_with(name)) {
        format!(
            "PEFT has taken the first values out of the base's weights, so the matrices do not belong on the base as \
             it is published; {CONVERT}"
        )
    } else if init == "loftq" {
        format!(
            "the matrices belong on the base as LoftQ has quantized it, not on the published one; merge it where it \
             was trained, {MERGE}"
        )
    } else {
        format!("this initialization is not known, and some change the base's weights; {MERGE}")
    };
    Err(unsupported(
        path,
        "init_lora_weights",
        Value::from(text.as_str()),
        reason,
    ))
}

fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text == "none",
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn reason(key: &str) -> String {
    let what = match key {
        "use_dora" => "the magnitudes of DoRA are not built",
        "bias" => "trained biases are not read",
        "lora_bias" => "a bias beside the matrices is not built",
        "modules_to_save" => "modules that were trained as a whole are not read from an adapter",
        "trainable_token_indices" => "trained embeddings are not read from an adapter",
        "layer_replication" => "replicated layers are not built",
        "kasa_config" => "PEFT cuts the smallest singular values off the base's weights",
        "alora_invocation_tokens" => {
            return "an adapter for a part of the tokens (aLoRA) is not built, and none can merge it"
                .to_owned();
        }
        _ => "this is not built or not known, and may change what is computed",
    };
    format!("{what}; {MERGE}")
}

fn unsupported(path: &Path, key: &str, found: impl ToString, reason: String) -> Error {
    Error::UnsupportedAdapter {
        path: path.to_owned(),
        key: key.to_owned(),
        found: found.to_string(),
        reason,
    }
}
