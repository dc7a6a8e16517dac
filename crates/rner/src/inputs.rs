//! Files of entities: folders searched, formats recognised, options complete, rows read.

use std::fs;
use std::path::{Path, PathBuf};

use ner_datasets::{
    FaultKind, FaultReport, Format, Offsets, Policy, ReadOptions, ScannedTypes, Types, open,
    scan_types,
};
use ner_types::Example;
use serde::{Deserialize, Serialize};

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

/// More types than this are too many for every prompt.
pub(crate) const MANY_TYPES: usize = 100;

/// What a file does not say of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reading {
    /// In what its offsets are counted.
    pub offsets: Offsets,
    /// The names of numbered tags, in their order.
    pub tag_names: Option<Vec<String>>,
}

impl Reading {
    /// The options of a reader.
    pub fn options(&self) -> ReadOptions {
        ReadOptions {
            offsets: self.offsets,
            tag_names: self.tag_names.clone(),
            ..ReadOptions::default()
        }
    }

    /// Whether there is nothing that a file would not say.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The rows of a file.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The rows with the types that they are asked for.
    pub examples: Vec<Example>,
    /// What is to be said about them: types that the file gives, and faults that were remedied, as sentences.
    pub notes: Vec<String>,
}

/// Reads annotated rows, whatever the file's format is. Rows that state no types have those of the whole file.
///
/// # Errors
/// A file that cannot be read, is of no known format, has a fault that is fatal, or in which no row has a key for
/// mentions: sentences that are still to be annotated.
pub fn read(path: &Path, reading: &Reading) -> Result<Rows> {
    // NER-CoT's rows are examples already, with places only where somebody wrote them.
    rows(path, reading, |format| format == Format::NerCot)
}

/// Reads annotated rows of entities with the places of their mentions, to be compared with others.
///
/// # Errors
/// As [`read`]; rows of relations or events, whose places are not known.
pub fn read_placed(path: &Path, reading: &Reading) -> Result<Rows> {
    let rows = rows(path, reading, |_| true)?;
    let mut examples = (1..).zip(&rows.examples);
    let other = examples.find(|(_, example)| !example.task().is_entities());
    match other {
        None => Ok(rows),
        Some((number, example)) => Err(Error::Usage(format!(
            "{}: row {number} is of {}, expected entities; `rner eval` scores those",
            path.display(),
            example.task()
        ))),
    }
}

fn rows(path: &Path, reading: &Reading, is_placed: fn(Format) -> bool) -> Result<Rows> {
    let format = format_of(path, None)?;
    let options = ReadOptions {
        max_row_bytes: usize::MAX,
        ..reading.options()
    };
    let options = with_schema(path, format, options)?;
    let types = options.types.clone();
    let mut reader = open(path, format, options)?;
    let mut examples = Vec::new();
    for row in reader.by_ref() {
        let row = row?;
        examples.push(if is_placed(format) {
            row.example
        } else {
            row.into_unplaced()
        });
    }
    is_annotated(path, &examples, reader.faults())?;
    let mut notes = fault_notes(path, reader.faults());
    notes.extend(types.map(|types| types_note(path, &types)));
    Ok(Rows { examples, notes })
}

fn types_note(path: &Path, types: &Types) -> String {
    let (Types::All(of) | Types::Sampled { of, .. }) = types;
    let many = match of.len() {
        0..=MANY_TYPES => "",
        _ => ", which makes long prompts",
    };
    let path = path.display();
    let n = of.len();
    format!("{path}: rows that state no types are asked for the {n} of the whole file{many}")
}

/// Sentences without annotation are nothing to train on or to score by.
fn is_annotated(path: &Path, examples: &[Example], faults: &FaultReport) -> Result<()> {
    let n = examples.len();
    if faults.count(FaultKind::Unannotated) < n as u64 {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{}: expected rows with entities, but none of {n} has a key for them; `rner cot generate` annotates such rows, \
         and `rner data formats` lists what is read",
        path.display()
    )))
}

/// Faults that were remedied, each kind with its first place.
fn fault_notes(path: &Path, faults: &FaultReport) -> Vec<String> {
    let note = |(kind, count): (&FaultKind, &u64)| {
        let first = faults.first.iter().find(|fault| fault.kind == *kind);
        let first = first.map_or_else(|| path.display().to_string(), ToString::to_string);
        format!("{count} × {kind} ({}), the first: {first}", kind.remedy())
    };
    faults.counts.iter().map(note).collect()
}

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

/// Completes the options with the types of the whole file, for rows that state none, where no list of labels is given.
///
/// # Errors
/// A file that cannot be read.
pub fn with_schema(path: &Path, format: Format, options: ReadOptions) -> Result<ReadOptions> {
    let has_list = format == Format::InstructUie && path.with_file_name("labels.json").is_file();
    if has_list || options.labels.is_some() {
        return Ok(options);
    }
    let found = types_of(path, format, &options)?;
    let types = found.map(|found| Types::All(found.types));
    Ok(ReadOptions { types, ..options })
}

/// The types of a file, for its rows that state none; `None` if all state their own.
///
/// A row of a format that has a schema says by an empty one that nothing is asked for. Whether the rows of a Parquet
/// file are of such a format is seen by whether any states a schema.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn types_of(
    path: &Path,
    format: Format,
    options: &ReadOptions,
) -> Result<Option<ScannedTypes>> {
    let is_parquet = format == Format::Parquet;
    if format.has_schema() && !is_parquet {
        return Ok(None);
    }
    // Faults are reported by the second pass.
    let first = ReadOptions {
        policy: Policy::lenient(),
        check_ids: false,
        ..options.clone()
    };
    let found = scan_types(path, format, first)?;
    let open = found.without > 0 && (!is_parquet || found.without == found.rows);
    Ok(open.then_some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, text: &str) -> Result<Rows> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(name);
        fs::write(&path, text).expect("written");
        read(&path, &Reading::default())
    }

    #[test]
    fn rows_of_any_format_have_the_types_of_their_file() {
        let bio = "Ardela\tB-person\nleft\tO\nBrel\tB-city\n\nso\tO\n";
        let bio = rows("a.conll", bio).expect("rows");
        let plain = r#"{"text": "Ardela left Brel", "entities": [{"start": 0, "end": 6, "label": "person"}, {"text": "Brel", "label": "city"}]}
{"text": "so", "entities": []}"#;
        let plain = rows("a.jsonl", plain).expect("rows");
        assert_eq!(bio.examples, plain.examples);
        assert_eq!(bio.examples[1].schema, ["city", "person"]);
        assert!(
            bio.notes[0].contains("the 2 of the whole file"),
            "{:?}",
            bio.notes
        );
    }

    #[test]
    fn rows_without_any_annotation_are_refused_and_faults_are_told() {
        let bare = rows(
            "a.jsonl",
            r#"{"sentence": "Brel sleeps.", "schema": ["city"]}"#,
        );
        let message = bare.expect_err("nothing to train on").to_string();
        assert!(message.contains("none of 1"), "{message}");
        let row = r#"{"sentence": "Brel sleeps.", "schema": ["city"], "entities": [{"text": "Halvek", "label": "city"}]}"#;
        let notes = rows("a.jsonl", row).expect("rows").notes;
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(
            notes[0].starts_with("1 × not-in-sentence (kept as it stands)"),
            "{notes:?}"
        );
    }
}
