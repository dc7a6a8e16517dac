//! spaCy's training data: tuples `[text, {"entities": [[start, end, label]]}]`, a file of them under `annotations`, and
//! `Doc.to_json()`, as a `DocBin` is turned into JSON: `{"text", "ents": [{"start", "end", "label"}]}`.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::formats::draft::{Decoding, Draft, NotARow};
use crate::formats::tools;
use crate::row::{ByteSpan, Row, stated_of};

pub(super) fn decode(row: &Value, how: &Decoding) -> Result<Draft, NotARow> {
    match row {
        Value::Array(pair) => of_tuple(pair, how),
        Value::Object(object) => match object.get("annotations").and_then(Value::as_array) {
            Some(tuples) if !object.contains_key("text") => of_file(tuples, how),
            _ => tools::decode(row, how),
        },
        _ => Err(NotARow::new("neither a list nor an object")),
    }
}

fn of_tuple(pair: &[Value], how: &Decoding) -> Result<Draft, NotARow> {
    let [Value::String(text), Value::Object(annotation)] = pair else {
        return Err(NotARow::new("a list that is no text with its annotation"));
    };
    let mut draft = Draft::default();
    draft.row.example.sentence.clone_from(text);
    let entities = annotation.get("entities").and_then(Value::as_array);
    tools::push_all(&mut draft, entities.map_or(&[][..], Vec::as_slice), how)?;
    let mut rest = annotation.clone();
    rest.remove("entities");
    draft.note_unread(&rest, entities.is_some());
    Ok(draft)
}

/// All tuples of one object. Texts that were skipped stand there as null.
fn of_file(tuples: &[Value], how: &Decoding) -> Result<Draft, NotARow> {
    let read = tuples
        .iter()
        .filter_map(Value::as_array)
        .map(|pair| of_tuple(pair, how));
    let mut read = read.collect::<Result<Vec<Draft>, _>>()?.into_iter();
    let mut first = read
        .next()
        .ok_or_else(|| NotARow::new("no text under \"annotations\""))?;
    first.more = read.collect();
    Ok(first)
}

pub(super) fn encode(
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let entities: Vec<Value> = stated_of(row, located)
        .map(|(entity, [start, end])| json!([start, end, entity.label]))
        .collect();
    Ok(serde_json::to_writer(
        out,
        &json!([row.example.sentence, {"entities": entities}]),
    )?)
}
