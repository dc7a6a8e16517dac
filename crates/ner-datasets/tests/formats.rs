//! Every format written and read back, and conversions between them, on sentences of our own.

use std::fs;
use std::path::Path;

use ner_datasets::{
    FaultKind, Format, Policy, ReadOptions, Row, Split, open, read_bio, scan_labels, write_rows,
};
use ner_types::{Entity, Example, Span};

const BIO: &str = "Ardela\tB-person\nVoss\tI-person\nsaw\tO\nVoss\tB-person\nin\tO\nPort\tB-city\nHalvek\tI-city\n.\tO\n\nSo\tO\n\nÉmile\tB-person\nOda\tB-person\n小樽\tB-city\n\n";

fn options(labels: &[&str]) -> ReadOptions {
    ReadOptions {
        labels: Some(labels.iter().map(|label| label.to_string()).collect()),
        policy: Policy::strict(),
        check_ids: true,
        ..ReadOptions::default()
    }
}

fn read(path: &Path, format: Format, options: ReadOptions) -> Vec<Row> {
    let rows: Result<Vec<Row>, _> = open(path, format, options).expect("opened").collect();
    rows.expect("readable")
}

/// The rows of the BIO fixture, their schema that of the file.
fn fixture(dir: &Path) -> Vec<Row> {
    let path = dir.join("source.txt");
    fs::write(&path, BIO).expect("written");
    let mut rows = read(&path, Format::Bio, options(&["city", "person"]));
    for (i, row) in rows.iter_mut().enumerate() {
        row.example.guid = Some(format!("row-{i}"));
    }
    rows
}

fn write(path: &Path, format: Format, rows: &[Row]) {
    let rows = rows.iter().cloned().map(Ok);
    let written = write_rows(path, format, rows, Policy::strict()).expect("written");
    assert!(written.n_rows > 0);
}

/// Texts and labels, without line, identifier, places and words, which not every format has.
fn content(row: &Row) -> (String, Vec<String>, Vec<Entity>) {
    let Example {
        sentence,
        schema,
        entities,
        ..
    } = row.clone().into_unplaced();
    (sentence, schema, entities)
}

/// The places that the format stated.
fn places(row: &Row) -> Vec<Option<Span>> {
    let entities = row.example.entities.iter();
    entities.map(|entity| entity.span).collect()
}

#[track_caller]
fn check(format: Format, file: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let rows = fixture(dir.path());
    let path = dir.path().join(file);
    write(&path, format, &rows);
    let labels: &[&str] = &["city", "person"];
    let mut read_back = read(&path, format, options(labels));
    let mut expected: Vec<_> = rows.iter().map(content).collect();
    if format == Format::UniNer {
        // A conversation asks for one type after the other.
        for (_, _, entities) in &mut expected {
            entities.sort_by(|a, b| a.label.cmp(&b.label));
        }
    }
    let found: Vec<_> = read_back.iter().map(content).collect();
    assert_eq!(found, expected, "{format}");
    assert_eq!(Format::detect(&path).expect("recognised"), format);
    if matches!(
        format,
        Format::InstructUie | Format::Plain | Format::Gliner | Format::Bio
    ) {
        let spans = |rows: &[Row]| rows.iter().map(places).collect::<Vec<_>>();
        assert_eq!(spans(&read_back), spans(&rows), "{format}");
    }
    for (row, old) in read_back.iter_mut().zip(&rows) {
        row.example.guid.clone_from(&old.example.guid);
    }
    let again = dir.path().join(format!("again-{file}"));
    write(&again, format, &read_back);
    assert_eq!(
        fs::read(&path).expect("there"),
        fs::read(&again).expect("there"),
        "{format}: the same rows give the same bytes"
    );
}

#[test]
fn every_format_round_trips() {
    check(Format::InstructUie, "a.json");
    check(Format::InstructUie, "a.jsonl");
    check(Format::Bio, "a.txt");
    check(Format::MitBio, "a.bio");
    check(Format::UniNer, "a.json");
    check(Format::NerCot, "a.json");
    check(Format::NerCot, "a.jsonl");
    check(Format::Gliner, "a.json");
    check(Format::Plain, "a.jsonl");
    #[cfg(feature = "parquet")]
    check(Format::Parquet, "a.parquet");
}

#[test]
fn the_reader_of_whole_files_and_the_stream_agree() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.txt");
    fs::write(&path, BIO).expect("written");
    let columns = ner_datasets::BioColumns::TagLast;
    let whole = read_bio(&path, "set", columns).expect("readable");
    let labels = scan_labels(&path, Format::Bio, ReadOptions::default()).expect("readable");
    assert_eq!(labels, ["city", "person"]);
    let options = ReadOptions {
        dataset: Some("set".into()),
        labels: Some(labels),
        ..ReadOptions::default()
    };
    let streamed: Vec<Example> = read(&path, Format::Bio, options)
        .into_iter()
        .map(Row::into_unplaced)
        .collect();
    assert_eq!(whole, streamed);
}

#[test]
fn an_instructuie_folder_takes_its_schema_from_its_list() {
    let dir = tempfile::tempdir().expect("a folder");
    let rows = fixture(dir.path());
    let set = dir.path().join("osmere");
    fs::create_dir(&set).expect("made");
    fs::write(set.join("labels.json"), r#"["person", "city", "misc"]"#).expect("written");
    write(&set.join("test.json"), Format::InstructUie, &rows);
    let dataset = ner_datasets::instruct_uie::read_split(&set, Split::Test).expect("readable");
    assert_eq!(dataset.labels, ["person", "city", "misc"]);
    let streamed = read(
        &set.join("test.json"),
        Format::InstructUie,
        ReadOptions::default(),
    );
    assert!(
        streamed
            .iter()
            .all(|row| row.example.schema == dataset.labels)
    );
    let texts = |example: &Example| example.entities.clone();
    assert!(
        streamed
            .iter()
            .map(|row| texts(&row.clone().into_unplaced()))
            .eq(dataset.examples.iter().map(texts))
    );
}

#[test]
fn places_are_found_again_when_a_format_does_not_state_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let bio = "Halvek\tO\nPort\tB-city\nHalvek\tI-city\nHalvek\tB-name\nand\tO\nHalvek\tB-name\n\n";
    let (source, cot, back) = ("a.txt", "b.json", "c.txt");
    fs::write(
        dir.path().join(source),
        bio.replace("Halvek\tO", "Halveks\tO"),
    )
    .expect("written");
    let rows = read(
        &dir.path().join(source),
        Format::Bio,
        ReadOptions::default(),
    );
    write(&dir.path().join(cot), Format::NerCot, &rows);
    let rows = read(
        &dir.path().join(cot),
        Format::NerCot,
        ReadOptions::default(),
    );
    assert_eq!(places(&rows[0]), [None, None, None]);
    write(&dir.path().join(back), Format::Bio, &rows);
    let there = |name| fs::read_to_string(dir.path().join(name)).expect("there");
    assert_eq!(there(back), there(source));
}

#[test]
fn plain_text_becomes_words_and_nested_mentions_are_counted() {
    let example = Example {
        sentence: "He left (Port Halvek), he said.".into(),
        entities: vec![
            Entity::new("Halvek", "name"),
            Entity::new("Port Halvek", "city"),
            Entity::new("Osmere", "city"),
        ],
        ..Example::default()
    };
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.txt");
    let rows = || [Ok(Row::new(example.clone()))];
    let written = write_rows(&path, Format::Bio, rows(), Policy::lenient()).expect("written");
    assert_eq!(written.faults.count(FaultKind::Overlap), 1);
    assert_eq!(written.faults.count(FaultKind::Ungrounded), 1);
    let text = fs::read_to_string(&path).expect("there");
    let expected = "He\tO\nleft\tO\n(\tO\nPort\tB-city\nHalvek\tI-city\n),\tO\nhe\tO\nsaid.\tO\n\n";
    assert_eq!(text, expected);
    let error = write_rows(&path, Format::Bio, rows(), Policy::strict()).expect_err("strict");
    assert!(error.to_string().contains("whole words"), "{error}");
    assert_eq!(
        fs::read_to_string(&path).expect("there"),
        text,
        "the old file stays"
    );
    let path = dir.path().join("a.json");
    let written = write_rows(&path, Format::Gliner, rows(), Policy::lenient()).expect("written");
    assert_eq!(written.faults.total(), 1, "GLiNER allows overlaps");
    let nested = &read(&path, Format::Gliner, ReadOptions::default())[0];
    let nested = nested.clone().into_unplaced();
    assert_eq!(nested.entities, example.entities[..2]);
}

/// A sentence that would be read as a comment or a border is not written, and counted.
#[test]
fn lines_that_mean_something_else_are_not_written() {
    let check = |words: &[&str], is_written: bool| {
        let mut row = Row::new(Example {
            sentence: words.join(" "),
            ..Example::default()
        });
        let mut start = 0;
        for word in words {
            row.words.push(start..start + word.len());
            start += word.len() + 1;
        }
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.conll");
        let last = Row::new(Example {
            sentence: "so".into(),
            ..Example::default()
        });
        let rows = [Ok(row), Ok(last)];
        let written = write_rows(&path, Format::Bio, rows, Policy::lenient()).expect("written");
        let n_reserved = written.faults.count(FaultKind::ReservedLine);
        assert_eq!(n_reserved, u64::from(!is_written), "{words:?}");
        let read = read(&path, Format::Bio, ReadOptions::default());
        let sentences: Vec<&str> = read
            .iter()
            .map(|row| row.example.sentence.as_str())
            .collect();
        let all = [words.join(" "), "so".into()];
        assert_eq!(sentences, all[usize::from(!is_written)..], "{words:?}");
    };
    check(&["#", "Brel"], true);
    check(&["#Brel", "so"], true);
    check(&["# id 7", "Brel"], false);
    check(&["#begin document", "Brel"], false);
    check(&["-DOCSTART-", "Brel"], false);
    check(&["Brel", "-DOCSTART-"], false);
    assert!(Policy::default().is_fatal(FaultKind::ReservedLine));
}
