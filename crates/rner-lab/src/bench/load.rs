//! `rner-lab bench load`: what loading a checkpoint costs, beside reading its files.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use lm_kernels::TrainBackend;
use lm_model::checkpoint;
use rner::backend::{Device, Inner, Task, dispatch};
use rner::recipe::{Backend, Dtype};
use rner_cli::args::{backends, dtypes};
use rner_cli::exit::usage;
use serde::Serialize;

use super::measure::{Memory, median};

/// What the ratios compare, for the report.
const TIMED: &str = "load: map, check and convert all tensors into a model on the device; read: all weight files into fresh \
                     memory, one after the other; alternating, the files in the page cache";

/// Flags of `rner-lab bench load`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchLoadArgs {
    /// Folder with config.json and safetensors files.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Type of the weights in memory.
    #[arg(long, value_parser = dtypes(), default_value = "bf16")]
    dtype: Dtype,
    /// Burn backend.
    #[arg(long, value_parser = backends(), default_value = "flex")]
    backend: Backend,
    /// Timed repetitions, after one that is not timed.
    #[arg(long, value_name = "N", default_value_t = 5)]
    repetitions: usize,
}

/// What the command prints.
#[derive(Debug, Serialize)]
struct Output {
    bench: &'static str,
    timed: &'static str,
    model: PathBuf,
    dtype: Dtype,
    backend: Backend,
    repetitions: usize,
    file_bytes: u64,
    read_seconds: f64,
    load_seconds: f64,
    /// Load over read, both medians.
    time_ratio: f64,
    /// The most memory that was held while loading, above what was held before; null where the system does not say.
    peak_bytes: Option<u64>,
    /// That over the size of the files.
    memory_ratio: Option<f64>,
}

/// `rner-lab bench load`.
pub(crate) fn run(args: &BenchLoadArgs) -> Result<()> {
    if args.repetitions == 0 {
        return Err(usage("a measurement needs --repetitions of 1 or more"));
    }
    let output = dispatch(args.backend, Load(args))?;
    println!("{}", serde_json::to_string_pretty(&output)?);
    Ok(())
}

struct Load<'a>(&'a BenchLoadArgs);

impl Task for Load<'_> {
    type Output = Output;
    type Error = anyhow::Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<Output> {
        let Self(args) = self;
        let files = weight_files(&args.model)?;
        // Counted from before the first load: an allocator may keep what a model gave back.
        let before = Memory::restart();
        let file_bytes = read(&files)?;
        // One repetition more than is timed, the first.
        let repetition = |_| repeat::<B>(args, device, &files, before);
        let timed: Vec<Repetition> = (0..=args.repetitions)
            .map(repetition)
            .collect::<Result<_>>()?;
        Ok(Output::new(args, file_bytes, &timed[1..]))
    }
}

impl Output {
    fn new(args: &BenchLoadArgs, file_bytes: u64, timed: &[Repetition]) -> Self {
        let read_seconds = median(timed.iter().map(|x| x.read_seconds).collect());
        let load_seconds = median(timed.iter().map(|x| x.load_seconds).collect());
        let peak_bytes = timed.iter().filter_map(|x| x.peak_bytes).max();
        Self {
            bench: "load",
            timed: TIMED,
            model: args.model.clone(),
            dtype: args.dtype,
            backend: args.backend,
            repetitions: args.repetitions,
            file_bytes,
            read_seconds,
            load_seconds,
            time_ratio: load_seconds / read_seconds,
            peak_bytes,
            memory_ratio: peak_bytes.map(|peak| peak as f64 / file_bytes as f64),
        }
    }
}

/// One reading and one loading.
struct Repetition {
    read_seconds: f64,
    load_seconds: f64,
    peak_bytes: Option<u64>,
}

/// Reads the files, then loads the model; memory is counted from `before`.
fn repeat<B: TrainBackend>(
    args: &BenchLoadArgs,
    device: &Device<B>,
    files: &[PathBuf],
    before: Option<Memory>,
) -> Result<Repetition> {
    let begun = Instant::now();
    read(files)?;
    let read_seconds = begun.elapsed().as_secs_f64();
    // The reading's own peak is over.
    Memory::restart();
    let begun = Instant::now();
    let _model = checkpoint::load_as::<Inner<B>>(&args.model, device, args.dtype.precision())?;
    Ok(Repetition {
        read_seconds,
        load_seconds: begun.elapsed().as_secs_f64(),
        peak_bytes: before.and_then(Memory::growth),
    })
}

/// The safetensors files of a folder, in order.
fn weight_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot list {}", dir.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(context)? {
        let path = entry.with_context(context)?.path();
        files.extend((path.extension().is_some_and(|e| e == "safetensors")).then_some(path));
    }
    files.sort();
    Ok(files)
}

/// Reads the files into memory that is given back at once, and says how many bytes they have.
fn read(files: &[PathBuf]) -> Result<u64> {
    let mut total = 0;
    for file in files {
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        total += std::hint::black_box(bytes).len() as u64;
    }
    Ok(total)
}
