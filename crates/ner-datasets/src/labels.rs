//! Lists of labels: read from a file, or collected from the rows of a dataset.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::{Error, Format, ReadOptions, open};

/// Reads a list of labels: a JSON array of strings, or one label a line.
///
/// # Errors
///
/// If the file cannot be read or is neither.
pub fn read_labels(path: &Path) -> Result<Vec<String>, Error> {
    let text = crate::files::read_text(path)?;
    if text.trim_start().starts_with(['[', '{']) {
        return serde_json::from_str::<Value>(&text)
            .and_then(serde_json::from_value)
            .map_err(|error| Error::json(path, 1, "an array of labels", &error));
    }
    let labels = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(labels.map(String::from).collect())
}

/// All labels of the entities and schemas of a file, sorted: a first pass for formats whose rows state no schema.
///
/// # Errors
///
/// As reading the file with these options.
pub fn scan_labels(
    path: &Path,
    format: Format,
    options: ReadOptions,
) -> Result<Vec<String>, Error> {
    let mut labels = BTreeSet::new();
    for row in open(path, format, options)? {
        let example = row?.example;
        labels.extend(example.schema);
    }
    Ok(labels.into_iter().collect())
}
