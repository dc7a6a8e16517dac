//! The BIO reader on any bytes: no panic, and every place is on the borders of characters and equal to its text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ner_datasets::{Format, Policy, ReadOptions, from_reader};

fuzz_target!(|data: &[u8]| {
    for format in [Format::Bio, Format::MitBio] {
        let options = ReadOptions {
            policy: Policy::lenient(),
            ..ReadOptions::default()
        };
        let source = std::io::Cursor::new(data.to_vec());
        let rows =
            from_reader("fuzz".as_ref(), source, format, options).expect("memory is readable");
        for row in rows.map(|row| row.expect("no fault is fatal")) {
            for (entity, span) in row.example.entities.iter().zip(&row.spans) {
                let span = span.clone().expect("BIO states places");
                assert_eq!(row.example.sentence.get(span), Some(entity.text.as_str()));
            }
        }
    }
});
