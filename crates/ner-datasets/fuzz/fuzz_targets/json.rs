//! The JSON readers on any bytes, in the format that the first one names: no panic, and every stated place is equal to
//! its text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ner_datasets::{Format, Policy, ReadOptions, from_reader};

const FORMATS: [Format; 6] = [
    Format::InstructUie,
    Format::UniNer,
    Format::NerCot,
    Format::Gliner,
    Format::Plain,
    Format::Slimer,
];

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let format = FORMATS[usize::from(*first) % FORMATS.len()];
    let options = ReadOptions {
        policy: Policy::lenient(),
        max_row_bytes: 1 << 12,
        ..ReadOptions::default()
    };
    let source = std::io::Cursor::new(rest.to_vec());
    let rows = from_reader("fuzz".as_ref(), source, format, options).expect("memory is readable");
    for row in rows.map(|row| row.expect("no fault is fatal")) {
        for (entity, span) in row.example.entities.iter().zip(row.located()) {
            assert!(span.is_none_or(|span| row.example.sentence[span] == entity.text));
        }
    }
});
