//! InstructUIE's layout: `<dataset>/{train,dev,test}.json` beside `labels.json`.
//!
//! A split is an array of `{"sentence", "entities": [{"name", "type", "pos"}]}`. Here the character offsets `pos` are
//! dropped: the method works on strings, and published copies disagree on them. [`crate::open`] keeps those that are
//! right.

use std::fs;
use std::path::{Path, PathBuf};

use ner_types::Example;

use crate::error::Error;
use crate::format::Format;
use crate::formats::instruct_uie::LABELS;
use crate::labels::read_labels;
use crate::reader::{ReadOptions, open_as};
use crate::row::Row;
use crate::splits::dataset::{Dataset, Split, guid_prefix, source_name};

/// Reads one split of the dataset in `dir`, which is named after the folder. The schema of every example is
/// `labels.json`, as written.
///
/// # Errors
///
/// If a file is missing, is not of the format or has no example.
pub fn read_split(dir: &Path, split: Split) -> Result<Dataset, Error> {
    let name = source_name(&dir.file_name().unwrap_or_default().to_string_lossy());
    let labels = read_labels(&dir.join(LABELS))?;
    let options = ReadOptions {
        dataset: Some(name.clone()),
        guid_prefix: Some(guid_prefix(&name, split)),
        max_row_bytes: usize::MAX,
        ..ReadOptions::default()
    };
    // Labels outside the list stay, as written; `Example::normalized` drops their entities, where the paper does.
    let rows = open_as(&split_path(dir, split), Format::InstructUie, options)?;
    let complete = |row: Result<Row, Error>| {
        let schema = labels.clone();
        row.map(|row| Example {
            schema,
            ..row.into_unplaced()
        })
    };
    let examples: Result<Vec<Example>, Error> = rows.map(complete).collect();
    let examples = examples?;
    Ok(Dataset {
        name,
        labels,
        examples,
    })
}

/// Reads one split of every dataset in `dir`, in the order of their names. A dataset without that split is left out.
///
/// # Errors
///
/// If there is no such dataset, or one of them cannot be read.
pub fn read_dir(dir: &Path, split: Split) -> Result<Vec<Dataset>, Error> {
    let folders: Vec<PathBuf> = folders(dir)?
        .into_iter()
        .filter(|set| split_path(set, split).is_file())
        .collect();
    if folders.is_empty() {
        let expected = format!("folders with {split}.json and {LABELS}");
        return Err(Error::missing(dir, expected, "none"));
    }
    folders
        .iter()
        .map(|folder| read_split(folder, split))
        .collect()
}

/// Whether a folder is a dataset in this layout, judged by its list of labels.
pub(crate) fn is_dataset(dir: &Path) -> bool {
    dir.join(LABELS).is_file()
}

pub(crate) fn split_path(dir: &Path, split: Split) -> PathBuf {
    dir.join(format!("{split}.json"))
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::io(dir, "list"))?;
    let paths: Result<Vec<PathBuf>, _> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let mut paths = paths.map_err(Error::io(dir, "list"))?;
    paths.retain(|path| is_dataset(path));
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use ner_types::Entity;

    use super::*;
    use crate::splits::testing::folder;

    const ROWS: &str = r#"[
  {"sentence": "Ardela Voss left Brel .", "entities": [{"name": " Ardela Voss", "type": "Person", "pos": [0, 11]}]},
  {"sentence": "Nothing .", "entities": []}
]"#;

    #[test]
    fn a_split_is_read() {
        let dir = folder(&[
            ("osmere_sample_50/train.json", ROWS),
            ("osmere_sample_50/labels.json", r#"["Person", "misc"]"#),
        ]);
        let sets = read_dir(dir.path(), Split::Train).expect("readable");
        assert_eq!(
            (sets.len(), sets[0].name.as_str(), sets[0].examples.len()),
            (1, "osmere", 2)
        );
        let first = &sets[0].examples[0];
        assert_eq!(first.entities, [Entity::new("Ardela Voss", "Person")]);
        assert_eq!(first.schema, ["Person", "misc"]);
        assert_eq!(
            (first.guid.as_deref(), first.dataset.as_deref()),
            (Some("osmere-train-0"), Some("osmere"))
        );
    }

    #[track_caller]
    fn check_error(files: &[(&str, &str)], expected: &str) {
        let dir = folder(files);
        let message = read_split(&dir.path().join("set"), Split::Test)
            .expect_err("faulty")
            .to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn faults_are_named_with_file_and_line() {
        let labels = ("set/labels.json", r#"["x"]"#);
        check_error(&[("set/test.json", ROWS)], "labels.json: cannot read");
        check_error(&[labels], "test.json: cannot read");
        check_error(
            &[labels, ("set/test.json", "[]")],
            "test.json: expected at least one example, found none",
        );
        check_error(
            &[labels, ("set/test.json", "[\n{\"sentence\": 3}]")],
            "test.json:2: expected a row {sentence",
        );
        check_error(
            &[labels, ("set/test.json", "[\n{\"sentence\": \"a\"}]")],
            "found missing field `entities`",
        );
        check_error(
            &[("set/labels.json", "{}"), ("set/test.json", ROWS)],
            "labels.json:1: expected an array of labels",
        );
    }

    #[test]
    fn a_folder_without_datasets_is_an_error() {
        let dir = folder(&[("set/dev.json", ROWS), ("set/labels.json", "[]")]);
        let message = read_dir(dir.path(), Split::Test)
            .expect_err("no test split")
            .to_string();
        assert!(
            message.contains("expected folders with test.json and labels.json, found none"),
            "{message}"
        );
    }
}
