//! Files of entities: folders searched, formats recognised, options complete.

use std::fs;
use std::path::{Path, PathBuf};

use ner_datasets::{Format, Policy, ReadOptions, scan_labels};

use crate::error::{Context, Error, Result};

/// Names that a dataset's rows have, by their ending.
const ENDINGS: [&str; 11] = [
    "json",
    "jsonl",
    "jsonlines",
    "ndjson",
    "txt",
    "tsv",
    "conll",
    "conllu",
    "bio",
    "iob",
    "parquet",
];

/// The files of some paths with their formats. A file that is named must be of a known format; one that is found in a
/// folder is left out if it is not.
///
/// # Errors
/// A folder that cannot be listed or has no such file, a file of no known format.
pub fn files(paths: &[PathBuf], from: Option<Format>) -> Result<Vec<(PathBuf, Format)>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            search(path, from, &mut files)?;
            if files.len() == before {
                let message = format!("{}: no file of a known format", path.display());
                return Err(Error::Usage(message));
            }
        } else {
            files.push((path.clone(), format_of(path, from)?));
        }
    }
    Ok(files)
}

/// The given format, or the one that the file has.
///
/// # Errors
/// A file that cannot be read or is of no known format.
pub fn format_of(path: &Path, from: Option<Format>) -> Result<Format> {
    match from {
        Some(format) => Ok(format),
        None => Ok(Format::detect(path)?),
    }
}

fn search(dir: &Path, from: Option<Format>, files: &mut Vec<(PathBuf, Format)>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.with_context(|| format!("cannot list {}", dir.display()))?;
    paths.sort_unstable();
    for path in paths {
        if path.is_dir() {
            search(&path, from, files)?;
        } else if is_candidate(&path) {
            match format_of(&path, from) {
                Ok(format) => files.push((path, format)),
                Err(error) => tracing::warn!("left out: {error}"),
            }
        }
    }
    Ok(())
}

fn is_candidate(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is_labels = path.file_name().is_some_and(|name| name == "labels.json");
    !is_labels && ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Completes the options with the labels of the whole file, where its rows state no schema and no list is given.
///
/// # Errors
/// A file that cannot be read.
pub fn with_schema(path: &Path, format: Format, options: ReadOptions) -> Result<ReadOptions> {
    let has_list = format == Format::InstructUie && path.with_file_name("labels.json").is_file();
    if format.has_schema() || has_list || options.labels.is_some() {
        return Ok(options);
    }
    // Faults are reported by the second pass.
    let first = ReadOptions {
        policy: Policy::lenient(),
        check_ids: false,
        ..options.clone()
    };
    let labels = scan_labels(path, format, first)?;
    Ok(ReadOptions {
        labels: Some(labels),
        ..options
    })
}
