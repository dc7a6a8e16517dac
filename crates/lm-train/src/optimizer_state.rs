//! The optimizer's state on disk: one safetensors file, keyed by parameter name.
//!
//! Tensors are `<name>.exp_avg` and `<name>.exp_avg_sq` (PyTorch's names) in float32, flat; the number of
//! updates is in the file's metadata. Names and not ids are stored, because a model gets new ids each time
//! it is loaded.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use burn::module::ParamId;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use lm_kernels::LmOps;
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::optimizer::Moments;
use crate::{AdamWConfig, Error, Optimizer};

const FIRST: &str = "exp_avg";
const SECOND: &str = "exp_avg_sq";
/// Metadata key of the number of updates applied.
const STEPS: &str = "steps";

impl<B: AutodiffBackend> Optimizer<B>
where
    B::InnerBackend: LmOps,
{
    /// Writes the state to `path`. `names` gives the name of every parameter of the module, as
    /// `Qwen3::named_parameters` does; one tensor at a time is brought to the host.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the file cannot be written or a parameter with moments has no name.
    pub fn save(&self, names: &[(String, ParamId)], path: &Path) -> Result<(), Error> {
        let mut tensors = Vec::with_capacity(2 * names.len());
        for (name, id) in names {
            if let Some(Moments { first, second }) = self.moments.get(id) {
                tensors.push((format!("{name}.{FIRST}"), Stored::new(first)));
                tensors.push((format!("{name}.{SECOND}"), Stored::new(second)));
            }
        }
        if tensors.len() != 2 * self.moments.len() {
            let problem = format!(
                "expected a name for each of {} parameters, found {}",
                self.moments.len(),
                tensors.len() / 2
            );
            return Err(Error::corrupt(path, problem));
        }
        let metadata = HashMap::from([(STEPS.to_owned(), self.steps.to_string())]);
        safetensors::serialize_to_file(tensors, Some(metadata), path)
            .map_err(|error| Error::corrupt(path, error.to_string()))
    }

    /// Reads what [`save`](Self::save) wrote, for a module whose parameters are `names`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Corrupt`] if it is not such a file or holds a
    /// parameter that `names` lacks.
    pub fn load(
        config: AdamWConfig,
        names: &[(String, ParamId)],
        path: &Path,
        device: &B::Device,
    ) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io(path))?;
        // SAFETY: the file belongs to a finished checkpoint, which is never written to again.
        let bytes = unsafe { Mmap::map(&file) }.map_err(Error::io(path))?;
        let corrupt = |problem: String| Error::corrupt(path, problem);
        let stored =
            SafeTensors::deserialize(&bytes).map_err(|error| corrupt(error.to_string()))?;
        let steps = steps(&bytes).map_err(corrupt)?;
        let moments = read_moments(&stored, names, device).map_err(corrupt)?;
        if 2 * moments.len() != stored.len() {
            return Err(corrupt(format!(
                "expected moments of {} parameters of this model, found {} tensors",
                moments.len(),
                stored.len()
            )));
        }
        Ok(Self {
            config,
            steps,
            moments,
        })
    }
}

fn steps(bytes: &[u8]) -> Result<usize, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let steps = metadata.metadata().as_ref().and_then(|map| map.get(STEPS));
    steps.and_then(|text| text.parse().ok()).ok_or_else(|| {
        format!("expected the number of updates as `{STEPS}` in the metadata, found {steps:?}")
    })
}

fn read_moments<B: Backend>(
    stored: &SafeTensors<'_>,
    names: &[(String, ParamId)],
    device: &B::Device,
) -> Result<HashMap<ParamId, Moments<B>>, String> {
    let mut moments = HashMap::with_capacity(names.len());
    for (name, id) in names {
        let (first, second) = (format!("{name}.{FIRST}"), format!("{name}.{SECOND}"));
        // A parameter that never had a gradient has no moments.
        if stored.tensor(&first).is_ok() {
            let first = read_flat(stored, &first, device)?;
            let second = read_flat(stored, &second, device)?;
            moments.insert(*id, Moments { first, second });
        }
    }
    Ok(moments)
}

fn read_flat<B: Backend>(
    stored: &SafeTensors<'_>,
    name: &str,
    device: &B::Device,
) -> Result<Tensor<B, 1>, String> {
    let view = stored.tensor(name).map_err(|error| error.to_string())?;
    if view.dtype() != Dtype::F32 {
        return Err(format!(
            "tensor {name}: expected F32, found {:?}",
            view.dtype()
        ));
    }
    let values: Vec<f32> = view
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let elements = values.len();
    Ok(Tensor::from_data(
        TensorData::new(values, [elements]),
        device,
    ))
}

/// A tensor that is brought to the host when its turn to be written comes.
struct Stored<'a, B: Backend> {
    tensor: &'a Tensor<B, 1>,
    shape: [usize; 1],
}

impl<'a, B: Backend> Stored<'a, B> {
    fn new(tensor: &'a Tensor<B, 1>) -> Self {
        Self {
            tensor,
            shape: tensor.dims(),
        }
    }
}

impl<B: Backend> View for Stored<'_, B> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data = self.tensor.to_data();
        Cow::Owned(data.iter::<f32>().flat_map(f32::to_le_bytes).collect())
    }

    fn data_len(&self) -> usize {
        self.shape[0] * size_of::<f32>()
    }
}
