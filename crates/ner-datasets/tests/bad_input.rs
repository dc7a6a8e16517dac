//! Bad files: each fault named with its line, counted, and fatal or remedied by the policy.

use std::fs;
use std::path::Path;

use ner_datasets::{FaultKind, Format, Policy, ReadOptions, open};

fn options(policy: Policy) -> ReadOptions {
    ReadOptions {
        labels: Some(vec!["x".into(), "y".into()]),
        policy,
        check_ids: true,
        ..ReadOptions::default()
    }
}

/// The file has `count` faults of `kind`, the first in `line`. With all faults remedied, `sentences` are read; with
/// this one fatal, an error names the line.
#[track_caller]
fn check(bytes: &[u8], format: Format, kind: FaultKind, line: usize, sentences: &[&str]) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("bad");
    fs::write(&path, bytes).expect("written");
    let mut reader = open(&path, format, options(Policy::lenient())).expect("opened");
    let read: Vec<String> = reader
        .by_ref()
        .map(|row| row.expect("no fault is fatal").example.sentence)
        .collect();
    assert_eq!(read, sentences, "{kind}");
    let faults = reader.faults();
    let first = faults.first.iter().find(|fault| fault.kind == kind);
    let first = first.unwrap_or_else(|| panic!("no {kind} in {faults:?}"));
    assert_eq!(
        (first.line, first.path.as_path()),
        (line, path.as_path()),
        "{kind}"
    );
    assert_fatal(&path, format, kind, line);
}

#[track_caller]
fn assert_fatal(path: &Path, format: Format, kind: FaultKind, line: usize) {
    let policy = Policy::lenient().fatal(kind);
    let result = open(path, format, options(policy)).and_then(|reader| reader.finish());
    let message = result.expect_err("the fault is fatal").to_string();
    let place = match kind {
        FaultKind::Empty => format!("{}: ", path.display()),
        _ => format!("{}:{line}: expected ", path.display()),
    };
    assert!(message.starts_with(&place), "{message}");
}

#[test]
fn faults_of_bio_files() {
    use FaultKind::*;
    let bio = |text: &str, kind, line, sentences: &[&str]| {
        check(text.as_bytes(), Format::Bio, kind, line, sentences);
    };
    bio("\u{feff}a\tB-x\n", ByteOrderMark, 1, &["a"]);
    bio("a\tO\nb\tB-x\r\n", CarriageReturn, 2, &["a b"]);
    bio("a\tO\nb\n\nc\tO\n", NotARow, 2, &["c"]);
    bio("a\tO\nb\tX-x\n\nc\tO\n", NotARow, 2, &["c"]);
    bio("a\tO\nb\tc\tB-x\n", TabInWord, 2, &["a b c"]);
    bio("a\tO\n\tO\nb\tO\n", BlankWord, 2, &["a b"]);
    bio("\n \tO\n\nb\tO\n", BlankWord, 2, &["b"]);
    bio("a\tO\nb\tI-x\n", OrphanInside, 2, &["a b"]);
    bio("a\tB-z\n", UnknownLabel, 1, &["a"]);
    bio("", Empty, 0, &[]);
    bio("\n\n", Empty, 0, &[]);
    let long = format!("a\tO\n\n{}\tO\nb\tO\n\nc\tO\n", "x".repeat(2 << 20));
    bio(&long, TooLong, 3, &["a", "c"]);
    let mixed = b"a\tO\n\ncaf\xe9\tB-x\nb\tO\n\nc\tO\n";
    check(mixed, Format::Bio, NotUtf8, 3, &["a", "c"]);
    check(b"O a\nB-x\n\nO c", Format::MitBio, NotARow, 2, &["c"]);
}

#[test]
fn faults_of_json_files() {
    use FaultKind::*;
    let row = |sentence: &str| {
        format!("{{\"id\": \"{sentence}\", \"text\": \"{sentence}\", \"entities\": []}}")
    };
    let (a, b) = (row("a"), row("b"));
    let plain = |text: &str, kind, line, sentences: &[&str]| {
        check(text.as_bytes(), Format::Plain, kind, line, sentences);
    };
    plain(&format!("\u{feff}[{a}]"), ByteOrderMark, 1, &["a"]);
    plain(&format!("{a}\n{{\"id\": 3}}\n{b}"), NotARow, 2, &["a", "b"]);
    plain(
        &format!("[{a},\n{{\"text\":\n3}},{b}]"),
        NotARow,
        3,
        &["a", "b"],
    );
    plain(&format!("[{a},\n{b}\n"), NotARow, 3, &["a", "b"]);
    plain(&format!("{a}\n{b}\n{a}\n"), DuplicateId, 3, &["a", "b"]);
    plain("[]", Empty, 0, &[]);
    plain("", Empty, 0, &[]);
    let long = row(&"x".repeat(2 << 20));
    plain(&format!("{a}\n{long}\n{b}"), TooLong, 2, &["a", "b"]);
    plain(&format!("[{a},\n{long},{b}]"), TooLong, 2, &["a", "b"]);
    let label = r#"{"text": "a", "entities": [{"text": "a", "label": "z"}]}"#;
    plain(label, UnknownLabel, 1, &["a"]);
    let offset =
        r#"{"text": "a", "entities": [{"text": "a", "label": "x", "start": 0, "end": 9}]}"#;
    plain(offset, WrongOffset, 1, &["a"]);
    let mixed = [a.as_bytes(), b"\n{\"text\": \"caf\xe9\"}\n", b.as_bytes()].concat();
    check(&mixed, Format::Plain, NotUtf8, 2, &["a", "b"]);
    let returns = format!("{a}\r\n{b}\r\n");
    plain(&returns, CarriageReturn, 1, &["a", "b"]);
}

#[test]
fn unknown_labels_are_dropped_with_their_places_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.txt");
    fs::write(&path, "a\tB-z\nb\tB-x\nc\tB-z\nd\tB-y\n").expect("written");
    let mut reader = open(&path, Format::Bio, options(Policy::lenient())).expect("opened");
    let row = reader.next().expect("a row").expect("no fault is fatal");
    let labels: Vec<&str> = row
        .example
        .entities
        .iter()
        .map(|e| e.label.as_str())
        .collect();
    assert_eq!(labels, ["x", "y"]);
    let spans = row.example.entities.iter().map(|entity| entity.span);
    let places: Vec<_> = spans.map(|span| span.map(|span| span.bytes())).collect();
    assert_eq!(places, [Some(2..3), Some(6..7)]);
    assert_eq!(reader.faults().count(FaultKind::UnknownLabel), 2);
}

#[test]
fn a_reader_ends_after_a_fatal_fault() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.txt");
    fs::write(&path, "a\tO\n\nb\n\nc\tO\n").expect("written");
    let mut reader = open(&path, Format::Bio, options(Policy::default())).expect("opened");
    assert!(reader.next().is_some_and(|row| row.is_ok()));
    assert!(reader.next().is_some_and(|row| row.is_err()));
    assert!(reader.next().is_none());
}
