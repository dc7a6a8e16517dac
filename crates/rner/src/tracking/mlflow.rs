//! MLflow's file store: a folder for each experiment, in it one for each run, and in that a file for each metric.
//!
//! The layout is that of `mlflow/store/tracking/file_store.py` of MLflow 2 and 3. `meta.yaml` is written as JSON, which
//! is YAML too.

use std::io::Write;
use std::path::{Path, PathBuf};

use atomic_files::fs::File;
use serde_json::json;

use super::{Curves, Numbers, Tracked, id, now, numbers};
use crate::run_dir::{RunDirError, write_atomic, write_json};

/// Folder of the store in a run's folder.
pub(super) const FOLDER: &str = "mlruns";

/// The experiment, by identifier and name; `0` is MLflow's own `Default`.
const EXPERIMENT: (&str, &str) = ("1", "rner");

/// Of `mlflow.entities.RunStatus`.
const RUNNING: u8 = 1;
const FINISHED: u8 = 3;
const KILLED: u8 = 5;

/// `SourceType.LOCAL`.
const LOCAL: u8 = 4;

/// One run of the store.
#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    id: String,
    name: String,
    begun: u128,
}

impl Store {
    /// Makes the run with its settings, in place of what this training wrote of it before.
    pub(super) fn create(tracked: &Tracked) -> Result<Self, RunDirError> {
        let id = id(tracked, FOLDER, 32)?;
        let experiment = tracked.run.join(FOLDER).join(EXPERIMENT.0);
        let store = Self {
            dir: experiment.join(&id),
            id,
            name: tracked.name.clone(),
            begun: now().as_millis(),
        };
        let removed = atomic_files::remove_dir(&store.dir);
        removed.map_err(|e| RunDirError::write(&store.dir, e.into_io()))?;
        store.describe(&experiment)?;
        for (key, value) in &tracked.settings {
            store.write(&format!("params/{key}"), value)?;
        }
        store.write("tags/mlflow.runName", &store.name)?;
        store.write("tags/mlflow.source.name", "rner")?;
        for folder in ["metrics", "artifacts"] {
            make(&store.dir.join(folder))?;
        }
        store.state(RUNNING)?;
        Ok(store)
    }

    /// Says in the experiment's folder what it is.
    fn describe(&self, experiment: &Path) -> Result<(), RunDirError> {
        let path = experiment.join("meta.yaml");
        if path.is_file() {
            return Ok(());
        }
        let meta = json!({
            "artifact_location": address(experiment),
            "creation_time": self.begun as u64,
            "experiment_id": EXPERIMENT.0,
            "last_update_time": self.begun as u64,
            "lifecycle_stage": "active",
            "name": EXPERIMENT.1,
        });
        write_json(&path, &meta)
    }

    /// Says in the run's folder how it stands.
    fn state(&self, status: u8) -> Result<(), RunDirError> {
        let ended = (status != RUNNING).then(|| now().as_millis() as u64);
        let meta = json!({
            "artifact_uri": address(&self.dir.join("artifacts")),
            "end_time": ended,
            "entry_point_name": "",
            "experiment_id": EXPERIMENT.0,
            "lifecycle_stage": "active",
            "run_id": self.id,
            "run_uuid": self.id,
            "run_name": self.name,
            "source_name": "",
            "source_type": LOCAL,
            "source_version": "",
            "start_time": self.begun as u64,
            "status": status,
            "tags": [],
            "user_id": "rner",
        });
        write_json(&self.dir.join("meta.yaml"), &meta)
    }

    fn write(&self, file: &str, text: &str) -> Result<(), RunDirError> {
        write_atomic(&self.dir.join(file), text.as_bytes())
    }
}

impl Curves for Store {
    fn add(&mut self, step: usize, values: &Numbers) -> Result<(), RunDirError> {
        let now = now().as_millis();
        for (name, value) in numbers(values) {
            let path = self.dir.join("metrics").join(name);
            path.parent().map_or(Ok(()), make)?;
            let line = format!("{now} {value} {step}\n");
            append(&path, &line).map_err(|e| RunDirError::write(&path, e))?;
        }
        Ok(())
    }

    fn end(&mut self, is_done: bool) -> Result<(), RunDirError> {
        self.state(if is_done { FINISHED } else { KILLED })
    }
}

fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let options = options.create(true).append(true);
    File::open_with(path, options)?.write_all(line.as_bytes())
}

fn make(dir: &Path) -> Result<(), RunDirError> {
    atomic_files::fs::create_dir_all(dir).map_err(|e| RunDirError::write(dir, e))
}

/// A folder as MLflow names it. Characters that an address cannot have are written as it wants them.
fn address(dir: &Path) -> String {
    let full = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let mut address = "file://".to_owned();
    for byte in full.display().to_string().bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            address += &format!("%{byte:02X}");
        }
    }
    address
}
