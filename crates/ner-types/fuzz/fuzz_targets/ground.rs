//! Looks for the first line of a text in the rest and checks that every place is one of the rest.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ner_types::{GroundStatus, Grounder};

fuzz_target!(|text: &str| {
    let (needle, sentence) = text.split_once('\n').unwrap_or((text, text));
    let found = Grounder::new(sentence).ground(needle);
    assert_eq!(
        found.spans.is_empty(),
        found.status == GroundStatus::Ungrounded
    );
    for span in &found.spans {
        let surface = span
            .text(sentence)
            .expect("character borders of the sentence");
        assert!(!surface.is_empty());
        assert_eq!(sentence[..span.byte_start].chars().count(), span.char_start);
        assert_eq!(surface.chars().count(), span.char_end - span.char_start);
        if found.status == GroundStatus::Exact {
            assert!(needle.contains(surface));
        }
    }
    assert!(
        found
            .spans
            .windows(2)
            .all(|pair| pair[0].byte_end <= pair[1].byte_start)
    );
});
