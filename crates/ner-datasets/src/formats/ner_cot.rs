//! NER-CoT's rows, which are [`ner_types::Example`] as it was published: entities are texts and labels.
//!
//! Rows of relations or events have a list of them beside the entities, which may be left out.
//!
//! Where an entity has a span beside them, it is read, but not written, as other readers of the format expect none.

use std::io::{self, Write};

use ner_types::{Entity, Event, Example, Relation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::formats::draft::{Draft, NotARow, parse};
use crate::row::Row;

/// Other names of `cot`, in the data of others. The first that holds a text is read.
const REASONING: [&str; 6] = [
    "reasoning",
    "rationale",
    "chain_of_thought",
    "reasoning_content",
    "thinking",
    "think",
];

/// [`Example`], and what else a row has.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    guid: Option<String>,
    #[serde(default)]
    dataset: Option<String>,
    sentence: String,
    schema: Vec<String>,
    #[serde(default)]
    cot: Option<String>,
    /// Left out where a sentence is still to be annotated.
    #[serde(default)]
    entities: Option<Vec<Entity>>,
    #[serde(default)]
    relations: Option<Vec<Relation>>,
    #[serde(default)]
    events: Option<Vec<Event>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize)]
struct Written<'a> {
    guid: Option<&'a str>,
    dataset: Option<&'a str>,
    sentence: &'a str,
    schema: &'a [String],
    cot: Option<&'a str>,
    entities: Vec<WrittenMention<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relations: Option<&'a [Relation]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<&'a [Event]>,
}

#[derive(Serialize)]
struct WrittenMention<'a> {
    text: &'a str,
    label: &'a str,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Draft, NotARow> {
    let mut stored: Stored = parse(bytes)?;
    let is_annotated =
        stored.entities.is_some() || stored.relations.is_some() || stored.events.is_some();
    let cot = stored.cot.or_else(|| take_reasoning(&mut stored.rest));
    let row = Row::new(Example {
        guid: stored.guid,
        dataset: stored.dataset,
        sentence: stored.sentence,
        schema: stored.schema,
        cot,
        entities: stored.entities.unwrap_or_default(),
        relations: stored.relations,
        events: stored.events,
    });
    let mut draft = Draft {
        row,
        ..Draft::default()
    };
    draft.note_unread(&stored.rest, is_annotated);
    if !is_annotated {
        draft.note_unannotated(&stored.rest);
    }
    Ok(draft)
}

/// The chain of thought under another name.
fn take_reasoning(rest: &mut Map<String, Value>) -> Option<String> {
    let key = REASONING
        .iter()
        .find(|key| rest.get(**key).is_some_and(Value::is_string))?;
    match rest.remove(*key) {
        Some(Value::String(cot)) => Some(cot),
        _ => None,
    }
}

pub(super) fn encode(row: &Row, out: &mut dyn Write) -> io::Result<()> {
    let example = &row.example;
    let entities = example.entities.iter().map(|entity| WrittenMention {
        text: &entity.text,
        label: &entity.label,
    });
    let written = Written {
        guid: example.guid.as_deref(),
        dataset: example.dataset.as_deref(),
        sentence: &example.sentence,
        schema: &example.schema,
        cot: example.cot.as_deref(),
        entities: entities.collect(),
        relations: example.relations.as_deref(),
        events: example.events.as_deref(),
    };
    Ok(serde_json::to_writer(out, &written)?)
}

#[cfg(test)]
mod tests {
    use ner_types::{CharIndex, Entity, Task};

    use super::*;

    #[test]
    fn a_row_is_written_as_the_example_without_its_places() {
        let span = CharIndex::new("in Brel").span_of_chars(3..7);
        let mut row = Row::new(Example {
            guid: Some("a-0".into()),
            sentence: "in Brel".into(),
            schema: vec!["city".into()],
            cot: Some("\"Brel\" is a city.".into()),
            entities: vec![Entity {
                span,
                ..Entity::new("Brel", "city")
            }],
            ..Example::default()
        });
        let mut written = Vec::new();
        encode(&row, &mut written).expect("written");
        row = Row::new(row.into_unplaced());
        let expected = serde_json::to_vec(&row.example).expect("serialisable");
        assert_eq!(written, expected);
        assert_eq!(decode(&written).expect("a row").row, row);
    }

    #[test]
    fn rows_of_other_tasks_are_read_and_written_as_the_example() {
        let shown = r#"{"sentence":"Ann hired Bo","schema":["hire(by, who)"],"events":[{"label":"hire","trigger":"hired","arguments":[{"role":"by","text":"Ann"}]}]}"#;
        let event = decode(shown.as_bytes()).expect("a row").row;
        assert_eq!(event.example.task(), Task::Events);
        let shown = r#"{"sentence":"s","schema":["a"],"relations":[]}"#;
        let relation = decode(shown.as_bytes()).expect("a row").row;
        assert_eq!(relation.example.task(), Task::Relations);
        for row in [event, relation] {
            let mut written = Vec::new();
            encode(&row, &mut written).expect("written");
            let expected = serde_json::to_vec(&row.example).expect("serialisable");
            assert_eq!(written, expected);
            assert_eq!(decode(&written).expect("a row").row, row);
        }
    }
}
