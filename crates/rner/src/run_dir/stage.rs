//! A stage's folder, its done marker, and whether it may be skipped.

use super::{RunDirError, hash_path, write_json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a stage reads: a name and the hash of the content.
pub type Inputs = BTreeMap<String, String>;

/// The done marker of a stage, `done.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Name of the stage.
    pub stage: String,
    /// What it read: name → blake3.
    pub inputs: Inputs,
    /// Hash of the recipe's sections that it read.
    pub recipe_hash: String,
    /// Version of the program that wrote it.
    pub program_version: String,
    /// What it wrote: path inside the stage's folder → blake3.
    pub outputs: BTreeMap<String, String>,
    /// How long it took since it was last begun.
    pub seconds: f64,
    /// What came out of it, in a few words.
    pub summary: String,
}

/// What unfinished work in a stage's folder is made from, `work.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Work {
    inputs: Inputs,
    recipe_hash: String,
    program_version: String,
}

impl Work {
    fn of(inputs: &Inputs, recipe_hash: &str) -> Self {
        Self {
            inputs: inputs.clone(),
            recipe_hash: recipe_hash.to_owned(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// What sets other work apart from this one, in words.
    fn difference(&self, other: &Self) -> String {
        let names = self.inputs.keys().chain(other.inputs.keys());
        let mut names: Vec<&str> = names
            .filter(|name| self.inputs.get(*name) != other.inputs.get(*name))
            .map(String::as_str)
            .collect();
        if self.recipe_hash != other.recipe_hash {
            names.push("settings");
        }
        if self.program_version != other.program_version {
            names.push("version of the program");
        }
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

/// The folder `stage-<n>-<name>` of a run.
#[derive(Clone, Debug)]
pub struct Stage {
    name: String,
    dir: PathBuf,
}

impl Stage {
    /// The stage with this number and name; its folder is created when it is begun.
    pub fn at(root: &Path, number: usize, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            dir: root.join(format!("stage-{number}-{name}")),
        }
    }

    /// Work that stands alone, in a folder of its own.
    pub fn alone(dir: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            dir: dir.to_owned(),
        }
    }

    /// The stage's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path inside the folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// The marker of an earlier run if the stage may be skipped.
    ///
    /// It may if inputs, recipe hash and program version are the same and every
    /// output is still there with the same content. An unreadable marker counts
    /// as none: the stage is then done again.
    pub fn is_done(&self, inputs: &Inputs, recipe_hash: &str) -> Option<Done> {
        let text = std::fs::read_to_string(self.path("done.json")).ok()?;
        let done: Done = serde_json::from_str(&text).ok()?;
        let same = done.stage == self.name
            && done.inputs == *inputs
            && done.recipe_hash == recipe_hash
            && done.program_version == env!("CARGO_PKG_VERSION");
        (same && self.outputs_match(&done)).then_some(done)
    }

    /// Whether there is a marker of this program with these settings, whatever the stage read.
    pub fn was_done_with(&self, recipe_hash: &str) -> bool {
        let text = std::fs::read_to_string(self.path("done.json")).ok();
        let done: Option<Done> = text.and_then(|text| serde_json::from_str(&text).ok());
        done.is_some_and(|done| {
            done.recipe_hash == recipe_hash && done.program_version == env!("CARGO_PKG_VERSION")
        })
    }

    fn outputs_match(&self, done: &Done) -> bool {
        done.outputs
            .iter()
            .all(|(file, hash)| hash_path(&self.path(file)).is_ok_and(|found| found == *hash))
    }

    /// Creates the folder and takes the done marker away, because what it says
    /// is about to become untrue. Other files stay, so that the stage can resume.
    pub fn begin(&self) -> Result<(), RunDirError> {
        atomic_files::fs::create_dir_all(&self.dir)
            .map_err(|e| RunDirError::write(&self.dir, e))?;
        let marker = self.path("done.json");
        match atomic_files::fs::remove_file(&marker) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(RunDirError::write(&marker, e))
            }
            _ => Ok(()),
        }
    }

    /// Empties the folder unless what lies there was begun with the same inputs,
    /// recipe and program: a stage must not go on from a checkpoint or a journal
    /// of another one. Call it after [`Stage::begin`].
    pub fn keep_only_same_work(
        &self,
        inputs: &Inputs,
        recipe_hash: &str,
    ) -> Result<(), RunDirError> {
        let work = Work::of(inputs, recipe_hash);
        let path = self.path("work.json");
        let found = std::fs::read_to_string(&path).ok();
        let found = found.and_then(|text| serde_json::from_str::<Work>(&text).ok());
        if found.as_ref() == Some(&work) {
            return Ok(());
        }
        let removed = atomic_files::remove_dir(&self.dir);
        removed
            .map_err(atomic_files::Error::into_io)
            .and_then(|()| atomic_files::fs::create_dir_all(&self.dir))
            .map_err(|e| RunDirError::write(&self.dir, e))?;
        write_json(&path, &work)
    }

    /// Makes the folder belong to this work: an empty one is taken, one that was begun with the same inputs, recipe and
    /// program is gone on with, and any other is left as it is.
    ///
    /// # Errors
    ///
    /// [`RunDirError::ForeignFolder`] and [`RunDirError::OtherWork`]; a file that cannot be read or written.
    pub fn claim(&self, inputs: &Inputs, recipe_hash: &str) -> Result<(), RunDirError> {
        let (work, path) = (Work::of(inputs, recipe_hash), self.path("work.json"));
        let found = std::fs::read_to_string(&path).ok();
        let found = found.and_then(|text| serde_json::from_str::<Work>(&text).ok());
        let dir = self.dir.clone();
        match (found, first_visible(&self.dir)?) {
            (Some(found), _) if found == work => Ok(()),
            (Some(found), _) => Err(RunDirError::OtherWork {
                path: dir,
                what: found.difference(&work),
            }),
            (None, Some(file)) => Err(RunDirError::ForeignFolder { path: dir, file }),
            (None, None) => write_json(&path, &work),
        }
    }

    /// Hashes the outputs and writes the done marker.
    ///
    /// `summary` says what came out of the stage in a few words; `outputs` are files or directories inside the stage's
    /// folder.
    pub fn finish(
        &self,
        inputs: &Inputs,
        recipe_hash: &str,
        outputs: &[&str],
        seconds: f64,
        summary: &str,
    ) -> Result<Done, RunDirError> {
        let mut hashes = BTreeMap::new();
        for file in outputs {
            hashes.insert((*file).to_owned(), hash_path(&self.path(file))?);
        }
        let done = Done {
            stage: self.name.clone(),
            inputs: inputs.clone(),
            recipe_hash: recipe_hash.to_owned(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            outputs: hashes,
            seconds,
            summary: summary.to_owned(),
        };
        write_json(&self.path("done.json"), &done)?;
        Ok(done)
    }
}

/// A file or folder in a folder that is not hidden, if there is one.
pub(crate) fn first_visible(dir: &Path) -> Result<Option<PathBuf>, RunDirError> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(|error| RunDirError::read(dir, error))?,
    };
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(b".")
    };
    Ok(paths.find(|path| !is_hidden(path)))
}
