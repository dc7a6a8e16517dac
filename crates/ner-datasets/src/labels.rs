//! Lists of labels, read from a file.

use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::files::read_text;

/// Reads a list of labels: a JSON array of strings, or one label a line.
///
/// # Errors
///
/// If the file cannot be read or is neither.
pub fn read_labels(path: &Path) -> Result<Vec<String>, Error> {
    let text = read_text(path)?;
    if text.trim_start().starts_with(['[', '{']) {
        return serde_json::from_str::<Value>(&text)
            .and_then(serde_json::from_value)
            .map_err(|error| Error::json(path, 1, "an array of labels", &error));
    }
    let labels = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(labels.map(String::from).collect())
}
