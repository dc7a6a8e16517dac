//! Checkpoints of a run: the model in Hugging Face layout, the optimizer and the position in the data.

use std::fs;
use std::path::{Path, PathBuf};

use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;
use serde::{Deserialize, Serialize};

use crate::{AdamWConfig, AtomicDir, Error, Optimizer};

/// File names beside those of the model.
const STATE_FILE: &str = "trainer_state.json";
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// Directory of the model with the lowest evaluation loss.
const BEST: &str = "best";
/// Checkpoint directories are this and the number of steps done.
const PREFIX: &str = "step-";

/// Where a run is, and which run it is: `trainer_state.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Optimizer steps done.
    pub global_step: usize,
    /// Epoch of the next step, from 0.
    pub epoch: usize,
    /// Steps of that epoch already done.
    pub step_in_epoch: usize,
    /// Tokens trained on, prompts included.
    pub num_tokens: u64,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Seed of the order of samples.
    pub seed: u64,
    /// [`SftConfig::fingerprint`](crate::SftConfig::fingerprint) of the run.
    pub config_hash: String,
    /// Hash of the tokens and targets of all samples, in the order given.
    pub data_hash: String,
    /// Step of the last evaluation; 0 before the first.
    #[serde(default)]
    pub evaluated_at: usize,
    /// The best evaluation so far.
    #[serde(default)]
    pub best: Option<BestEvaluation>,
    /// Evaluations since then, none of which was a gain.
    #[serde(default)]
    pub evaluations_without_gain: usize,
}

/// The evaluation with the lowest loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestEvaluation {
    /// Optimizer steps before it.
    pub global_step: usize,
    /// Its loss, in nats per target token.
    pub eval_loss: f64,
}

impl TrainState {
    /// Reads the state of the checkpoint in `dir`.
    ///
    /// # Errors
    /// [`Error::Io`] if there is no such file, [`Error::Corrupt`] if it does not hold a state.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(STATE_FILE);
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        serde_json::from_str(&text).map_err(|error| Error::corrupt(&path, error.to_string()))
    }

    fn write(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(STATE_FILE);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::corrupt(&path, error.to_string()))?;
        fs::write(&path, text + "\n").map_err(Error::io(&path))
    }

    /// Checks that the checkpoint in `dir`, whose state is `self`, was written by the run of `other`.
    pub(crate) fn check_same_run(&self, other: &Self, dir: &Path) -> Result<(), Error> {
        let pairs = [
            ("the configuration", &self.config_hash, &other.config_hash),
            ("the training data", &self.data_hash, &other.data_hash),
        ];
        match pairs.into_iter().find(|(_, saved, ours)| saved != ours) {
            None => Ok(()),
            Some((what, saved, ours)) => Err(Error::ResumeMismatch {
                path: dir.to_path_buf(),
                what,
                expected: saved.clone(),
                found: ours.clone(),
            }),
        }
    }
}

/// Writes a checkpoint into `root/step-<n>`, complete or not at all, and returns its path.
///
/// `attach` names files, such as the tokenizer's, to copy beside the model.
pub(crate) fn write<B: TrainBackend>(
    root: &Path,
    model: &Qwen3<B>,
    optimizer: &Optimizer<B>,
    state: &TrainState,
    attach: &[PathBuf],
) -> Result<PathBuf, Error> {
    let dir = AtomicDir::create(&root.join(format!("{PREFIX}{:06}", state.global_step)))?;
    optimizer.save(&model.named_parameters(), &dir.path().join(OPTIMIZER_FILE))?;
    complete(dir, model, state, attach)
}

/// Writes the model alone into `root/best`, in place of an earlier one.
pub(crate) fn write_best<B: TrainBackend>(
    root: &Path,
    model: &Qwen3<B>,
    state: &TrainState,
    attach: &[PathBuf],
) -> Result<PathBuf, Error> {
    complete(AtomicDir::create(&best_dir(root))?, model, state, attach)
}

/// Adds what every checkpoint has, and gives the directory its name.
fn complete<B: LmOps>(
    dir: AtomicDir,
    model: &Qwen3<B>,
    state: &TrainState,
    attach: &[PathBuf],
) -> Result<PathBuf, Error> {
    lm_model::checkpoint::save_trained(model, dir.path())?;
    state.write(dir.path())?;
    for file in attach {
        copy_into(file, dir.path())?;
    }
    Ok(dir.commit()?)
}

/// Where the best model of a run is kept.
pub(crate) fn best_dir(root: &Path) -> PathBuf {
    root.join(BEST)
}

fn copy_into(file: &Path, dir: &Path) -> Result<(), Error> {
    let name = file
        .file_name()
        .ok_or_else(|| Error::corrupt(file, "expected a path that ends in a name"))?;
    fs::copy(file, dir.join(name))
        .map(drop)
        .map_err(Error::io(file))
}

/// Reads model and optimizer of the checkpoint in `dir`; `fresh` is the model that the run began with.
pub(crate) fn read<B: TrainBackend>(
    dir: &Path,
    config: AdamWConfig,
    fresh: Qwen3<B>,
) -> Result<(Qwen3<B>, Optimizer<B>), Error> {
    let model = lm_model::checkpoint::load_trained(fresh, dir)?;
    let path = dir.join(OPTIMIZER_FILE);
    let optimizer = Optimizer::load(config, &model.named_parameters(), &path, &model.device())?;
    Ok((model, optimizer))
}

/// The checkpoint of `root` with the most steps, if there is any.
///
/// # Errors
/// [`Error::Io`] if `root` exists and cannot be listed.
pub fn latest_checkpoint(root: &Path) -> Result<Option<PathBuf>, Error> {
    Ok(list(root)?.pop().map(|(_, path)| path))
}

/// Removes all but the newest `keep` checkpoints, the directories `step-<n>`, of `root`.
///
/// # Errors
/// [`Error::Io`] if `root` cannot be listed or a directory not be removed.
pub fn prune_checkpoints(root: &Path, keep: usize) -> Result<(), Error> {
    let found = list(root)?;
    let surplus = found.len().saturating_sub(keep);
    found[..surplus]
        .iter()
        .try_for_each(|(_, path)| fs::remove_dir_all(path).map_err(Error::io(path)))
}

/// The checkpoints of `root` by number of steps. A missing directory has none.
fn list(root: &Path) -> Result<Vec<(usize, PathBuf)>, Error> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io(root))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io(root))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let steps = name.and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        found.extend(steps.map(|steps| (steps, path)));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_ordered_by_number() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(
            latest_checkpoint(&root.path().join("absent")).unwrap(),
            None
        );
        for name in [
            "step-000009",
            "step-1000000",
            "step-000010",
            ".step-2000000.partial",
            "other",
        ] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        assert_eq!(
            latest_checkpoint(root.path()).unwrap(),
            Some(root.path().join("step-1000000"))
        );
        prune_checkpoints(root.path(), 2).unwrap();
        assert!(!root.path().join("step-000009").exists());
        assert!(root.path().join("step-000010").exists() && root.path().join("other").exists());
    }
}
