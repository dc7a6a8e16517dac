//! InstructUIE's rows, `{"sentence", "entities": [{"name", "type", "pos"}]}`, as in B2NERD.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::{Draft, NotARow, parse};
use crate::row::{ByteSpan, Offsets, Row};

#[derive(Deserialize)]
struct Stored {
    sentence: String,
    entities: Vec<StoredMention>,
}

#[derive(Deserialize)]
struct StoredMention {
    name: String,
    #[serde(rename = "type")]
    label: String,
    #[serde(default)]
    pos: Option<Pos>,
}

/// Published copies have other things than two numbers here, which are ignored: the method works on strings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Pos {
    Pair([i64; 2]),
    Other(serde::de::IgnoredAny),
}

#[derive(Serialize)]
struct Written<'a> {
    sentence: &'a str,
    entities: Vec<WrittenMention<'a>>,
}

#[derive(Serialize)]
struct WrittenMention<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pos: Option<[usize; 2]>,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Draft, NotARow> {
    let stored: Stored = parse(bytes)?;
    let mut draft = Draft::default();
    draft.row.example.sentence = stored.sentence;
    let offsets = Offsets::new(&draft.row.example.sentence);
    for mention in stored.entities {
        let pos = match mention.pos {
            Some(Pos::Pair(pair)) => Some(pair),
            Some(Pos::Other(_)) | None => None,
        };
        draft.push_at(&mention.name, mention.label, pos, &offsets);
    }
    Ok(draft)
}

pub(super) fn encode(
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let offsets = Offsets::new(&row.example.sentence);
    let entities = row.example.entities.iter().zip(located);
    let written = Written {
        sentence: &row.example.sentence,
        entities: entities
            .map(|(entity, span)| WrittenMention {
                name: &entity.text,
                label: &entity.label,
                pos: span.as_ref().map(|span| offsets.characters(span)),
            })
            .collect(),
    };
    Ok(serde_json::to_writer(out, &written)?)
}
