//! The labels of a whole file, collected from its rows.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::Error;
use crate::format::Format;
use crate::reader::{ReadOptions, open};

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
