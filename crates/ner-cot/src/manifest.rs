//! What the answers of a folder were asked for with, written before the first of them costs anything.

use std::path::Path;

use chat_client::{Sampling, Structured};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::journal::Journal;
use crate::plan::Plan;
use crate::report::Provenance;

/// Name of the file.
pub(crate) const MANIFEST_FILE: &str = "manifest.json";

const VERSION: u32 = 1;

/// All settings that are part of a request, and so of its key in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    version: u32,
    #[serde(flatten)]
    provenance: Provenance,
    teacher_sampling: Sampling,
    judge_sampling: Sampling,
    #[serde(default)]
    teacher_format: Structured,
    #[serde(default)]
    judge_format: Structured,
}

impl Manifest {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            version: VERSION,
            provenance: plan.provenance(),
            teacher_sampling: plan.config.teacher.clone(),
            judge_sampling: plan.config.judge.clone(),
            teacher_format: plan.config.teacher_format,
            judge_format: plan.config.judge_format,
        }
    }

    /// Makes the folder this configuration's own.
    ///
    /// Nothing would be lost by going on with another configuration, but all answers would be paid for
    /// again, which is hardly ever what a mistyped flag should do.
    pub(crate) fn claim(
        &self,
        dir: &Path,
        journal: &Journal,
        allow_change: bool,
    ) -> Result<(), Error> {
        let path = dir.join(MANIFEST_FILE);
        let before = Self::read(&path)?;
        if before.as_ref() == Some(self) {
            return Ok(());
        }
        if let Some(before) = before
            && !allow_change
            && !journal.is_empty()
        {
            return Err(Error::OtherConfiguration {
                path,
                answers: journal.len(),
                changes: self.changes_since(&before),
            });
        }
        self.write(&path)
    }

    fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::io("read", path, source)),
        };
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        let read = serde_json::from_value(value);
        match (read, version) {
            (Ok(manifest), Some(found)) if found == u64::from(VERSION) => Ok(Some(manifest)),
            (_, found) => Err(Error::NotAManifest {
                path: path.into(),
                expected: VERSION,
                found: found.map_or("none".into(), |version| version.to_string()),
            }),
        }
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|source| Error::io("write", path, source.into()))?;
        Ok(atomic_files::write(path, text + "\n")?)
    }

    /// The differences, one after the other.
    fn changes_since(&self, before: &Self) -> String {
        let (now, before) = (serde_json::json!(self), serde_json::json!(before));
        let keys = before.as_object().into_iter().flatten();
        let changed = keys.filter(|(key, was)| now.get(key) != Some(was));
        let words = changed.map(|(key, was)| format!("{key} was {was}, is {}", now[key]));
        words.collect::<Vec<_>>().join("; ")
    }
}
