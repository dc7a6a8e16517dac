//! Readers of single files of a checkpoint, public for the fuzz targets alone.

use std::path::Path;

use serde_json::Value;

use super::adapter::{self, PeftConfig};
use super::shard::Shard;
use crate::error::Result;
use crate::lora::{LoraConfig, projection_names};
use crate::precision::Precision;

/// Reads every tensor of a safetensors file in the shape that the file states; gives names and numbers of values. A
/// tensor of a type that no model has is left out.
///
/// # Errors
/// When the file is not a sound one.
pub fn tensors(path: &Path) -> Result<Vec<(String, usize)>> {
    let shard = Shard::open(path)?;
    let mut found = Vec::new();
    for name in shard.names() {
        let Some(shape) = shard.entry(&name).map(|entry| entry.shape().to_vec()) else {
            continue;
        };
        if let Ok(values) = shard.values(&name, &shape, Precision::F32) {
            found.push((name, values.num_elements()));
        }
    }
    Ok(found)
}

/// Reads `adapter_config.json` for a model of two layers.
///
/// # Errors
/// Those of [`super::load_adapter`] about this file.
pub fn adapter_config(path: &Path) -> Result<LoraConfig> {
    PeftConfig::read(path)?.resolve(&projection_names(2))
}

/// What is written as `adapter_config.json`.
pub fn adapter_json(config: &LoraConfig) -> Value {
    adapter::peft_config(config)
}
