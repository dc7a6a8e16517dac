//! The optimizer's state on disk: one safetensors file, keyed by parameter name.
//!
//! Tensors are `<name>.exp_avg` and `<name>.exp_avg_sq` (PyTorch's names), flat and in the type they are kept
//! in, and `<name>.master` where a narrow parameter has a copy in single precision; the number of updates is in the
//! file's metadata. Names and not ids are stored, because a model gets new ids each time it is loaded.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor, TensorData};
use half::bf16;
use lm_kernels::TrainBackend;
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::error::Error;
use crate::optimizer::{AdamWConfig, Moments, Optimizer};

const FIRST: &str = "exp_avg";
const SECOND: &str = "exp_avg_sq";
const MASTER: &str = "master";
/// Metadata key of the number of updates applied.
const STEPS: &str = "steps";

impl<B: TrainBackend> Optimizer<B> {
    /// Writes the state to `path`. `names` gives the name of every parameter of the module, as
    /// `Qwen3::named_parameters` does; one tensor at a time is brought to the host.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the file cannot be written or a parameter with moments has no name.
    pub fn save(&self, names: &[(String, ParamId)], path: &Path) -> Result<(), Error> {
        let mut tensors = Vec::with_capacity(2 * names.len());
        let mut named = 0;
        for (name, id) in names {
            let Some(moments) = self.moments.get(id) else {
                continue;
            };
            named += 1;
            tensors.push((format!("{name}.{FIRST}"), Stored::new(&moments.first)));
            tensors.push((format!("{name}.{SECOND}"), Stored::new(&moments.second)));
            let master = moments.master.iter();
            tensors.extend(master.map(|x| (format!("{name}.{MASTER}"), Stored::new(x))));
        }
        if named != self.moments.len() {
            let problem = format!(
                "expected a name for each of {} parameters, found {named}",
                self.moments.len(),
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
        let masters = moments.values().filter(|m| m.master.is_some()).count();
        if 2 * moments.len() + masters != stored.len() {
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

impl<B: TrainBackend> Optimizer<B> {
    /// Says which of the moments are not those of a parameter of `module`, if any are not.
    pub(crate) fn mismatch<M: Module<B>>(&self, module: &M) -> Option<String> {
        let mut fit = Fit {
            optimizer: self,
            problem: None,
        };
        module.visit(&mut fit);
        fit.problem
    }
}

/// Compares moments with the parameters that they are of.
struct Fit<'a, B: AutodiffBackend> {
    optimizer: &'a Optimizer<B>,
    problem: Option<String>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Fit<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let Some(moments) = self.optimizer.moments.get(&param.id) else {
            return;
        };
        let value = param.val();
        let (elements, narrow) = (value.shape().num_elements(), value.dtype());
        let is_copied = narrow != DType::F32 && self.optimizer.config.master_weights;
        let dtype = if is_copied { DType::F32 } else { narrow };
        let kept = [&moments.first, &moments.second]
            .into_iter()
            .chain(&moments.master);
        let fits = moments.master.is_some() == is_copied
            && kept
                .into_iter()
                .all(|x| (x.dims(), x.dtype()) == ([elements], dtype));
        if !fits {
            let problem = || {
                format!(
                    "expected moments of {elements} values in {dtype:?} for a parameter of the shape {:?}, found {} in \
                     {:?}",
                    value.dims(),
                    moments.first.dims()[0],
                    moments.first.dtype()
                )
            };
            self.problem.get_or_insert_with(problem);
        }
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
        let [first, second, master] = [FIRST, SECOND, MASTER].map(|kind| format!("{name}.{kind}"));
        // A parameter that never had a gradient has no moments.
        if stored.tensor(&first).is_ok() {
            let first = read_flat(stored, &first, device, f32::is_finite)?;
            let second = read_flat(stored, &second, device, |x| x.is_finite() && x >= 0.0)?;
            let master = match stored.tensor(&master) {
                Ok(_) => Some(read_flat(stored, &master, device, |_| true)?),
                Err(_) => None,
            };
            let of_parameter = Moments {
                first,
                second,
                master,
            };
            moments.insert(*id, of_parameter);
        }
    }
    Ok(moments)
}

/// A tensor of values that are all `possible`. Moments are sums of gradients, and no gradient that is not finite is
/// ever applied.
fn read_flat<B: Backend>(
    stored: &SafeTensors<'_>,
    name: &str,
    device: &B::Device,
    possible: impl Fn(f32) -> bool,
) -> Result<Tensor<B, 1>, String> {
    let view = stored.tensor(name).map_err(|error| error.to_string())?;
    let (dtype, values): (_, Vec<f32>) = match view.dtype() {
        Dtype::F32 => {
            let words = view.data().as_chunks::<4>().0.iter();
            (DType::F32, words.map(|x| f32::from_le_bytes(*x)).collect())
        }
        Dtype::BF16 => {
            let halves = view.data().as_chunks::<2>().0.iter();
            let wide = halves.map(|x| bf16::from_le_bytes(*x).to_f32());
            (DType::BF16, wide.collect())
        }
        other => {
            return Err(format!(
                "tensor {name}: expected F32 or BF16, found {other:?}"
            ));
        }
    };
    if let Some(value) = values.iter().find(|value| !possible(**value)) {
        return Err(format!(
            "tensor {name}: found {value}, which no moment can be"
        ));
    }
    let elements = values.len();
    let data = TensorData::new(values, [elements]).convert_dtype(dtype);
    Ok(Tensor::from_data(data, (device, dtype)))
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
        match self.tensor.dtype() {
            DType::BF16 => Dtype::BF16,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data = self.tensor.to_data();
        let values = data.iter::<f32>();
        Cow::Owned(match self.dtype() {
            Dtype::BF16 => values
                .flat_map(|x| bf16::from_f32(x).to_le_bytes())
                .collect(),
            _ => values.flat_map(f32::to_le_bytes).collect(),
        })
    }

    fn data_len(&self) -> usize {
        let size = match self.dtype() {
            Dtype::BF16 => size_of::<bf16>(),
            _ => size_of::<f32>(),
        };
        self.shape[0] * size
    }
}
