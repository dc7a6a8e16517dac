//! SLIMER's rows over Pile-NER: one question for one type of a text, answered by a JSON list inside a string.

use serde::Deserialize;

use crate::fault::excerpt;
use crate::formats::draft::{Draft, NotARow, parse};

#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "doc_question_pairID")]
    id: String,
    #[serde(rename = "tagName")]
    label: String,
    input: String,
    output: String,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Draft, NotARow> {
    let stored: Stored = parse(bytes)?;
    let texts: Vec<String> = serde_json::from_str(&stored.output)
        .map_err(|_| NotARow::new(format!("an output {}", excerpt(&stored.output))))?;
    let mut draft = Draft::default();
    draft.row.example.guid = Some(stored.id);
    draft.row.example.sentence = stored.input;
    for text in texts {
        draft.row.push(text.trim(), stored.label.as_str(), None);
    }
    draft.row.example.schema = vec![stored.label];
    Ok(draft)
}
