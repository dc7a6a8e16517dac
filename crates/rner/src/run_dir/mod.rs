//! One run on disk: `runs/<name>/`.
//!
//! ```text
//! recipe.toml            the resolved recipe with its hash
//! stage-<n>-<stage>/     what the stage wrote, and done.json
//! metrics.jsonl          one line per logged step
//! checkpoints/           Hugging Face layout
//! report.json, report.html
//! .lock                  held while a process works in the folder
//! ```
//!
//! A file appears under its name only when it is complete, a stage counts as
//! done only while everything its marker names is still there and unchanged,
//! and one process at a time works in a run.

mod atomic;
mod error;
mod hash;
mod metrics;
mod stage;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

pub use atomic::{write_atomic, write_json};
pub use error::RunDirError;
pub use hash::hash_path;
pub use metrics::{MetricsLog, read_metrics};
pub use stage::{Done, Inputs, Stage};

/// The recipe of a run, the first file that is written to its folder.
const RECIPE: &str = "recipe.toml";
/// Held while a process works in the folder.
const LOCK: &str = ".lock";

/// The folder of a run, held exclusively while this value lives.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
    /// The lock is released when the file is closed, also by a crash.
    _lock: File,
}

impl RunDir {
    /// Opens the folder, creates it where it is missing, and locks it.
    ///
    /// # Errors
    ///
    /// A folder that cannot be created or written to, or that another process holds.
    pub fn open(root: &Path) -> Result<Self, RunDirError> {
        atomic_files::fs::create_dir_all(root).map_err(|e| RunDirError::write(root, e))?;
        let path = root.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| RunDirError::write(&path, e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                root: root.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(RunDirError::Locked {
                path: root.to_owned(),
            }),
            Err(TryLockError::Error(e)) => Err(RunDirError::write(&path, e)),
        }
    }

    /// Refuses a folder that has files but no recipe of a run: they are somebody else's.
    ///
    /// # Errors
    ///
    /// [`RunDirError::Foreign`].
    pub fn check_own(root: &Path) -> Result<(), RunDirError> {
        let entries = match std::fs::read_dir(root) {
            Ok(entries) if !root.join(RECIPE).is_file() => entries,
            _ => return Ok(()),
        };
        let mut names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        match names.find(|name| name != LOCK) {
            Some(name) => Err(RunDirError::Foreign {
                path: root.to_owned(),
                file: root.join(name),
            }),
            None => Ok(()),
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path inside the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes `recipe.toml`.
    pub fn write_recipe(&self, text: &str) -> Result<(), RunDirError> {
        write_atomic(&self.path(RECIPE), text.as_bytes())
    }

    /// Opens `metrics.jsonl` for appending.
    pub fn metrics(&self) -> Result<MetricsLog, RunDirError> {
        MetricsLog::open(&self.path("metrics.jsonl"))
    }
}

#[cfg(test)]
mod tests;
