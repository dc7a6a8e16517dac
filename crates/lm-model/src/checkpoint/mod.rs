//! Checkpoints in the layout of Hugging Face: `config.json` and safetensors files.
//!
//! [`load`] reads `model.safetensors`, or the shards named by `model.safetensors.index.json`,
//! through memory maps, so peak memory is the model plus one tensor. [`save`] writes a single
//! file, or several where the weights are large. Neither trusts its input: a name, shape or place that is not as it
//! should be is an [`Error`] that says where, what was expected and what was found.

mod adapter;
#[doc(hidden)]
pub mod fuzzing;
mod read;
mod shard;
mod write;

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::ParameterSpec;
use lm_kernels::LmOps;

use crate::error::{Error, Result};
use crate::model::Qwen3;

pub use adapter::{adapter_base, is_adapter, load_adapter, save_adapter};
pub use read::{load, load_as};
pub use write::{SHARD_BYTES, SaveDtype, save, save_sharded};

/// The weights when they are in one file.
const SINGLE: &str = "model.safetensors";
/// The list of shards when they are in several.
const INDEX: &str = "model.safetensors.index.json";

/// Writes what training changes: the adapter if `model` has one, else the whole model exactly.
///
/// # Errors
/// Those of [`save_adapter`] and [`save`].
pub fn save_trained<B: LmOps>(model: &Qwen3<B>, dir: &Path) -> Result<()> {
    match model.lora() {
        Some(_) => save_adapter(model, dir),
        None => save(model, model.config(), dir, model.precision().into()),
    }
}

/// Reads what [`save_trained`] wrote: for a `model` with adapter another adapter of the same
/// configuration, else all weights. Weights that are replaced are freed first.
///
/// # Errors
/// Those of [`load_adapter`] and [`load`], and [`Error::OtherAdapter`].
pub fn load_trained<B: LmOps>(model: Qwen3<B>, dir: &Path) -> Result<Qwen3<B>> {
    let Some(expected) = model.lora().cloned() else {
        let (device, precision, activations) =
            (model.device(), model.precision(), model.activations);
        drop(model);
        let model = load_as(dir, &device, precision)?;
        return Ok(model.with_activations(activations));
    };
    let model = load_adapter(model.without_adapter(), dir)?;
    if model.lora() == Some(&expected) {
        Ok(model)
    } else {
        Err(Error::OtherAdapter {
            path: dir.to_owned(),
            expected: Box::new(expected),
            found: model.lora().cloned().map(Box::new),
        })
    }
}

/// The names found must be exactly those of the model. `path` is what errors name.
fn check_names(path: &Path, model: &[ParameterSpec], found: &BTreeSet<&str>) -> Result<()> {
    let expected = model.iter().map(|spec| &*spec.name);
    let missing: Vec<&str> = expected
        .clone()
        .filter(|name| !found.contains(name))
        .collect();
    if !missing.is_empty() {
        return Err(Error::MissingTensors {
            path: path.to_owned(),
            names: missing.into_iter().map(str::to_owned).collect(),
        });
    }
    let expected: BTreeSet<&str> = expected.collect();
    let extra: Vec<String> = found
        .difference(&expected)
        .map(|name| (*name).to_owned())
        .collect();
    if extra.is_empty() {
        Ok(())
    } else {
        Err(Error::ExtraTensors {
            path: path.to_owned(),
            names: extra,
        })
    }
}
