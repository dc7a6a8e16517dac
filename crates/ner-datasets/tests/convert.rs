//! Conversions back and forth between all formats that are written keep text, labels and, where both formats have them,
//! offsets.

use std::path::Path;

use ner_datasets::{Format, Policy, ReadOptions, Row, open, write_rows};
use ner_types::{CharIndex, Entity, Example, Span};
use proptest::prelude::*;

const WORDS: [&str; 10] = [
    "Brel", "Port", "é", "小樽", "😀", "#", ".", "so", "12", "Öze",
];
const LABELS: [&str; 3] = ["city", "PER", "work of art"];

fn formats() -> Vec<Format> {
    let is_written = |format: &Format| {
        !format.is_read_only() && (*format != Format::Parquet || cfg!(feature = "parquet"))
    };
    Format::ALL.into_iter().filter(is_written).collect()
}

/// Whether the format states where a mention stands.
fn has_offsets(format: Format) -> bool {
    !matches!(
        format,
        Format::UniNer | Format::NerCot | Format::Gliner2 | Format::Parquet
    )
}

/// A sentence of words with mentions that do not overlap.
fn row() -> impl Strategy<Value = Row> {
    let piece = (
        0..WORDS.len(),
        prop::option::of((1..3_usize, 0..LABELS.len())),
    );
    prop::collection::vec(piece, 1..7).prop_map(|pieces| {
        let (mut sentence, mut places) = (String::new(), Vec::new());
        for (word, mention) in pieces {
            let (n, label) = mention.map_or((1, None), |(n, label)| (n, Some(label)));
            let start = sentence.len() + usize::from(!sentence.is_empty());
            for _ in 0..n {
                if !sentence.is_empty() {
                    sentence.push(' ');
                }
                sentence.push_str(WORDS[word]);
            }
            places.extend(label.map(|label| (start..sentence.len(), label)));
        }
        let index = CharIndex::new(&sentence);
        let entities = places.into_iter().map(|(place, label)| {
            let entity = Entity::new(&sentence[place.clone()], LABELS[label]);
            entity.at(index.span_of_bytes(place).expect("words"))
        });
        let entities = entities.collect();
        Row::new(Example {
            sentence: sentence.clone(),
            entities,
            ..Example::default()
        })
    })
}

fn through(dir: &Path, format: Format, rows: Vec<Row>) -> Vec<Row> {
    let ending = if format == Format::Parquet {
        "parquet"
    } else {
        "jsonl"
    };
    let path = dir.join(format!("rows.{ending}"));
    let written = write_rows(&path, format, rows.into_iter().map(Ok), Policy::strict());
    assert_eq!(written.expect("written").faults.total(), 0, "{format}");
    let options = ReadOptions {
        policy: Policy::strict(),
        ..ReadOptions::default()
    };
    let rows: Result<Vec<Row>, _> = open(&path, format, options).expect("opened").collect();
    rows.unwrap_or_else(|error| panic!("{format}: {error}"))
}

/// Text, label and place.
type Mention = (String, String, Option<Span>);

/// Sentences with their mentions, in an order that no format changes.
fn content(rows: &[Row], with_places: bool) -> Vec<(String, Vec<Mention>)> {
    let of = |row: &Row| {
        let entities = row.example.entities.iter().cloned();
        let mut entities: Vec<_> = entities
            .map(|entity| {
                (
                    entity.text,
                    entity.label,
                    entity.span.filter(|_| with_places),
                )
            })
            .collect();
        entities.sort();
        (row.example.sentence.clone(), entities)
    };
    rows.iter().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_go_back_and_forth_between_all_formats(rows in prop::collection::vec(row(), 1..4)) {
        let dir = tempfile::tempdir().expect("a folder");
        for a in formats() {
            let first = through(dir.path(), a, rows.clone());
            prop_assert_eq!(content(&first, has_offsets(a)), content(&rows, has_offsets(a)), "{}", a);
            for b in formats() {
                let both = has_offsets(a) && has_offsets(b);
                let second = through(dir.path(), b, first.clone());
                prop_assert_eq!(content(&second, both), content(&rows, both), "{} to {}", a, b);
                let back = through(dir.path(), a, second);
                prop_assert_eq!(content(&back, both), content(&rows, both), "{} to {} and back", a, b);
            }
        }
    }
}

#[test]
fn formats_of_entities_refuse_relations() {
    let dir = tempfile::tempdir().expect("a folder");
    let example = Example {
        sentence: "Ann left".into(),
        schema: vec!["a".into()],
        relations: Some(vec![ner_types::Relation::new("a", "Ann", "left")]),
        ..Example::default()
    };
    let row = Row {
        line: 7,
        example,
        ..Row::default()
    };
    for format in formats() {
        let path = dir.path().join(format.to_string());
        let written = write_rows(&path, format, [Ok(row.clone())], Policy::default());
        if format == Format::NerCot {
            written.expect("a format that has them");
            continue;
        }
        let error = written.expect_err("relations").to_string();
        assert!(error.contains("relations at line 7"), "{error}");
        assert!(!path.exists(), "{format}");
    }
}
