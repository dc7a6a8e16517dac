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

use std::path::{Path, PathBuf};

use atomic_files::Lock;

pub use atomic::{write_atomic, write_json};
pub use error::RunDirError;
pub use hash::hash_path;
pub use metrics::{MetricsLog, read_metrics};
pub(crate) use stage::first_visible;
pub use stage::{Done, Inputs, Made, Settings, Stage};

/// The recipe of a run, the first file that is written to its folder.
const RECIPE: &str = "recipe.toml";
/// Name of the file of [`Lock`], which a killed process leaves.
const LOCK: &str = ".lock";

/// The folder of a run, held exclusively while this value lives.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
    sets_aside: bool,
    _lock: Lock,
}

impl RunDir {
    /// Opens the folder, creates it where it is missing, locks it, and removes what killed processes left in it.
    ///
    /// # Errors
    ///
    /// A folder that cannot be created or written to, or that another process holds.
    pub fn open(root: &Path) -> Result<Self, RunDirError> {
        let lock = Lock::folder(root).map_err(|error| match error {
            atomic_files::Error::InUse { path, owner } => RunDirError::Locked { path, owner },
            error => RunDirError::write(root, error.into_io()),
        })?;
        Ok(Self {
            root: root.to_owned(),
            sets_aside: false,
            _lock: lock,
        })
    }

    /// The same folder, where stages of other work are [set aside](atomic_files::set_aside), or else refused.
    #[must_use]
    pub fn setting_aside(mut self, sets_aside: bool) -> Self {
        self.sets_aside = sets_aside;
        self
    }

    /// Whether stages of other work are set aside.
    pub(crate) fn sets_aside(&self) -> bool {
        self.sets_aside
    }

    /// Whether the folder has a recipe already.
    pub(crate) fn has_recipe(&self) -> bool {
        self.path(RECIPE).is_file()
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
