//! Words with mentions of word ranges, as preprocessed copies of GENIA have them. Mentions may be nested.

use ner_types::CharIndex;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::formats::draft::{Draft, NotARow, parse};
use crate::formats::gliner::join;

#[derive(Deserialize)]
struct Stored {
    tokens: Vec<String>,
    entity_mentions: Vec<Mention>,
    #[serde(default)]
    sent_id: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Mention {
    start: usize,
    /// The word behind the last one.
    end: usize,
    entity_type: String,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Draft, NotARow> {
    let stored: Stored = parse(bytes)?;
    let mut draft = Draft::default();
    let row = &mut draft.row;
    row.example.guid = stored.sent_id;
    (row.example.sentence, row.words) = join(&stored.tokens);
    let index = CharIndex::new(&row.example.sentence);
    for Mention {
        start,
        end,
        entity_type,
    } in stored.entity_mentions
    {
        let words = row.words.get(start..end).unwrap_or_default();
        let (Some(first), Some(last)) = (words.first(), words.last()) else {
            let found = format!("[{start}, {end}) among {} words", row.words.len());
            return Err(NotARow::new(found));
        };
        let span = first.start..last.end;
        let text = row.example.sentence[span.clone()].to_string();
        row.push(&text, entity_type, index.span_of_bytes(span));
    }
    draft.note_unread(&stored.rest, true);
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_mentions_keep_their_places() {
        let row = br#"{"tokens": ["the", "Brel", "bridge", "toll"], "doc_id": "d", "sent_id": "d-0", "entity_mentions":
            [{"start": 1, "end": 3, "entity_type": "building", "text": "Brel bridge"},
             {"start": 1, "end": 2, "entity_type": "city", "text": "Brel"}]}"#;
        let example = decode(row).expect("a row").row.example;
        assert_eq!(example.sentence, "the Brel bridge toll");
        assert_eq!(example.guid.as_deref(), Some("d-0"));
        let found: Vec<_> = example
            .entities
            .iter()
            .map(|e| (e.text.as_str(), e.label.as_str()))
            .collect();
        assert_eq!(found, [("Brel bridge", "building"), ("Brel", "city")]);
        assert_eq!(
            example.entities[0].span.map(|span| span.bytes()),
            Some(4..15)
        );
    }

    #[test]
    fn ranges_outside_of_the_sentence_are_a_fault() {
        for (start, end) in [(0, 0), (1, 0), (0, 2), (3, 4)] {
            let mention = format!(r#"{{"start": {start}, "end": {end}, "entity_type": "x"}}"#);
            let row = format!(r#"{{"tokens": ["a"], "entity_mentions": [{mention}]}}"#);
            let fault = decode(row.as_bytes()).expect_err("faulty");
            assert!(fault.found.ends_with("among 1 words"), "{}", fault.found);
        }
    }
}
