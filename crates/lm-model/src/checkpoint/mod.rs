//! Checkpoints in the layout of Hugging Face: `config.json` and safetensors files.
//!
//! [`load`] reads `model.safetensors`, or the shards named by `model.safetensors.index.json`,
//! through memory maps, so peak memory is the model plus one tensor. [`save`] writes a single
//! file, or several where the weights are large. Neither trusts its input: a name, shape or place that is not as it
//! should be is an [`Error`] that says where, what was expected and what was found.

mod adapter;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod read;
mod shard;
mod trained;
mod write;

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::Qwen3Config;
use crate::error::{Error, Result};

pub use adapter::{adapter_base, is_adapter, load_adapter, save_adapter};
pub use read::{load, load_as};
pub use trained::{Blank, load_trained, save_trained};
pub use write::{SHARD_BYTES, SaveDtype, save, save_sharded};

/// The weights when they are in one file.
const SINGLE: &str = "model.safetensors";
/// The list of shards when they are in several.
const INDEX: &str = "model.safetensors.index.json";

/// The names found must be exactly those of the model. `path` is what errors name.
fn check_names(path: &Path, model: &[String], found: &BTreeSet<&str>) -> Result<()> {
    let expected: BTreeSet<&str> = model.iter().map(String::as_str).collect();
    let missing = model.iter().filter(|name| !found.contains(name.as_str()));
    let missing: Vec<String> = missing.cloned().collect();
    let extra: Vec<String> = found
        .difference(&expected)
        .map(|name| (*name).to_owned())
        .collect();
    let path = path.to_owned();
    if !missing.is_empty() {
        return Err(Error::MissingTensors {
            path,
            names: missing,
            found: extra,
        });
    }
    if extra.is_empty() {
        Ok(())
    } else {
        Err(Error::ExtraTensors { path, names: extra })
    }
}

/// The names of the tensors that a configuration implies, in the order of the model.
fn names_of(config: &Qwen3Config) -> Vec<String> {
    let specs = config.parameters();
    specs.into_iter().map(|spec| spec.name).collect()
}
