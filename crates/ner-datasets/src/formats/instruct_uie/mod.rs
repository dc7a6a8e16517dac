//! InstructUIE's rows, `{"sentence", "entities": [{"name", "type", "pos"}]}`, as in B2NERD, and the labels beside them.

mod pos;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use ner_types::CharIndex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::pos::Pos;
use crate::error::Error;
use crate::formats::draft::{Decoding, Draft, NotARow, Places, parse};
use crate::labels::read_labels;
use crate::row::{ByteSpan, Row, characters};

/// Name of the file beside the rows with the labels of the dataset.
pub(crate) const LABELS: &str = "labels.json";

#[derive(Deserialize)]
struct Stored<'a> {
    sentence: String,
    #[serde(borrow)]
    entities: Vec<StoredMention<'a>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct StoredMention<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    label: Cow<'a, str>,
    #[serde(default)]
    pos: Pos,
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

pub(super) fn decode(bytes: &[u8], how: &Decoding) -> Result<Draft, NotARow> {
    let stored: Stored<'_> = parse(bytes)?;
    let mut draft = Draft::default();
    draft
        .row
        .example
        .entities
        .reserve_exact(stored.entities.len());
    draft.row.example.sentence = stored.sentence;
    let places = Places::new(&draft.row.example.sentence, how.offsets);
    for mention in stored.entities {
        draft.push_at(&mention.name, mention.label, mention.pos.0, &places);
    }
    draft.note_unread(&stored.rest, true);
    Ok(draft)
}

pub(super) fn encode(
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let index = CharIndex::new(&row.example.sentence);
    let entities = row.example.entities.iter().zip(located);
    let written = Written {
        sentence: &row.example.sentence,
        entities: entities
            .map(|(entity, span)| WrittenMention {
                name: &entity.text,
                label: &entity.label,
                pos: span.as_ref().and_then(|span| characters(&index, span)),
            })
            .collect(),
    };
    Ok(serde_json::to_writer(out, &written)?)
}

/// The labels of the dataset that a file belongs to, if a `labels.json` lies beside it.
pub(crate) fn labels_beside(path: &Path) -> Result<Option<Vec<String>>, Error> {
    let labels = path.with_file_name(LABELS);
    labels.is_file().then(|| read_labels(&labels)).transpose()
}
