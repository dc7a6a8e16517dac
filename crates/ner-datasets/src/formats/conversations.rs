//! UniversalNER's and Pile-NER's conversations: the text, then a question and an answer for each type.
//!
//! The human first says `Text: …`, the model that it has read it; then `What describes X in the text?` is answered by a
//! JSON list of strings, empty for a sampled negative. There are no offsets.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fault::excerpt;
use crate::formats::draft::{Draft, NotARow, parse};
use crate::row::Row;

const TEXT: &str = "Text: ";
const READ: &str = "I've read this text.";
const QUESTION: [&str; 2] = ["What describes ", " in the text?"];

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default)]
    id: Option<String>,
    conversations: Vec<Turn>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Turn {
    from: String,
    value: String,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Draft, NotARow> {
    let stored: Stored = parse(bytes)?;
    let [text, _, questions @ ..] = &stored.conversations[..] else {
        let found = format!("{} turns", stored.conversations.len());
        return Err(NotARow::new(found));
    };
    let sentence = text
        .value
        .strip_prefix(TEXT)
        .ok_or_else(|| NotARow::new(format!("a first turn {}", excerpt(&text.value))))?;
    let mut draft = Draft::default();
    draft.row.example.sentence = sentence.into();
    draft.row.example.guid = stored.id;
    for pair in questions.chunks(2) {
        push_answer(&mut draft.row, pair)?;
    }
    draft.note_unread(&stored.rest, true);
    Ok(draft)
}

fn push_answer(row: &mut Row, pair: &[Turn]) -> Result<(), NotARow> {
    let [question, answer] = pair else {
        return Err(NotARow::new("a question without an answer"));
    };
    let label = question
        .value
        .strip_prefix(QUESTION[0])
        .and_then(|rest| rest.strip_suffix(QUESTION[1]))
        .ok_or_else(|| NotARow::new(format!("a question {}", excerpt(&question.value))))?;
    let texts: Vec<String> = serde_json::from_str(&answer.value)
        .map_err(|_| NotARow::new(format!("an answer {}", excerpt(&answer.value))))?;
    if !row.example.schema.iter().any(|known| known == label) {
        row.example.schema.push(label.into());
    }
    for text in texts {
        row.push(text.trim(), label, None);
    }
    Ok(())
}

pub(super) fn encode(row: &Row, out: &mut dyn Write) -> io::Result<()> {
    let turn = |from: &str, value: String| Turn {
        from: from.into(),
        value,
    };
    let mut conversations = vec![
        turn("human", format!("{TEXT}{}", row.example.sentence)),
        turn("gpt", READ.into()),
    ];
    for label in labels(row) {
        let question = format!("{}{label}{}", QUESTION[0], QUESTION[1]);
        let entities = row.example.entities.iter().filter(|e| e.label == label);
        let texts: Vec<&str> = entities.map(|entity| entity.text.as_str()).collect();
        conversations.push(turn("human", question));
        conversations.push(turn("gpt", serde_json::to_string(&texts)?));
    }
    let id = row.example.guid.clone();
    let rest = Map::new();
    let written = Stored {
        id,
        conversations,
        rest,
    };
    Ok(serde_json::to_writer(out, &written)?)
}

/// The schema, and behind it labels of entities that it lacks, so that nothing is lost.
fn labels(row: &Row) -> Vec<&str> {
    let entities = row.example.entities.iter().map(|entity| &entity.label);
    let mut labels: Vec<&str> = Vec::new();
    for label in row.example.schema.iter().chain(entities) {
        if !labels.contains(&label.as_str()) {
            labels.push(label);
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;

    #[track_caller]
    fn check_error(row: &str, expected: &str) {
        let fault = decode(row.as_bytes()).expect_err("faulty");
        assert!(fault.found.contains(expected), "{}", fault.found);
        assert!(Format::UniNer.expected().contains("conversations"));
    }

    #[test]
    fn what_is_no_conversation() {
        let turns = |values: &[&str]| {
            let turn = |value: &&str| serde_json::json!({"from": "x", "value": value});
            let turns: Vec<_> = values.iter().map(turn).collect();
            serde_json::json!({ "conversations": turns }).to_string()
        };
        check_error("{}", "missing field `conversations`");
        check_error(&turns(&["Text: a"]), "1 turns");
        check_error(&turns(&["a", "read"]), "a first turn \"a\"");
        check_error(
            &turns(&["Text: a", "", "Who?", "[]"]),
            "a question \"Who?\"",
        );
        let question = "What describes x in the text?";
        check_error(&turns(&["Text: a", "", question]), "without an answer");
        check_error(&turns(&["Text: a", "", question, "a"]), "an answer \"a\"");
    }
}
