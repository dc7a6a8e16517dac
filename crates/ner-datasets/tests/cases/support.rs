//! Reading a file and comparing what is read and said.

use std::path::{Path, PathBuf};

use ner_datasets::{FaultKind, Format, Policy, ReadOptions, Row, open};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/cases")
        .join(name)
}

pub(crate) fn lenient() -> ReadOptions {
    ReadOptions {
        policy: Policy::lenient(),
        ..ReadOptions::default()
    }
}

/// A row as `sentence; text=label@start-end, …`, places in characters.
pub(crate) fn shown(row: &Row) -> String {
    let entities = row.example.entities.iter().map(|entity| {
        let place = entity
            .span
            .map(|s| format!("@{}-{}", s.char_start, s.char_end));
        format!(
            "{}={}{}",
            entity.text,
            entity.label,
            place.unwrap_or_default()
        )
    });
    let entities: Vec<String> = entities.collect();
    format!("{}; {}", row.example.sentence, entities.join(", "))
}

/// The file is recognised as `format`, its rows are `rows`, and its faults `faults`: kind, line and a piece of what is
/// said.
#[track_caller]
pub(crate) fn check_path(
    path: &Path,
    options: &ReadOptions,
    format: Format,
    rows: &[&str],
    faults: &[(FaultKind, usize, &str)],
) {
    let name = path.display();
    assert_eq!(Format::detect(path).expect("recognised"), format, "{name}");
    let mut reader = open(path, format, options.clone()).expect("opened");
    let read: Vec<String> = reader
        .by_ref()
        .map(|row| shown(&row.expect("no fault is fatal")))
        .collect();
    assert_eq!(read, rows, "{name}");
    let found = &reader.faults().first;
    let lines: Vec<(FaultKind, usize)> =
        found.iter().map(|fault| (fault.kind, fault.line)).collect();
    let expected: Vec<(FaultKind, usize)> = faults
        .iter()
        .map(|(kind, line, _)| (*kind, *line))
        .collect();
    assert_eq!(lines, expected, "{name}: {found:?}");
    for (fault, (_, _, said)) in found.iter().zip(faults) {
        assert!(fault.to_string().contains(said), "{name}: {fault}");
    }
}

#[track_caller]
pub(crate) fn check(
    name: &str,
    text: &str,
    format: Format,
    rows: &[&str],
    faults: &[(FaultKind, usize, &str)],
) {
    check_with(name, text, &lenient(), format, rows, faults);
}

#[track_caller]
pub(crate) fn check_with(
    name: &str,
    text: &str,
    options: &ReadOptions,
    format: Format,
    rows: &[&str],
    faults: &[(FaultKind, usize, &str)],
) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("written");
    check_path(&path, options, format, rows, faults);
}

pub(crate) const HALVEK: &str =
    "Mira Dolan lives in Port Halvek.; Mira Dolan=PER@0-10, Port Halvek=LOC@20-31";
pub(crate) const NAMES: [&str; 7] = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"];

pub(crate) fn named() -> ReadOptions {
    ReadOptions {
        tag_names: Some(NAMES.map(String::from).to_vec()),
        ..lenient()
    }
}
