//! Writing checkpoints.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use half::bf16;
use lm_kernels::LmOps;
use serde_json::json;

use super::SINGLE;
use crate::config::{Qwen3Config, WeightDtype};
use crate::error::{Error, Result};
use crate::files;
use crate::model::Qwen3;

/// The number format in which weights are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveDtype {
    /// Exact, four bytes per value.
    #[default]
    F32,
    /// Rounded to nearest, ties to even, two bytes per value.
    Bf16,
}

/// Writes `config.json`, `generation_config.json` and `model.safetensors` into `dir`, which is
/// created if needed. Each file is written beside, synchronised and renamed, the weights last, so
/// a directory with new weights is complete. A tied head is not written.
///
/// Tensors leave the device one at a time.
///
/// # Errors
/// When the model has an adapter (merge it, or save the adapter alone), when `config` does not describe
/// `model`, or when a file cannot be written.
pub fn save<B: LmOps>(
    model: &Qwen3<B>,
    config: &Qwen3Config,
    dir: &Path,
    dtype: SaveDtype,
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
    files::replace(&dir.join(SINGLE), |path| {
        write_tensors(path, &tensors, dtype)
    })
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
    super::check_names(dir, &specs, &names)?;
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
    path: &Path,
    tensors: &[Stored<B>],
    dtype: SaveDtype,
) -> Result<()> {
    let file = File::create(path).map_err(Error::io(path, "create"))?;
    let mut file = BufWriter::new(file);
    let header = header(tensors, dtype);
    let length = (header.len() as u64).to_le_bytes();
    let written = file
        .write_all(&length)
        .and_then(|()| file.write_all(&header));
    written.map_err(Error::io(path, "write"))?;
    for tensor in tensors {
        let bytes = dtype.bytes(&tensor.read()?);
        file.write_all(&bytes).map_err(Error::io(path, "write"))?;
    }
    file.flush().map_err(Error::io(path, "write"))
}

/// The JSON header, padded with spaces so that the data begins at a multiple of eight bytes.
fn header<B: Backend>(tensors: &[Stored<B>], dtype: SaveDtype) -> Vec<u8> {
    let mut entries = serde_json::Map::new();
    entries.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut start = 0;
    for tensor in tensors {
        let end = start + tensor.shape.iter().product::<usize>() * dtype.size();
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
