//! `rner-lab backend`: which body each operation of the model runs on a backend.

use anyhow::{Result, bail};
use burn::tensor::{DType, backend::Backend as _};
use clap::Args;
use lm_kernels::{Body, TrainBackend};
use rner::backend::{Device, Inner, Task, dispatch};
use rner::recipe::{Backend, Dtype};
use rner_cli::args::{backends, dtypes};
use serde_json::{Map, Value, json};

/// Flags of `rner-lab backend`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BackendArgs {
    /// Burn backend.
    #[arg(long, value_parser = backends(), default_value = "flex")]
    backend: Backend,
    /// Type of the tensors.
    #[arg(long, value_parser = dtypes(), default_value = "f32")]
    dtype: Dtype,
    /// Print JSON instead of lines.
    #[arg(long)]
    json: bool,
}

/// Every operation, run once.
struct Probe {
    dtype: DType,
}

/// What [`Probe`] found: the backend's own name for itself, and the body of each operation.
struct Found {
    name: String,
    bodies: Vec<(&'static str, Body)>,
}

impl Task for Probe {
    type Output = Found;
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<Found> {
        let name = Inner::<B>::name(device);
        if !Inner::<B>::supports_dtype(device, self.dtype) {
            bail!("{name} does not compute in {:?} on this device", self.dtype);
        }
        let bodies = lm_kernels::bodies::<Inner<B>>(device, self.dtype);
        Ok(Found { name, bodies })
    }
}

/// `rner-lab backend`.
pub(crate) fn run(args: &BackendArgs) -> Result<()> {
    let dtype = match args.dtype {
        Dtype::F32 => DType::F32,
        Dtype::Bf16 | Dtype::Bf16Pure => DType::BF16,
    };
    let found = dispatch(args.backend, Probe { dtype })?;
    if args.json {
        let named = |(name, body): &(&str, Body)| ((*name).to_owned(), body.name().into());
        let bodies: Map<String, Value> = found.bodies.iter().map(named).collect();
        let report = json!({
            "backend": args.backend.name(), "name": found.name, "dtype": args.dtype, "bodies": bodies
        });
        println!("{report:#}");
        return Ok(());
    }
    println!("{} ({}), {dtype:?}", args.backend.name(), found.name);
    for (name, body) in found.bodies {
        println!("  {name:<22}{}", body.name());
    }
    Ok(())
}
