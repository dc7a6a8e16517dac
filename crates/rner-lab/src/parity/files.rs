//! Reading reference values: JSON and safetensors, with errors that name the file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::{Tensor, backend::Backend};
use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::de::DeserializeOwned;

/// A tensor of a file as numbers, whatever its type was.
#[derive(Clone, Debug)]
pub(super) struct Values {
    /// The lengths of its dimensions.
    pub(super) shape: Vec<usize>,
    /// Its values in row-major order.
    pub(super) numbers: Vec<f64>,
}

/// The tensors of one file by name.
pub(super) struct TensorFile {
    path: String,
    tensors: BTreeMap<String, Values>,
}

/// Reads a JSON file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}

/// Reads a JSON file that may be absent.
pub(super) fn read_json_if_there<T: DeserializeOwned + Default>(path: &Path) -> Result<T> {
    if path.is_file() {
        read_json(path)
    } else {
        Ok(T::default())
    }
}

impl TensorFile {
    /// Reads all tensors of a safetensors file.
    ///
    /// # Errors
    /// When the file is absent or damaged, or has a tensor of a type that is not a number.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
        let file = SafeTensors::deserialize(&bytes).with_context(|| name.clone())?;
        let mut tensors = BTreeMap::new();
        for (tensor, view) in file.iter() {
            let values = values_of(&view).with_context(|| format!("{name}: `{tensor}`"))?;
            tensors.insert(tensor.to_owned(), values);
        }
        let path = name;
        Ok(Self { path, tensors })
    }

    /// Whether a tensor is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor with two dimensions or more.
    ///
    /// # Errors
    /// When it is absent or has another number of dimensions.
    pub(super) fn get<const D: usize>(&self, name: &str) -> Result<([usize; D], &[f64])> {
        let path = &self.path;
        let Some(values) = self.tensors.get(name) else {
            bail!("{path}: there is no tensor `{name}`");
        };
        let shape = <[usize; D]>::try_from(&values.shape[..]);
        let Ok(shape) = shape else {
            let found = &values.shape;
            bail!("{path}: `{name}`: expected {D} dimensions, found the shape {found:?}");
        };
        Ok((shape, &values.numbers))
    }

    /// Takes a tensor out.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn take(&mut self, name: &str) -> Result<Values> {
        let path = &self.path;
        let tensor = self.tensors.remove(name);
        tensor.with_context(|| format!("{path}: there is no tensor `{name}`"))
    }

    /// The file as errors name it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The names of the tensors that are left.
    pub(super) fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }
}

fn values_of(view: &TensorView<'_>) -> Result<Values> {
    let bytes = view.data();
    let numbers = match view.dtype() {
        Dtype::F64 => chunks(bytes).map(f64::from_le_bytes).collect(),
        Dtype::F32 => chunks(bytes)
            .map(|b| f32::from_le_bytes(b).into())
            .collect(),
        Dtype::F16 => chunks(bytes)
            .map(|b| f16::from_le_bytes(b).into())
            .collect(),
        Dtype::BF16 => chunks(bytes)
            .map(|b| bf16::from_le_bytes(b).into())
            .collect(),
        // Every id and every label is exact in double precision.
        Dtype::I64 => chunks(bytes)
            .map(|b| i64::from_le_bytes(b) as f64)
            .collect(),
        Dtype::I32 => chunks(bytes)
            .map(|b| i32::from_le_bytes(b).into())
            .collect(),
        Dtype::U8 | Dtype::BOOL => bytes.iter().map(|&b| b.into()).collect(),
        other => bail!("expected numbers, found {other}"),
    };
    let shape = view.shape().to_vec();
    Ok(Values { shape, numbers })
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// A whole number of at least 0 that was stored in a tensor.
///
/// # Errors
/// When it is something else.
pub(super) fn token(value: f64) -> Result<u32> {
    let is_token = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
    ensure!(is_token, "expected the id of a token, found {value}");
    Ok(value as u32)
}

/// The values of a tensor in row-major order.
///
/// # Errors
/// When the device does not give them.
pub(super) fn read_back<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>> {
    let data = tensor.try_into_data();
    let data = data.map_err(|error| anyhow::anyhow!("reading from the device: {error}"))?;
    let values = data.convert::<f32>().into_vec();
    values.map_err(|error| anyhow::anyhow!("reading from the device: {error:?}"))
}
