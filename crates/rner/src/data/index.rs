//! Name and order of the sets of a benchmark on disk, `suite.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};
use crate::run_dir::write_json;

/// Name and order of the sets.
#[derive(Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) sets: Vec<String>,
}

impl Index {
    /// The index of a folder, if it has one.
    ///
    /// # Errors
    /// A file that is damaged.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join("suite.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            return Ok(None);
        };
        let read = serde_json::from_str(&text);
        let shown = || format!("{}: not the index of a benchmark", path.display());
        read.with_context(shown).map(Some)
    }

    /// Writes the index of a folder.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        Ok(write_json(&dir.join("suite.json"), self)?)
    }
}
