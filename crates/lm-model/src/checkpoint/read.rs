//! Reading single and sharded checkpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lm_kernels::LmOps;
use serde::Deserialize;

use super::shard::Shard;
use super::{INDEX, SINGLE};
use crate::config::Qwen3Config;
use crate::error::{Error, Result};
use crate::init::assemble;
use crate::model::Qwen3;
use crate::precision::Precision;

const HEAD: &str = "lm_head.weight";
const EMBEDDING: &str = "model.embed_tokens.weight";

/// Reads a checkpoint directory in single precision: [`load_as`] with [`Precision::F32`].
///
/// # Errors
/// Those of [`load_as`].
pub fn load<B: LmOps>(dir: &Path, device: &B::Device) -> Result<Qwen3<B>> {
    load_as(dir, device, Precision::F32)
}

/// Reads a checkpoint directory: `config.json` with `model.safetensors`, or with
/// `model.safetensors.index.json` and its shards. Weights are converted to `precision` while they
/// are read, so that no more than the model and one tensor is in memory at any time.
///
/// To train the model, load it on an autodiff backend, see [`Qwen3Config::init`].
///
/// # Errors
/// When a file is absent, malformed or unsupported, or its tensors are not exactly those that the
/// configuration implies. One surplus is tolerated, because published tied checkpoints have it: a
/// `lm_head.weight` that equals the embedding.
pub fn load_as<B: LmOps>(dir: &Path, device: &B::Device, precision: Precision) -> Result<Qwen3<B>> {
    let config = Qwen3Config::load(dir)?;
    let weights = Weights::open(dir)?;
    weights.check_names(&config)?;
    assemble(&config, device, |_, spec| {
        let shard = weights.shard(&spec.name)?;
        shard.values(&spec.name, &spec.shape, precision)
    })
}

/// The files of a checkpoint, and which tensor is in which.
struct Weights {
    /// What to name in errors that concern the whole: the single file or the index.
    path: PathBuf,
    shards: Vec<Shard>,
    place: BTreeMap<String, usize>,
}

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    #[serde(deserialize_with = "super::index::weight_map")]
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Prefers the single file, as `transformers` does.
    fn open(dir: &Path) -> Result<Self> {
        let (single, index) = (dir.join(SINGLE), dir.join(INDEX));
        match (single.exists(), index.exists()) {
            (true, _) => Self::single(single),
            (false, true) => Self::sharded(dir, index),
            (false, false) => Err(Error::NoWeights {
                dir: dir.to_owned(),
                hint: other_weights(dir),
            }),
        }
    }

    fn single(path: PathBuf) -> Result<Self> {
        let shard = Shard::open(&path)?;
        Ok(Self {
            place: shard.names().into_iter().map(|name| (name, 0)).collect(),
            shards: vec![shard],
            path,
        })
    }

    fn sharded(dir: &Path, path: PathBuf) -> Result<Self> {
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        let index: Index = serde_json::from_slice(&bytes).map_err(Error::json(&path))?;
        let files: BTreeSet<&String> = index.weight_map.values().collect();
        let files: Vec<&String> = files.into_iter().collect();
        let mut shards = Vec::with_capacity(files.len());
        for file in &files {
            shards.push(Shard::open(&dir.join(plain_name(&path, file)?))?);
        }
        let number = |file: &String| files.binary_search(&file).unwrap_or_default();
        let place = index
            .weight_map
            .iter()
            .map(|(name, file)| (name.clone(), number(file)));
        let weights = Self {
            place: place.collect(),
            shards,
            path,
        };
        weights.check_index()?;
        Ok(weights)
    }

    /// The index and the shards must name the same tensors in the same files.
    fn check_index(&self) -> Result<()> {
        for (name, &number) in &self.place {
            let shard = &self.shards[number];
            if shard.entry(name).is_none() {
                return Err(self.bad_index(format!("`{name}` is not in {}", shard.path.display())));
            }
        }
        for (number, shard) in self.shards.iter().enumerate() {
            let listed = |name: &String| self.place.get(name) == Some(&number);
            if let Some(name) = shard.names().into_iter().find(|name| !listed(name)) {
                let file = shard.path.display();
                return Err(self.bad_index(format!("`{name}` is in {file}, but not listed there")));
            }
        }
        Ok(())
    }

    fn bad_index(&self, reason: String) -> Error {
        Error::BadIndex {
            path: self.path.clone(),
            reason,
        }
    }

    /// The tensors must be exactly those of the configuration.
    fn check_names(&self, config: &Qwen3Config) -> Result<()> {
        let mut names: BTreeSet<&str> = self.place.keys().map(String::as_str).collect();
        if config.tie_word_embeddings && names.contains(EMBEDDING) && names.remove(HEAD) {
            self.check_tied_head()?;
        }
        super::check_names(&self.path, &super::names_of(config), &names)
    }

    /// Ignoring a head that is not the embedding would silently give another model.
    fn check_tied_head(&self) -> Result<()> {
        let head = self.shard(HEAD)?;
        let embedding = self.shard(EMBEDDING)?;
        if head.entry(HEAD) == embedding.entry(EMBEDDING) {
            Ok(())
        } else {
            Err(Error::UntiedHead {
                path: head.path.clone(),
            })
        }
    }

    /// The file that holds a tensor.
    fn shard(&self, name: &str) -> Result<&Shard> {
        let number = self.place.get(name).ok_or_else(|| Error::MissingTensors {
            path: self.path.clone(),
            names: vec![name.to_owned()],
            found: Vec::new(),
        })?;
        Ok(&self.shards[*number])
    }
}

/// A file name from an index, which may come from anywhere.
fn plain_name<'a>(index: &Path, file: &'a str) -> Result<&'a str> {
    atomic_files::safe_name(file).map_err(|fault| Error::BadIndex {
        path: index.to_owned(),
        reason: format!("{fault}; it must be the name of a file in the same directory"),
    })
}

/// Names the weights that are there, when none can be read.
fn other_weights(dir: &Path) -> &'static str {
    let has = |name: &str| dir.join(name).exists();
    if has("adapter_model.safetensors") {
        "; found adapter_model.safetensors, which needs its base model"
    } else if has("pytorch_model.bin") || has("pytorch_model.bin.index.json") {
        "; found pytorch_model.bin, convert it to safetensors first"
    } else {
        ""
    }
}
