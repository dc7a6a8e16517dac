//! The labels and types of a whole file, collected from its rows.

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

/// The types of a file, as its rows have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScannedTypes {
    /// All labels that rows state or mentions of other rows have, sorted.
    pub types: Vec<String>,
    /// Rows of the file.
    pub rows: usize,
    /// Rows that state no types.
    pub without: usize,
}

/// Goes through a file for the types of its rows.
///
/// # Errors
///
/// As reading the file with these options.
pub fn scan_types(
    path: &Path,
    format: Format,
    options: ReadOptions,
) -> Result<ScannedTypes, Error> {
    let mut reader = open(path, format, options)?;
    let mut types: BTreeSet<String> = BTreeSet::new();
    for row in reader.by_ref() {
        for label in row?.example.schema {
            if !types.contains(&label) {
                types.insert(label);
            }
        }
    }
    Ok(ScannedTypes {
        types: types.into_iter().collect(),
        rows: reader.n_rows(),
        without: reader.n_without_types(),
    })
}
