//! Where the numbers of a training go beside `metrics.jsonl`: files that other programs draw curves from.
//!
//! Each program has a folder of its own in that of the run. A training that goes on writes its part of it anew, from
//! what `metrics.jsonl` has of the steps before, so that no file has a step twice.

mod mlflow;
mod wandb;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::run_dir::{RunDirError, write_atomic};
use crate::tensorboard;

/// A program that draws curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tracker {
    /// Event files in `tensorboard/`, which trackio imports too.
    Tensorboard,
    /// MLflow's file store in `mlruns/`.
    Mlflow,
    /// Weights & Biases' offline runs in `wandb/`, for `wandb sync`.
    Wandb,
}

impl Tracker {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tensorboard, Self::Mlflow, Self::Wandb];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tensorboard => "tensorboard",
            Self::Mlflow => "mlflow",
            Self::Wandb => "wandb",
        }
    }
}

/// A training of which curves are drawn.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    /// The folder of the run.
    pub(crate) run: PathBuf,
    /// What the curves are called.
    pub(crate) name: String,
    /// The settings, key by key.
    pub(crate) settings: BTreeMap<String, String>,
}

/// The numbers of a step.
pub(crate) type Numbers = Map<String, Value>;

/// A file of curves that is being written.
pub(crate) trait Curves {
    /// Adds the numbers of a step.
    fn add(&mut self, step: usize, numbers: &Numbers) -> Result<(), RunDirError>;

    /// Says that the training ended, and whether that was its end.
    fn end(&mut self, is_done: bool) -> Result<(), RunDirError>;
}

/// Begins the curves of a tracker that writes them anew, with those of the steps before.
pub(crate) fn begin(
    tracker: Tracker,
    tracked: &Tracked,
    history: &[(usize, Numbers)],
) -> Result<Option<Box<dyn Curves>>, RunDirError> {
    let mut curves: Box<dyn Curves> = match tracker {
        Tracker::Tensorboard => return Ok(None),
        Tracker::Mlflow => Box::new(mlflow::Store::create(tracked)?),
        Tracker::Wandb => Box::new(wandb::Offline::create(tracked)?),
    };
    for (step, numbers) in history {
        curves.add(*step, numbers)?;
    }
    Ok(Some(curves))
}

/// What the curves of a stage are called.
pub(crate) fn name(stage: &str, seed: u64) -> String {
    format!("{stage}-seed-{seed}")
}

/// Lets the next training of this name have curves of its own beside those that are there.
///
/// # Errors
/// A folder or a file that cannot be renamed.
pub(crate) fn set_aside(run: &Path, name: &str) -> Result<(), atomic_files::Error> {
    let events = run.join(tensorboard::FOLDER).join(name);
    let ids = [mlflow::FOLDER, wandb::FOLDER].map(|folder| id_file(run, folder, name));
    for path in std::iter::once(events).chain(ids) {
        if path.exists() {
            atomic_files::set_aside(&path)?;
        }
    }
    Ok(())
}

/// The file with the identifier of the run that a training of this name writes.
fn id_file(run: &Path, folder: &str, name: &str) -> PathBuf {
    run.join(folder).join(format!(".{name}.id"))
}

/// The identifier of a training in a tracker's folder: the one that it has, or a new one of so many characters, which
/// no other training has anywhere.
fn id(tracked: &Tracked, folder: &str, length: usize) -> Result<String, RunDirError> {
    let path = id_file(&tracked.run, folder, &tracked.name);
    if let Ok(id) = std::fs::read_to_string(&path) {
        return Ok(id.trim().to_owned());
    }
    let full = std::path::absolute(&tracked.run).unwrap_or_else(|_| tracked.run.clone());
    let (now, process) = (now().as_nanos(), std::process::id());
    let text = format!("{}\n{}\n{now}\n{process}", full.display(), tracked.name);
    let mut id = blake3::hash(text.as_bytes()).to_hex().to_string();
    id.truncate(length);
    write_atomic(&path, id.as_bytes())?;
    Ok(id)
}

/// Time since 1970.
fn now() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// The numbers among the values, as JSON has them; others are left out.
fn numbers(values: &Numbers) -> impl Iterator<Item = (&str, f64)> {
    let number = |(name, value): (_, &Value)| Some((name, value.as_f64()?));
    values
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .filter_map(number)
}
