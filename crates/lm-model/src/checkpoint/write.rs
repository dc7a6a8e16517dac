//! Writing checkpoints.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use atomic_files::AtomicFile;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use half::bf16;
use lm_kernels::LmOps;
use serde_json::json;

use super::{INDEX, SINGLE};
use crate::config::{Qwen3Config, WeightDtype};
use crate::error::{Error, Result};
use crate::files;
use crate::model::Qwen3;
use crate::precision::Precision;

/// The number format in which weights are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveDtype {
    /// Exact, four bytes per value.
    #[default]
    F32,
    /// Rounded to nearest, ties to even, two bytes per value.
    Bf16,
}

impl From<Precision> for SaveDtype {
    /// The format that holds such weights exactly.
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

/// Most bytes of tensors in one file, unless a single tensor has more: 5 GB, for long the default of
/// `transformers`.
pub const SHARD_BYTES: usize = 5_000_000_000;

/// Writes `config.json`, `generation_config.json` and the weights into `dir`, which is created if
/// needed: as [`save_sharded`] with files of at most [`SHARD_BYTES`].
///
/// # Errors
/// Those of [`save_sharded`].
pub fn save<B: LmOps>(
    model: &Qwen3<B>,
    config: &Qwen3Config,
    dir: &Path,
    dtype: SaveDtype,
) -> Result<()> {
    save_sharded(model, config, dir, dtype, SHARD_BYTES)
}

/// Writes a checkpoint whose weights are in `model.safetensors`, or, if they take more than
/// `shard_bytes`, in several files of at most that many bytes of tensors and an index.
///
/// Each file is written beside, synchronised and renamed, the one that a reader begins with last, so
/// a directory with new weights is complete. Weights that an earlier checkpoint left there in another
/// number of files are removed. A tied head is not written. Tensors leave the device one at a time.
///
/// # Errors
/// When the model has an adapter (merge it, or save the adapter alone), when `config` does not describe
/// `model`, or when a file cannot be written.
pub fn save_sharded<B: LmOps>(
    model: &Qwen3<B>,
    config: &Qwen3Config,
    dir: &Path,
    dtype: SaveDtype,
    shard_bytes: usize,
) -> Result<()> {
    config.check()?;
    if model.lora().is_some() {
        return Err(Error::HasAdapter {
            path: dir.to_owned(),
        });
    }
    let tensors = collect(model);
    check_shapes(&tensors, config, dir)?;
    files::create_dir(dir)?;
    let config = Qwen3Config {
        dtype: Some(dtype.of_config()),
        ..config.clone()
    };
    files::replace_json(&dir.join("config.json"), &config)?;
    files::replace_json(
        &dir.join("generation_config.json"),
        &generation_config(&config),
    )?;
    let shards = divide(&tensors, dtype, shard_bytes);
    let names = shard_names(shards.len());
    for (name, shard) in names.iter().zip(&shards) {
        files::replace(&dir.join(name), |file| write_tensors(file, shard, dtype))?;
    }
    if shards.len() > 1 {
        files::replace_json(&dir.join(INDEX), &index(&names, &shards, dtype))?;
    }
    remove_others(dir, &names)
}

/// Consecutive tensors of at most `limit` bytes, or single ones.
fn divide<B: Backend>(tensors: &[Stored<B>], dtype: SaveDtype, limit: usize) -> Vec<&[Stored<B>]> {
    let mut shards = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, tensor) in tensors.iter().enumerate() {
        let more = tensor.elements() * dtype.size();
        if i > start && bytes + more > limit {
            shards.push(&tensors[start..i]);
            (start, bytes) = (i, 0);
        }
        bytes += more;
    }
    shards.push(&tensors[start..]);
    shards
}

/// The names that `transformers` gives so many files.
fn shard_names(count: usize) -> Vec<String> {
    match count {
        1 => vec![SINGLE.to_owned()],
        count => (1..=count)
            .map(|i| format!("model-{i:05}-of-{count:05}.safetensors"))
            .collect(),
    }
}

/// `model.safetensors.index.json`.
fn index<B: Backend>(
    names: &[String],
    shards: &[&[Stored<B>]],
    dtype: SaveDtype,
) -> serde_json::Value {
    let mut map = serde_json::Map::new();
    let mut elements = 0;
    for (name, shard) in names.iter().zip(shards) {
        for tensor in *shard {
            map.insert(tensor.name.clone(), name.as_str().into());
            elements += tensor.elements();
        }
    }
    json!({
        "metadata": {"total_parameters": elements, "total_size": elements * dtype.size()},
        "weight_map": map,
    })
}

/// Removes weights of an earlier checkpoint; a single file would be preferred to an index.
fn remove_others(dir: &Path, names: &[String]) -> Result<()> {
    let entries = std::fs::read_dir(dir).map_err(Error::io(dir, "list"))?;
    for entry in entries {
        let path = entry.map_err(Error::io(dir, "list"))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let is_shard = name.starts_with("model-") && name.ends_with(".safetensors");
        let is_weights = is_shard || name == SINGLE || (name == INDEX && names.len() == 1);
        if is_weights && !names.iter().any(|kept| kept == name) {
            atomic_files::fs::remove_file(&path).map_err(Error::io(&path, "remove"))?;
        }
    }
    Ok(())
}

/// A parameter as it will be stored.
pub(super) struct Stored<B: Backend> {
    name: String,
    shape: Vec<usize>,
    /// All values in row-major order.
    values: Tensor<B, 1>,
}

/// All parameters of a model, in its order.
fn collect<B: LmOps>(model: &Qwen3<B>) -> Vec<Stored<B>> {
    let mut collector = Collector {
        names: model.named_parameters().into_iter(),
        found: Vec::new(),
    };
    model.visit(&mut collector);
    collector.found
}

/// Visits the parameters in the order of [`Qwen3::named_parameters`].
struct Collector<B: Backend> {
    names: std::vec::IntoIter<(String, ParamId)>,
    found: Vec<Stored<B>>,
}

impl<B: Backend> ModuleVisitor<B> for Collector<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let named = self.names.next();
        self.found
            .extend(named.map(|(name, _)| Stored::new(name, param)));
    }
}

/// A configuration of another model would make a checkpoint that cannot be read.
fn check_shapes<B: Backend>(tensors: &[Stored<B>], config: &Qwen3Config, dir: &Path) -> Result<()> {
    let specs = config.parameters();
    let names = tensors.iter().map(|tensor| &*tensor.name).collect();
    super::check_names(dir, &super::names_of(config), &names)?;
    let expected: HashMap<String, Vec<usize>> = specs
        .into_iter()
        .map(|spec| (spec.name, spec.shape))
        .collect();
    match tensors
        .iter()
        .find(|tensor| expected[&tensor.name] != tensor.shape)
    {
        None => Ok(()),
        Some(tensor) => Err(Error::WrongShape {
            path: dir.to_owned(),
            expected: expected[&tensor.name].clone(),
            name: tensor.name.clone(),
            found: tensor.shape.clone(),
        }),
    }
}

/// What `transformers` reads its defaults for generation from.
fn generation_config(config: &Qwen3Config) -> serde_json::Value {
    let ids = |ids: &[u32]| match ids {
        [] => serde_json::Value::Null,
        [id] => (*id).into(),
        ids => ids.into(),
    };
    json!({
        "bos_token_id": ids(&config.bos_token_id),
        "eos_token_id": ids(&config.eos_token_id),
        "pad_token_id": config.pad_token_id,
    })
}

/// The header and then the data, one tensor at a time. The crate `safetensors` could write the
/// file too, but has no way to report that a tensor cannot be read from its device.
pub(super) fn write_tensors<B: Backend>(
    file: &mut AtomicFile,
    tensors: &[Stored<B>],
    dtype: SaveDtype,
) -> Result<()> {
    let path = file.target().to_owned();
    let header = header(tensors, dtype);
    let length = (header.len() as u64).to_le_bytes();
    let written = file
        .write_all(&length)
        .and_then(|()| file.write_all(&header));
    written.map_err(Error::io(&path, "write"))?;
    for tensor in tensors {
        let bytes = dtype.bytes(&tensor.read()?);
        file.write_all(&bytes).map_err(Error::io(&path, "write"))?;
    }
    Ok(())
}

/// The JSON header, padded with spaces so that the data begins at a multiple of eight bytes.
fn header<B: Backend>(tensors: &[Stored<B>], dtype: SaveDtype) -> Vec<u8> {
    let mut entries = serde_json::Map::new();
    entries.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut start = 0;
    for tensor in tensors {
        let end = start + tensor.elements() * dtype.size();
        let entry =
            json!({"dtype": dtype.tag(), "shape": tensor.shape, "data_offsets": [start, end]});
        entries.insert(tensor.name.clone(), entry);
        start = end;
    }
    let mut header = serde_json::Value::Object(entries).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    header
}

impl<B: Backend> Stored<B> {
    /// A parameter under the name it will have in the file.
    pub(super) fn new<const D: usize>(name: String, param: &Param<Tensor<B, D>>) -> Self {
        let value = param.val().detach();
        let shape = value.dims();
        Self {
            name,
            shape: shape.to_vec(),
            values: value.reshape([shape.iter().product::<usize>()]),
        }
    }

    fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    fn read(&self) -> Result<Vec<f32>> {
        let device = |reason: String| Error::Device {
            name: self.name.clone(),
            reason,
        };
        let data = self
            .values
            .clone()
            .try_into_data()
            .map_err(|error| device(error.to_string()))?;
        data.convert::<f32>()
            .into_vec()
            .map_err(|error| device(format!("{error:?}")))
    }
}

impl SaveDtype {
    /// Bytes per value.
    fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// The name in a safetensors header.
    fn tag(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::Bf16 => "BF16",
        }
    }

    fn of_config(self) -> WeightDtype {
        match self {
            Self::F32 => WeightDtype::Float32,
            Self::Bf16 => WeightDtype::Bfloat16,
        }
    }

    /// The values as they are stored, little-endian.
    fn bytes(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Self::Bf16 => values
                .iter()
                .flat_map(|&value| bf16::from_f32(value).to_le_bytes())
                .collect(),
        }
    }
}
