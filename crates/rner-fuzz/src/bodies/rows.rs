//! Files of datasets.

use std::path::Path;

use ner_datasets::{
    BioColumns, Format, Policy, ReadOptions, Row, from_reader, open, read_bio, write_rows,
};
use ner_types::Example;

use crate::scratch;

const JSON: [Format; 13] = [
    Format::InstructUie,
    Format::UniNer,
    Format::NerCot,
    Format::Gliner,
    Format::Plain,
    Format::Tokens,
    Format::Slimer,
    Format::Gliner2,
    Format::Doccano,
    Format::LabelStudio,
    Format::Prodigy,
    Format::Spacy,
    Format::Hub,
];

/// The three BIO readers on any bytes: no panic, and every place is on the borders of characters and equal to its text.
pub(crate) fn bio(data: &[u8]) {
    for format in [Format::Bio, Format::MitBio, Format::IndexedBio] {
        for row in rows(data, format, 1 << 20) {
            for entity in &row.example.entities {
                let span = entity.span.expect("BIO states places");
                let text = span.text(&row.example.sentence);
                assert_eq!(text, Some(entity.text.as_str()));
            }
        }
    }
}

/// A file of CoNLL as one: what the strict reader takes, the lenient one reads alike, and what is written of it is read
/// back.
pub(crate) fn conll(data: &[u8]) {
    let lenient: Vec<Row> = rows(data, Format::Bio, usize::MAX).collect();
    scratch::with(|scratch| {
        let path = scratch.write("rows.conll", data);
        if let Ok(strict) = read_bio(&path, "set", BioColumns::TagLast) {
            let sentences = |examples: &[Example]| -> Vec<String> {
                examples.iter().map(|e| e.sentence.clone()).collect()
            };
            let plain: Vec<Example> = lenient.iter().map(|row| row.example.clone()).collect();
            assert_eq!(sentences(&strict), sentences(&plain));
        }
        // A sentence that begins as a comment or a document does is one when it is written, and a byte order mark at
        // the head of a file is no part of its first word.
        let begins = ['#', '-', '\u{feff}'];
        let means_more = |row: &&Row| !row.example.sentence.trim_start().starts_with(begins);
        let rows: Vec<Row> = lenient.iter().filter(means_more).cloned().collect();
        is_read_back(&scratch.path().join("written.conll"), Format::Bio, &rows);
    });
}

/// The JSON readers on any bytes, in the format that the first one names: no panic, and every stated place is equal to
/// its text.
pub(crate) fn json(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let format = JSON[usize::from(*first) % JSON.len()];
    for row in rows(rest, format, 1 << 12) {
        check_places(&row);
    }
}

/// Lines of examples: what is read and written is the same when it is read again.
pub(crate) fn jsonl(data: &[u8]) {
    let read: Vec<Row> = rows(data, Format::NerCot, 1 << 20).collect();
    let line =
        |row: &Row| serde_json::to_string(&row.example).expect("an example is written") + "\n";
    let written: String = read.iter().map(line).collect();
    let again = rows(written.as_bytes(), Format::NerCot, usize::MAX);
    let again: Vec<Example> = again.map(|row| row.example).collect();
    let read: Vec<Example> = read.into_iter().map(|row| row.example).collect();
    assert_eq!(again, read);
}

/// A Parquet file: rows or an error, and what is written of the rows is read back.
pub(crate) fn parquet(data: &[u8]) {
    scratch::with(|scratch| {
        let path = scratch.write("rows.parquet", data);
        let Ok(rows) = open(&path, Format::Parquet, options(1 << 20)) else {
            return;
        };
        // A file may end in an error after its first rows.
        let rows: Vec<Row> = rows.map_while(Result::ok).collect();
        rows.iter().for_each(check_places);
        let written = scratch.path().join("written.parquet");
        is_read_back(&written, Format::Parquet, &rows);
    });
}

fn check_places(row: &Row) {
    for (entity, span) in row.example.entities.iter().zip(row.located()) {
        assert!(span.is_none_or(|span| row.example.sentence[span] == entity.text));
    }
}

fn options(max_row_bytes: usize) -> ReadOptions {
    ReadOptions {
        policy: Policy::lenient(),
        max_row_bytes,
        ..ReadOptions::default()
    }
}

fn rows(data: &[u8], format: Format, max_row_bytes: usize) -> impl Iterator<Item = Row> {
    let source = std::io::Cursor::new(data.to_vec());
    let rows = from_reader("fuzz".as_ref(), source, format, options(max_row_bytes));
    let rows = rows.expect("memory is readable");
    rows.map(|row| row.expect("no fault is fatal"))
}

/// Sentences and mentions survive the way through a file.
fn is_read_back(path: &Path, format: Format, rows: &[Row]) {
    let source = rows.iter().cloned().map(Ok);
    let written = write_rows(path, format, source, Policy::lenient()).expect("rows are written");
    assert_eq!(written.n_rows, rows.len());
    let options = options(usize::MAX);
    let again = open(path, format, options).expect("what was written is opened");
    let again: Vec<Row> = again.map(|row| row.expect("no fault is fatal")).collect();
    assert_eq!(again.len(), rows.len());
    for (again, row) in again.iter().zip(rows) {
        assert_eq!(plain(&again.example.sentence), plain(&row.example.sentence));
        if written.faults.total() == 0 {
            assert_eq!(texts(again), texts(row));
        }
    }
}

/// A text with plain blanks: a column of BIO cannot hold another white space, so the writer makes a blank of it.
fn plain(text: &str) -> String {
    let blank = |c: char| if c.is_whitespace() { ' ' } else { c };
    text.chars().map(blank).collect()
}

fn texts(row: &Row) -> Vec<(String, &str)> {
    let entities = row.example.entities.iter();
    entities.map(|e| (plain(&e.text), &*e.label)).collect()
}
