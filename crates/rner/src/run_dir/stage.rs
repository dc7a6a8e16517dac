//! A stage's folder, its done marker, and whether it may be skipped.

use super::{RunDirError, hash_path, write_json};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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

/// The settings of a stage in words, key by key, to name what differs.
pub type Settings = BTreeMap<String, String>;

/// What unfinished work in a stage's folder is made from, `work.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Work {
    inputs: Inputs,
    recipe_hash: String,
    /// What the hash is of, as far as it is known: older folders have none.
    #[serde(default)]
    settings: Settings,
    program_version: String,
}

impl Work {
    /// Whether it is the same work. What the hash is of needs no look.
    fn is(&self, other: &Self) -> bool {
        self.inputs == other.inputs
            && self.recipe_hash == other.recipe_hash
            && self.program_version == other.program_version
    }

    /// What sets other work apart from this one, in words.
    fn difference(&self, other: &Self) -> String {
        let names = self.inputs.keys().chain(other.inputs.keys());
        let mut names: Vec<&str> = names
            .filter(|name| self.inputs.get(*name) != other.inputs.get(*name))
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        if self.recipe_hash != other.recipe_hash {
            names.extend(differences(&self.settings, &other.settings));
        }
        if self.program_version != other.program_version {
            names.push("version of the program".to_owned());
        }
        names.join(", ")
    }
}

/// What the folder of a training says of it.
#[derive(Debug)]
pub struct Made {
    work: Work,
    done: Option<Done>,
}

impl Made {
    /// Reads it; nothing for a folder that no command claimed.
    pub fn read(dir: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(dir.join("work.json")).ok()?;
        let done = std::fs::read_to_string(dir.join("done.json")).ok();
        Some(Self {
            work: serde_json::from_str(&text).ok()?,
            done: done.and_then(|text| serde_json::from_str(&text).ok()),
        })
    }

    /// The command, or the stage, as far as it is known.
    pub fn command(&self) -> &str {
        let done = || self.done.as_ref().map(|done| done.stage.as_str());
        let command = self.work.inputs.get("command").map(String::as_str);
        command.or_else(done).unwrap_or_default()
    }

    /// What it read: name → BLAKE3.
    pub fn inputs(&self) -> &Inputs {
        &self.work.inputs
    }

    /// The settings; empty for a folder of an older program.
    pub fn settings(&self) -> &Settings {
        &self.work.settings
    }

    /// One of the settings.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.work.settings.get(key).map(String::as_str)
    }

    /// What came out of it, once it is done.
    pub fn summary(&self) -> Option<&str> {
        self.done.as_ref().map(|done| done.summary.as_str())
    }

    /// How long it took since it was last begun, once it is done.
    pub fn seconds(&self) -> Option<f64> {
        self.done.as_ref().map(|done| done.seconds)
    }
}

/// Settings that differ which a message has room for.
const SHOWN: usize = 3;

/// The keys that differ with both values, or that something does where they are not known.
fn differences(there: &Settings, here: &Settings) -> Vec<String> {
    let value = |of: &Settings, key: &String| of.get(key).cloned().unwrap_or("none".to_owned());
    let keys: BTreeSet<&String> = there.keys().chain(here.keys()).collect();
    let differs = |key: &&String| there.get(*key) != here.get(*key);
    let words = |key: &String| {
        let (there, here) = (value(there, key), value(here, key));
        format!("{key}: {there} there, {here} here")
    };
    let mut all: Vec<String> = keys.into_iter().filter(differs).map(words).collect();
    if there.is_empty() || all.is_empty() {
        return vec!["settings".to_owned()];
    }
    let more = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    all.extend((more > 0).then(|| format!("{more} more settings")));
    all
}

/// The folder `stage-<n>-<name>` of a run.
#[derive(Clone, Debug)]
pub struct Stage {
    name: String,
    dir: PathBuf,
    settings: Settings,
}

impl Stage {
    /// The stage with this number and name; its folder is created when it is begun.
    pub fn at(root: &Path, number: usize, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            dir: root.join(format!("stage-{number}-{name}")),
            settings: Settings::new(),
        }
    }

    /// Work that stands alone, in a folder of its own.
    pub fn alone(dir: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            dir: dir.to_owned(),
            settings: Settings::new(),
        }
    }

    /// The same stage, whose recipe hash is of these settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// What the work of this stage is made from.
    fn work(&self, inputs: &Inputs, recipe_hash: &str) -> Work {
        Work {
            inputs: inputs.clone(),
            recipe_hash: recipe_hash.to_owned(),
            settings: self.settings.clone(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
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

    /// Makes the folder belong to this work: an empty one is taken, one that was begun with the same inputs, recipe and
    /// program is gone on with, and any other is left as it is.
    ///
    /// # Errors
    ///
    /// [`RunDirError::ForeignFolder`] and [`RunDirError::OtherWork`]; a file that cannot be read or written.
    pub fn claim(&self, inputs: &Inputs, recipe_hash: &str) -> Result<(), RunDirError> {
        let (work, path) = (self.work(inputs, recipe_hash), self.path("work.json"));
        let other = |what| RunDirError::OtherWork {
            path: self.dir.clone(),
            what,
        };
        if let Ok(text) = std::fs::read_to_string(&path) {
            return match serde_json::from_str::<Work>(&text) {
                Ok(found) if found.is(&work) => Ok(()),
                Ok(found) => Err(other(found.difference(&work))),
                Err(_) => Err(other("unknown, as work.json cannot be read".to_owned())),
            };
        }
        match first_visible(&self.dir)? {
            Some(file) => Err(RunDirError::ForeignFolder {
                path: self.dir.clone(),
                file,
            }),
            None => write_json(&path, &work),
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
