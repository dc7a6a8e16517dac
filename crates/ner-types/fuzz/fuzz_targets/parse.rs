//! Reads any bytes in both modes and holds the results to what the documentation says of them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ner_types::{Problem, ReadMode, parse, parse_bytes};

fuzz_target!(|bytes: &[u8]| {
    let reference = parse_bytes(bytes, ReadMode::Reference);
    let tolerant = parse_bytes(bytes, ReadMode::Tolerant);
    assert!(!reference.salvaged);
    assert_eq!(reference.is_json, tolerant.is_json);
    assert!(reference.is_json || reference.entities.is_empty());
    assert!(reference.is_json || !reference.problems.is_empty());
    if !tolerant.salvaged {
        assert_eq!(reference, tolerant);
    }
    let text = String::from_utf8_lossy(bytes);
    let mut read = parse(&text);
    if let Some(Problem::InvalidUtf8(at)) = reference.problems.first() {
        assert!(std::str::from_utf8(&bytes[..*at]).is_ok());
        read.problems.insert(0, Problem::InvalidUtf8(*at));
    }
    assert_eq!(read, reference);
    // The problems in view of a schema and a sentence are found for every completion.
    tolerant.check(&["a".into()], &text);
});
