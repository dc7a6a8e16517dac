//! GLiNER2's rows: `{"input", "output": {"entities": {label: [text]}}}`, labels without texts being asked for in vain.
//!
//! Read too is `{"text", "entities": {label: [text]}}`. There are no offsets.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::fault::excerpt;
use crate::formats::draft::{Decoding, Draft, NotARow};
use crate::formats::tools;
use crate::row::Row;

pub(super) fn decode(row: &Value, how: &Decoding) -> Result<Draft, NotARow> {
    let input = row.get("input").or_else(|| row.get("text"));
    let input = input.and_then(|input| input.as_str().or_else(|| input.get("text")?.as_str()));
    let text = input.ok_or_else(|| NotARow::new("no text under \"input\""))?;
    let mut draft = Draft::default();
    draft.row.example.sentence = text.into();
    draft.row.example.guid = row.as_object().and_then(tools::id_of);
    let output = row.get("output").unwrap_or(row);
    match output.get("entities") {
        Some(Value::Object(entities)) => push_all(&mut draft, entities)?,
        Some(Value::Array(entities)) => tools::push_all(&mut draft, entities, how)?,
        _ => {}
    }
    let mut rest: Map<String, Value> = row.as_object().cloned().unwrap_or_default();
    rest.extend(
        row.get("output")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
    );
    rest.retain(|key, _| !["input", "text", "id", "output", "entities"].contains(&key.as_str()));
    draft.note_unread(&rest, output.get("entities").is_some());
    Ok(draft)
}

fn push_all(draft: &mut Draft, entities: &Map<String, Value>) -> Result<(), NotARow> {
    for (label, texts) in entities {
        let wrong = || {
            NotARow::new(format!(
                "{} under {}",
                excerpt(&texts.to_string()),
                excerpt(label)
            ))
        };
        for text in texts.as_array().ok_or_else(wrong)? {
            let text = text.as_str().or_else(|| text.get("text")?.as_str());
            draft
                .row
                .push(text.ok_or_else(wrong)?.trim(), label.as_str(), None);
        }
        draft.row.example.schema.push(label.clone());
    }
    Ok(())
}

pub(super) fn encode(row: &Row, out: &mut dyn Write) -> io::Result<()> {
    let mut entities = Map::new();
    let entity_labels = row.example.entities.iter().map(|entity| &entity.label);
    for label in row.example.schema.iter().chain(entity_labels) {
        let of_label = row
            .example
            .entities
            .iter()
            .filter(|entity| entity.label == *label);
        let texts: Vec<&str> = of_label.map(|entity| entity.text.as_str()).collect();
        entities.insert(label.clone(), json!(texts));
    }
    let mut written = json!({"input": row.example.sentence, "output": {"entities": entities}});
    if let Some(guid) = &row.example.guid {
        written["id"] = json!(guid);
    }
    Ok(serde_json::to_writer(out, &written)?)
}
