//! The folder of a run's checkpoints: when one is written, and which stay.

use std::fs;
use std::path::{Path, PathBuf};

use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;
use serde::Serialize;

use super::manifest;
use super::{OPTIMIZER_FILE, RunState, STATE_FILE};
use crate::error::Error;
use crate::optimizer::Optimizer;
use crate::outcome::RunFiles;
use atomic_files::AtomicDir;

/// Folder of the model with the best evaluation.
pub(super) const BEST: &str = "best";
/// Checkpoint folders are this and the number of steps done.
pub(super) const PREFIX: &str = "step-";

/// What a run writes: `step-<n>` each time it saves, and `best`. Each is complete or absent.
#[derive(Debug)]
pub struct Checkpoints<'a> {
    files: &'a RunFiles,
    /// How many stay, besides the best.
    keep: Option<usize>,
    /// The last checkpoint and the number of updates that it holds, to tell whether the weights are saved already.
    last: Option<(usize, PathBuf)>,
}

impl<'a> Checkpoints<'a> {
    /// Those of a run that goes on from the checkpoint `resumed`, which holds so many updates, or begins anew; only the
    /// newest `keep` stay.
    pub fn new(
        files: &'a RunFiles,
        keep: Option<usize>,
        resumed: Option<(usize, PathBuf)>,
    ) -> Self {
        Self {
            files,
            keep,
            last: resumed,
        }
    }

    /// The last checkpoint, if there is any.
    pub fn last(&self) -> Option<PathBuf> {
        self.last.as_ref().map(|(_, path)| path.clone())
    }

    /// Whether the weights after so many updates are saved already.
    pub fn holds(&self, updates: usize) -> bool {
        self.last
            .as_ref()
            .is_some_and(|(saved, _)| *saved == updates)
    }

    /// Writes a checkpoint, to which `parts` may add, and removes those that are too many. Returns its path, or `None`
    /// if these weights are saved already or the run writes nothing.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Model`] if something cannot be written, and the errors of `parts`.
    pub fn save<S: RunState, B: TrainBackend>(
        &mut self,
        model: &Qwen3<B>,
        optimizer: &Optimizer<B>,
        state: &S,
        parts: impl FnOnce(&Draft) -> Result<(), Error>,
    ) -> Result<Option<PathBuf>, Error> {
        let updates = optimizer.steps();
        let Some(root) = self
            .files
            .checkpoints
            .as_ref()
            .filter(|_| !self.holds(updates))
        else {
            return Ok(None);
        };
        let draft = Draft::begin(&root.join(format!("{PREFIX}{:06}", state.global_step())))?;
        optimizer.save(
            &model.named_parameters(),
            &draft.0.path().join(OPTIMIZER_FILE),
        )?;
        draft.write(STATE_FILE, serde_json::to_string_pretty(state))?;
        parts(&draft)?;
        let path = self.complete(draft, model)?;
        if let Some(keep) = self.keep {
            prune(root, keep)?;
        }
        self.last = Some((updates, path.clone()));
        Ok(Some(path))
    }

    /// Writes the model alone into `best`, in place of an earlier one, if the run writes anything.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Model`] if it cannot be written.
    pub fn save_best<B: LmOps>(&self, model: &Qwen3<B>) -> Result<(), Error> {
        match self.best() {
            None => Ok(()),
            Some(dir) => self.complete(Draft::begin(&dir)?, model).map(drop),
        }
    }

    /// The best model, if the run writes any; else `last`, which is of its shape.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is not what was written, [`Error::Model`] if it cannot be read.
    pub fn load_best<B: LmOps>(&self, last: Qwen3<B>) -> Result<Qwen3<B>, Error> {
        match self.best() {
            None => Ok(last),
            Some(dir) => {
                manifest::check(&dir)?;
                Ok(lm_model::checkpoint::load_trained(last, &dir)?)
            }
        }
    }

    fn best(&self) -> Option<PathBuf> {
        self.files.checkpoints.as_ref().map(|root| root.join(BEST))
    }

    /// Adds the model, the files that make it usable and the list of all, and gives the folder its name.
    fn complete<B: LmOps>(&self, draft: Draft, model: &Qwen3<B>) -> Result<PathBuf, Error> {
        let Draft(dir) = draft;
        lm_model::checkpoint::save_trained(model, dir.path())?;
        for file in &self.files.attach {
            copy_into(file, dir.path())?;
        }
        for (name, text) in &self.files.texts {
            let path = dir.path().join(name);
            atomic_files::fs::write(&path, text).map_err(Error::io(&path))?;
        }
        manifest::write(dir.path())?;
        Ok(dir.commit()?)
    }
}

/// A checkpoint that is being written, and is not visible yet.
#[derive(Debug)]
pub struct Draft(AtomicDir);

impl Draft {
    fn begin(target: &Path) -> Result<Self, Error> {
        Ok(Self(AtomicDir::create(target)?))
    }

    /// Adds a file with a value that [`Checkpoint::json`](super::Checkpoint::json) reads.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        self.write(name, serde_json::to_string(value))
    }

    fn write(&self, name: &str, text: serde_json::Result<String>) -> Result<(), Error> {
        let path = self.0.path().join(name);
        let text = text.map_err(|error| Error::corrupt(&path, error.to_string()))?;
        atomic_files::fs::write(&path, text + "\n").map_err(Error::io(&path))
    }

    /// Adds a folder with another model than that of the checkpoint, which
    /// [`Checkpoint::model`](super::Checkpoint::model) reads.
    ///
    /// # Errors
    /// [`Error::Model`] if it cannot be written.
    pub fn model<B: LmOps>(&self, name: &str, model: &Qwen3<B>) -> Result<(), Error> {
        Ok(lm_model::checkpoint::save_trained(
            model,
            &self.0.path().join(name),
        )?)
    }
}

fn copy_into(file: &Path, dir: &Path) -> Result<(), Error> {
    let name = file
        .file_name()
        .ok_or_else(|| Error::corrupt(file, "expected a path that ends in a name"))?;
    atomic_files::fs::copy(file, dir.join(name))
        .map(drop)
        .map_err(Error::io(file))
}

/// Removes all but the newest `keep` checkpoints of `root`.
fn prune(root: &Path, keep: usize) -> Result<(), Error> {
    let found = list(root)?;
    let surplus = found.len().saturating_sub(keep);
    found[..surplus]
        .iter()
        .try_for_each(|(_, path)| Ok(atomic_files::remove_dir(path)?))
}

/// The checkpoints of `root` by number of steps. A missing directory has none.
pub(super) fn list(root: &Path) -> Result<Vec<(usize, PathBuf)>, Error> {
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
        assert!(list(&root.path().join("absent")).unwrap().is_empty());
        for name in [
            "step-000009",
            "step-1000000",
            "step-000010",
            ".step-2000000.partial",
            "damaged-step-2000000",
            "other",
        ] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let last = list(root.path()).unwrap().pop().unwrap();
        assert_eq!(last, (1_000_000, root.path().join("step-1000000")));
        prune(root.path(), 2).unwrap();
        assert!(!root.path().join("step-000009").exists());
        assert!(root.path().join("step-000010").exists() && root.path().join("other").exists());
    }
}
