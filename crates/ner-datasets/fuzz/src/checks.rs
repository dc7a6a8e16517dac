//! What must hold for any file. The fuzz targets and an ordinary test, `tests/fuzz.rs`, call the same functions.

use ner_datasets::{Format, Policy, ReadOptions, Row, from_reader};

const JSON: [Format; 7] = [
    Format::InstructUie,
    Format::UniNer,
    Format::NerCot,
    Format::Gliner,
    Format::Plain,
    Format::Tokens,
    Format::Slimer,
];

/// The BIO reader on any bytes: no panic, and every place is on the borders of characters and equal to its text.
pub fn check_bio(data: &[u8]) {
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

/// The JSON readers on any bytes, in the format that the first one names: no panic, and every stated place is equal to
/// its text.
pub fn check_json(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let format = JSON[usize::from(*first) % JSON.len()];
    for row in rows(rest, format, 1 << 12) {
        for (entity, span) in row.example.entities.iter().zip(row.located()) {
            assert!(span.is_none_or(|span| row.example.sentence[span] == entity.text));
        }
    }
}

fn rows(data: &[u8], format: Format, max_row_bytes: usize) -> impl Iterator<Item = Row> {
    let options = ReadOptions {
        policy: Policy::lenient(),
        max_row_bytes,
        ..ReadOptions::default()
    };
    let source = std::io::Cursor::new(data.to_vec());
    let rows = from_reader("fuzz".as_ref(), source, format, options).expect("memory is readable");
    rows.map(|row| row.expect("no fault is fatal"))
}
