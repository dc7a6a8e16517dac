//! What must hold for any input. The fuzz targets and an ordinary test, `tests/fuzz.rs`, call the same functions.

use ner_types::{
    GroundStatus, Grounder, Problem, ReadMode, parse, parse_bytes, parse_type_reply, parse_with,
    visit_entities,
};

/// Reads any bytes in both modes and holds the results to what the documentation says of them.
pub fn check_parse(bytes: &[u8]) {
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
    check_visit(&text);
    // Neither fails, whatever stands there.
    tolerant.check(&["a".into()], &text);
    parse_type_reply(&text);
}

/// The reader that builds nothing gives what the other one gives.
fn check_visit(text: &str) {
    for mode in [ReadMode::Reference, ReadMode::Tolerant] {
        let read = parse_with(text, mode);
        let mut expected = read.entities.iter();
        let is_json = visit_entities(text, mode, |label, text| {
            let entity = expected.next().expect("no more entities than parsed");
            assert_eq!(
                (entity.label.as_str(), entity.text.as_str()),
                (label, text),
                "{mode:?}"
            );
        });
        assert!(expected.next().is_none(), "{mode:?}");
        assert_eq!(is_json, read.is_json, "{mode:?}");
    }
}

/// Looks for the first line of a text in the rest and checks that every place is one of the rest.
pub fn check_ground(text: &str) {
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
}
