//! `metrics.jsonl`: one JSON object per logged step, appended.

use super::RunDirError;
use atomic_files::fs::File;
use serde_json::{Map, Value};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a stage has logged: the step and the numbers of each line.
pub(crate) type History = Vec<(usize, Map<String, Value>)>;

/// The log of a run's metrics, open for appending.
///
/// A line names its `stage`, `seed` and `global_step` (or `step`); the other keys are named as in
/// TRL where TRL has the metric (`loss`, `grad_norm`, `reward`, `kl`, ...).
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Opens the log; a last line that a killed process left unfinished is cut off.
    pub fn open(path: &Path) -> Result<Self, RunDirError> {
        let failed = |e| RunDirError::write(path, e);
        let mut options = std::fs::OpenOptions::new();
        let options = options.create(true).append(true).read(true);
        let file = File::open_with(path, options).map_err(failed)?;
        let text = std::fs::read(path).map_err(failed)?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(failed)?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Takes out what a stage has logged of this step and of later ones, because it is about to log them again: what it
    /// did after the checkpoint that it goes on from, or, at the first step, all of an earlier training.
    pub fn forget_from(&mut self, stage: &str, seed: u64, step: usize) -> Result<(), RunDirError> {
        let text = std::fs::read_to_string(&self.path);
        let text = text.map_err(|e| RunDirError::read(&self.path, e))?;
        let is_later = |line: &&str| {
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                return false;
            };
            let at = line.get("global_step").or(line.get("step"));
            line["stage"] == stage
                && line["seed"] == seed
                && at.and_then(Value::as_u64) >= Some(step as u64)
        };
        let lines = text.split_inclusive('\n');
        let kept: String = lines.filter(|line| !is_later(line)).collect();
        if kept.len() < text.len() {
            super::write_atomic(&self.path, kept.as_bytes())?;
            *self = Self::open(&self.path)?;
        }
        Ok(())
    }

    /// What a stage has logged: step and numbers.
    pub(crate) fn history(&self, stage: &str, seed: u64) -> Result<History, RunDirError> {
        let lines = read_metrics(&self.path)?.into_iter();
        let ours = lines.filter(|line| line["stage"] == stage && line["seed"] == seed);
        let entry = |line: Value| {
            let Value::Object(mut line) = line else {
                return None;
            };
            let step = line.remove("step")?.as_u64()?;
            line.remove("seed");
            Some((step as usize, line))
        };
        Ok(ours.filter_map(entry).collect())
    }

    /// Appends one line.
    pub fn log(&mut self, line: &Value) -> Result<(), RunDirError> {
        let text = format!("{line}\n");
        self.file
            .write_all(text.as_bytes())
            .map_err(|e| RunDirError::write(&self.path, e))
    }
}

/// The lines of a log. A step that a resumed run logged again is read once, as
/// it was logged last; an unfinished last line is left out, a missing file is empty.
pub fn read_metrics(path: &Path) -> Result<Vec<Value>, RunDirError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(RunDirError::read(path, e)),
    };
    let mut lines = Vec::new();
    for (i, line) in text.split_inclusive('\n').enumerate() {
        if !line.ends_with('\n') || line.trim().is_empty() {
            continue;
        }
        lines.push(serde_json::from_str(line).map_err(|e| RunDirError::Format {
            path: path.to_owned(),
            line: i + 1,
            expected: "one JSON object",
            found: e.to_string(),
        })?);
    }
    Ok(last_of_each_step(lines))
}

fn last_of_each_step(lines: Vec<Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<Value> = lines
        .into_iter()
        .rev()
        .filter(|line| match line.get("global_step").or(line.get("step")) {
            // An evaluation is a line of its own beside that of its step.
            Some(step) => seen.insert(format!(
                "{:?}{:?}{step}{}",
                line.get("stage"),
                line.get("seed"),
                line.get("eval_loss").is_some()
            )),
            None => true,
        })
        .collect();
    kept.reverse();
    kept
}
