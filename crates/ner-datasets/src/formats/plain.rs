//! Plain rows: a text and its entities, offsets in characters where they are known.
//!
//! `sentence` is read as `text`, `name` as an entity's `text`, `type` as its `label`, `schema` as `labels` and `spans`
//! as `entities`. A row that is not read so, or has a key of an annotation tool, is read as that tool's by
//! [`super::codec`]: of a file's first row not everything can be told.

use std::io::{self, Write};

use ner_types::CharIndex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::formats::draft::{Decoding, Draft, NotARow, Places, parse};
use crate::row::{ByteSpan, Row, characters};

/// Keys of annotation tools.
const TOOLS: [&str; 7] = [
    "label",
    "annotations",
    "annotation",
    "answer",
    "ents",
    "ner_tags",
    "tags",
];

#[derive(Deserialize)]
struct Stored {
    #[serde(default, alias = "guid")]
    id: Option<Id>,
    #[serde(alias = "sentence")]
    text: String,
    #[serde(default, alias = "schema")]
    labels: Option<Vec<String>>,
    #[serde(default, alias = "spans")]
    entities: Option<Vec<StoredMention>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(i64),
}

#[derive(Deserialize)]
struct StoredMention {
    #[serde(default, alias = "name")]
    text: Option<String>,
    #[serde(alias = "type")]
    label: String,
    #[serde(default)]
    start: Option<i64>,
    #[serde(default)]
    end: Option<i64>,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    text: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    labels: &'a [String],
    entities: Vec<WrittenMention<'a>>,
}

#[derive(Serialize)]
struct WrittenMention<'a> {
    text: &'a str,
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<usize>,
}

/// The row, and whether a key beside the known ones is one under which annotation tools keep mentions or their answer.
pub(super) fn decode(bytes: &[u8], how: &Decoding) -> (Result<Draft, NotARow>, bool) {
    match parse::<Stored>(bytes) {
        Ok(stored) => {
            let is_of_a_tool = TOOLS.iter().any(|key| stored.rest.contains_key(*key));
            (of_stored(stored, how), is_of_a_tool)
        }
        Err(fault) => (Err(fault), false),
    }
}

fn of_stored(stored: Stored, how: &Decoding) -> Result<Draft, NotARow> {
    let mut draft = Draft::default();
    draft.row.example.guid = stored.id.map(|id| match id {
        Id::Text(text) => text,
        Id::Number(number) => number.to_string(),
    });
    draft.row.example.sentence = stored.text;
    // An empty list of labels is also what doccano writes of a text without mentions.
    let is_empty_list = stored.labels.as_ref().is_some_and(Vec::is_empty);
    draft.row.example.schema = stored.labels.unwrap_or_default();
    draft.note_unread(&stored.rest, stored.entities.is_some());
    if stored.entities.is_none() && !is_empty_list {
        draft.note_unannotated(&stored.rest);
    }
    let places = Places::new(&draft.row.example.sentence, how.offsets);
    for mention in stored.entities.into_iter().flatten() {
        push(&mut draft, mention, &places)?;
    }
    Ok(draft)
}

fn push(draft: &mut Draft, mention: StoredMention, places: &Places) -> Result<(), NotARow> {
    let stated = mention.start.zip(mention.end).map(|(a, b)| [a, b]);
    match (mention.text, stated) {
        (Some(text), _) => draft.push_at(&text, mention.label, stated, places),
        (None, Some(stated)) => draft.push_place(mention.label, stated, places)?,
        (None, None) => return Err(NotARow::new("a mention without text and offsets")),
    }
    Ok(())
}

pub(super) fn encode(
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let index = CharIndex::new(&row.example.sentence);
    let entities = row.example.entities.iter().zip(located);
    let entities = entities.map(|(entity, span)| {
        let stated = span.as_ref().and_then(|span| characters(&index, span));
        WrittenMention {
            text: &entity.text,
            label: &entity.label,
            start: stated.map(|[start, _]| start),
            end: stated.map(|[_, end]| end),
        }
    });
    let written = Written {
        id: row.example.guid.as_deref(),
        text: &row.example.sentence,
        labels: &row.example.schema,
        entities: entities.collect(),
    };
    Ok(serde_json::to_writer(out, &written)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_and_missing_texts_are_read() {
        let row =
            r#"{"id": 7, "sentence": "é Brel", "spans": [{"type": "city", "start": 2, "end": 6}]}"#;
        let row = decode(row.as_bytes(), &Decoding::default())
            .0
            .expect("a row")
            .row;
        assert_eq!(row.example.guid.as_deref(), Some("7"));
        assert_eq!(row.example.entities[0].text, "Brel");
        assert_eq!(row.example.entities[0].span.map(|s| s.bytes()), Some(3..7));
    }

    #[test]
    fn a_mention_needs_a_text_or_offsets_within_the_text() {
        for mention in [
            "{\"label\": \"x\"}",
            "{\"label\": \"x\", \"start\": 1, \"end\": 3}",
        ] {
            let row = format!("{{\"text\": \"ab\", \"entities\": [{mention}]}}");
            assert!(
                decode(row.as_bytes(), &Decoding::default()).0.is_err(),
                "{row}"
            );
        }
    }
}
