//! Checkpoints of a run, supervised or not: the model in Hugging Face layout, the optimizer, the state, what else the
//! run needs to go on, and a list of all that with hashes.

use std::fs;
use std::path::{Path, PathBuf};

use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;
use lm_model::checkpoint::Blank;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::optimizer::{AdamWConfig, Optimizer};

mod candidates;
mod folder;
mod identity;
mod manifest;

pub use candidates::{Candidates, latest_checkpoint, verify_checkpoint};
pub use folder::{Checkpoints, Draft};

/// File names beside those of the model.
const STATE_FILE: &str = "trainer_state.json";
const OPTIMIZER_FILE: &str = "optimizer.safetensors";

/// Where a run is, and which run it is.
///
/// A state has a field `config`, the configuration of the run. Two runs are the same if their configurations agree
/// field by field, [`FREE_FIELDS`](Self::FREE_FIELDS) left out, and their data does; a field that a checkpoint does not
/// have, because an older program wrote it, has its default.
pub trait RunState: Serialize + DeserializeOwned {
    /// The configuration of the run.
    type Config: Serialize + Default;

    /// Fields of the configuration that a resumed run may change.
    const FREE_FIELDS: &'static [&'static str];

    /// The field of the state with the hash of what is trained on, and what errors call that.
    const DATA: (&'static str, &'static str);

    /// Steps done.
    fn global_step(&self) -> usize;

    /// After how many steps the model in `best` was evaluated, if the run is to end with that model.
    fn step_of_best(&self) -> Option<usize> {
        None
    }
}

/// A checkpoint that was written earlier.
#[derive(Clone, Debug)]
pub struct Checkpoint<S> {
    dir: PathBuf,
    state: S,
}

impl<S: RunState> Checkpoint<S> {
    /// Opens the checkpoint in `dir`, whichever run has written it. Its files are not compared with their hashes.
    ///
    /// # Errors
    /// [`Error::Io`] if there is no state, [`Error::Corrupt`] if it cannot be read, [`Error::Outdated`] if it has no
    /// configuration.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::of(dir, raw_state(dir)?)
    }

    /// Opens the checkpoint in `dir`, which must be of the run that began with `fresh`. The configuration of the state
    /// is that of `fresh`, which may differ in [`RunState::FREE_FIELDS`].
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`], and [`Error::ResumeMismatch`] for another run.
    pub fn open_of_run(dir: &Path, fresh: &S) -> Result<Self, Error> {
        let mut saved = raw_state(dir)?;
        let ours = match serde_json::to_value(fresh) {
            Ok(Value::Object(fields)) => fields,
            other => return Err(Error::corrupt(dir, format!("the state is {other:?}"))),
        };
        identity::check_same_run::<S>(&saved, &ours, dir)?;
        saved.extend(ours.into_iter().filter(|(name, _)| name == CONFIG));
        Self::of(dir, saved)
    }

    fn of(dir: &Path, state: Map<String, Value>) -> Result<Self, Error> {
        let corrupt =
            |error: serde_json::Error| Error::corrupt(&dir.join(STATE_FILE), error.to_string());
        Ok(Self {
            state: serde_json::from_value(Value::Object(state)).map_err(corrupt)?,
            dir: dir.to_path_buf(),
        })
    }

    /// Where the run was.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The state alone.
    pub fn into_state(self) -> S {
        self.state
    }

    /// Reads model and optimizer; `blank` is what is left of the model that the run began with.
    ///
    /// # Errors
    /// [`Error::Model`], [`Error::Io`] and [`Error::Corrupt`] if a file is absent, damaged or of another model.
    pub fn read<B: TrainBackend>(
        &self,
        blank: &Blank<B>,
        config: AdamWConfig,
    ) -> Result<(Qwen3<B>, Optimizer<B>), Error> {
        let model = blank.load(&self.dir)?;
        let path = self.dir.join(OPTIMIZER_FILE);
        let optimizer = Optimizer::load(config, &model.named_parameters(), &path, &model.device())?;
        let problem = optimizer.mismatch(&model);
        problem.map_or(Ok((model, optimizer)), |problem| {
            Err(Error::corrupt(&path, problem))
        })
    }

    /// An error that says what is wrong with the state.
    pub fn bad_state(&self, problem: impl Into<String>) -> Error {
        self.bad_file(STATE_FILE, problem)
    }

    /// An error that says what is wrong with a file of the checkpoint.
    pub fn bad_file(&self, name: &str, problem: impl Into<String>) -> Error {
        Error::corrupt(&self.dir.join(name), problem)
    }

    /// What [`Draft::json`] has written under this name, if it has.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Corrupt`] if the file cannot be read.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let path = self.dir.join(name);
        path.exists().then(|| read_json(&path)).transpose()
    }

    /// What [`Draft::model`] has written under this name, if it has; `blank` is what is left of a model of its shape.
    ///
    /// # Errors
    /// [`Error::Model`] if it cannot be read.
    pub fn model<B: LmOps>(&self, name: &str, blank: &Blank<B>) -> Result<Option<Qwen3<B>>, Error> {
        let dir = self.dir.join(name);
        Ok(dir.exists().then(|| blank.load(&dir)).transpose()?)
    }
}

/// The field of a state with the configuration.
const CONFIG: &str = "config";

/// The state of the checkpoint in `dir` as it was written.
fn raw_state(dir: &Path) -> Result<Map<String, Value>, Error> {
    let state: Map<String, Value> = read_json(&dir.join(STATE_FILE))?;
    if state.contains_key(CONFIG) {
        Ok(state)
    } else {
        Err(Error::Outdated {
            path: dir.to_path_buf(),
        })
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|error| Error::corrupt(path, error.to_string()))
}
