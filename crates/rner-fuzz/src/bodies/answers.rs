//! Answers of a model, and places of mentions.

use std::collections::HashMap;

use ner_types::{
    Entity, GroundStatus, Grounder, Problem, ReadMode, Task, parse, parse_bytes, parse_type_reply,
    parse_with, render_completion, visit_entities,
};

/// Reads any bytes in both modes and holds the results to what the documentation says of them.
pub(crate) fn answer(bytes: &[u8]) {
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
    visits_what_it_reads(&text);
    is_read_back(&read.entities);
    is_read_back(&tolerant.entities);
    // Neither fails, whatever stands there.
    tolerant.check(&["a".into()], &text);
    parse_type_reply(&text);
}

/// The reader that builds nothing gives what the other one gives.
fn visits_what_it_reads(text: &str) {
    for mode in [ReadMode::Reference, ReadMode::Tolerant] {
        let read = parse_with(text, mode);
        let mut expected = read.entities.iter();
        let is_json = visit_entities(text, mode, |label, text| {
            let entity = expected.next().expect("no more entities than parsed");
            let pair = (entity.label.as_str(), entity.text.as_str());
            assert_eq!(pair, (label, text), "{mode:?}");
        });
        assert!(expected.next().is_none(), "{mode:?}");
        assert_eq!(is_json, read.is_json, "{mode:?}");
    }
}

/// Reads any text as one of relations and of events, in both modes, and holds the results to what the documentation
/// says.
pub(crate) fn structures(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    for task in [Task::Relations, Task::Events] {
        let reference = task.read(text, ReadMode::Reference);
        let tolerant = task.read(text, ReadMode::Tolerant);
        assert!(!reference.salvaged);
        assert_eq!(reference.is_json, tolerant.is_json);
        let is_empty = reference.relations.is_empty() && reference.events.is_empty();
        assert!(reference.is_json || (is_empty && !reference.problems.is_empty()));
        assert!(tolerant.salvaged || reference == tolerant);
        tolerant.check_as(task, &["a(b)".into()], text);
        let items = task.read_items(text, ReadMode::Tolerant).entities;
        assert!(items.len() >= tolerant.relations.len() + tolerant.events.len());
    }
}

/// What a reader gave can be written and is the same when it is read again. Texts with what frames an answer are left
/// out: the reader takes it for the frame, as that of the paper does.
fn is_read_back(entities: &[Entity]) {
    let frames = |text: &str| text.contains(['<', '`']);
    if entities.iter().any(|e| frames(&e.text) || frames(&e.label)) {
        return;
    }
    let text = render_completion(Some("why"), entities);
    let read = parse(&text);
    assert_eq!(read.entities, by_label(entities));
    assert!(
        read.is_json && read.problems.is_empty(),
        "{:?}",
        read.problems
    );
}

/// Entities in the order in which they are written: grouped by label in order of first appearance.
fn by_label(entities: &[Entity]) -> Vec<Entity> {
    let mut first = HashMap::new();
    for (i, entity) in entities.iter().enumerate() {
        first.entry(&*entity.label).or_insert(i);
    }
    let mut grouped = entities.to_vec();
    grouped.sort_by_key(|entity| first[&*entity.label]);
    grouped
}

/// Looks for the first line of a text in the rest and checks that every place is one of the rest.
pub(crate) fn ground(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    let (needle, sentence) = text.split_once('\n').unwrap_or((text, text));
    let found = Grounder::new(sentence).ground(needle);
    let is_nowhere = found.status == GroundStatus::Absent;
    assert_eq!(found.spans.is_empty(), is_nowhere);
    for span in &found.spans {
        let surface = span.text(sentence).expect("borders of characters");
        assert!(!surface.is_empty());
        assert_eq!(sentence[..span.byte_start].chars().count(), span.char_start);
        assert_eq!(surface.chars().count(), span.char_end - span.char_start);
        if found.status == GroundStatus::Exact {
            assert!(needle.contains(surface));
        }
    }
    let mut pairs = found.spans.windows(2);
    assert!(pairs.all(|pair| pair[0].byte_end <= pair[1].byte_start));
}
