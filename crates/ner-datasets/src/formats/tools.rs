//! What annotation tools export, read whatever mixture of their notations a row has: doccano, Label Studio, Prodigy.
//!
//! The three write a text and a list of spans, under different keys in different versions. A span is a triple
//! `[start, end, label]`, an object, or in Label Studio an object around an object. Offsets are ends exclusive.

use serde_json::{Map, Value, json};
use std::io::{self, Write};

use crate::fault::{FaultKind, excerpt};
use crate::formats::draft::{Decoding, Draft, NotARow, Places};
use crate::row::{ByteSpan, Row, stated_of};

/// Keys of the text, the first that is there counts.
const TEXTS: [&str; 4] = ["text", "data", "sentence", "content"];
/// Keys of the mentions, the first that holds a list counts.
const MENTIONS: [&str; 7] = [
    "entities",
    "spans",
    "label",
    "labels",
    "annotations",
    "ents",
    "annotation",
];
const STARTS: [&str; 4] = ["start", "start_offset", "begin", "startOffset"];
const ENDS: [&str; 4] = ["end", "end_offset", "stop", "endOffset"];
const LABELS: [&str; 6] = ["label", "labels", "type", "entity_type", "entity", "tag"];
const WORDINGS: [&str; 3] = ["text", "name", "word"];

/// One mention as it is written.
#[derive(Debug)]
struct Mention {
    text: Option<String>,
    label: String,
    stated: Option<[i64; 2]>,
}

/// A row of doccano, Prodigy or Label Studio's JSON-MIN.
pub(super) fn decode(row: &Value, how: &Decoding) -> Result<Draft, NotARow> {
    let Some(row) = row.as_object() else {
        return Err(NotARow::new("no object"));
    };
    let text = TEXTS
        .iter()
        .find_map(|key| Some((*key, row.get(*key)?.as_str()?)));
    let (text_key, text) =
        text.ok_or_else(|| NotARow::new("no text under text, data, sentence or content"))?;
    let mut draft = draft(text, row);
    let held = MENTIONS
        .iter()
        .find_map(|key| Some((*key, row.get(*key)?.as_array()?)));
    if let Some((_, mentions)) = held {
        push_all(&mut draft, mentions, how)?;
    }
    check_answer(&mut draft, row);
    let known = [text_key, held.map_or("", |(key, _)| key), "id", "answer"];
    let mut rest = row.clone();
    rest.retain(|key, _| !known.contains(&key.as_str()) && !key.starts_with('_'));
    draft.note_unread(&rest, held.is_some());
    Ok(draft)
}

/// Only accepted rows of Prodigy are data, and in Label Studio only those that were not cancelled.
fn check_answer(draft: &mut Draft, row: &Map<String, Value>) {
    if let Some(answer) = row.get("answer").and_then(Value::as_str)
        && answer != "accept"
    {
        draft.note(
            FaultKind::NotAccepted,
            format!("\"answer\": {}", excerpt(answer)),
        );
        draft.is_left_out = true;
    }
}

fn draft(text: &str, row: &Map<String, Value>) -> Draft {
    let mut draft = Draft::default();
    draft.row.example.sentence = text.into();
    draft.row.example.guid = id_of(row);
    draft
}

/// The identifier of a row, a text or a number.
pub(super) fn id_of(row: &Map<String, Value>) -> Option<String> {
    match row.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// Adds mentions in any of the notations.
pub(super) fn push_all(
    draft: &mut Draft,
    mentions: &[Value],
    how: &Decoding,
) -> Result<(), NotARow> {
    let places = Places::new(&draft.row.example.sentence, how.offsets);
    for value in mentions {
        for mention in read(value)? {
            push(draft, mention, &places)?;
        }
    }
    Ok(())
}

fn push(draft: &mut Draft, mention: Mention, places: &Places) -> Result<(), NotARow> {
    match (mention.text, mention.stated) {
        (Some(text), stated) => draft.push_at(&text, mention.label, stated, places),
        (None, Some(stated)) => draft.push_place(mention.label, stated, places)?,
        (None, None) => return Err(NotARow::new("a mention without text and offsets")),
    }
    Ok(())
}

/// The mentions that one item of a list states: several if it has several labels.
fn read(value: &Value) -> Result<Vec<Mention>, NotARow> {
    let wrong = || NotARow::new(format!("a mention {}", excerpt(&value.to_string())));
    match value {
        Value::Array(items) => match &items[..] {
            [start, end, label, rest @ ..] => {
                let stated = start.as_i64().zip(end.as_i64()).ok_or_else(wrong)?;
                Ok(vec![Mention {
                    text: rest.first().and_then(Value::as_str).map(String::from),
                    label: name(label)?,
                    stated: Some(stated.into()),
                }])
            }
            _ => Err(wrong()),
        },
        Value::Object(object) => of_object(object).and_then(|read| {
            if read.is_empty() {
                Err(wrong())
            } else {
                Ok(read)
            }
        }),
        _ => Err(wrong()),
    }
}

fn of_object(object: &Map<String, Value>) -> Result<Vec<Mention>, NotARow> {
    if let Some(points) = object.get("points").and_then(Value::as_array) {
        return of_points(object, points);
    }
    let number = |keys: [&str; 4]| keys.iter().find_map(|key| object.get(*key)?.as_i64());
    let text = WORDINGS.iter().find_map(|key| object.get(*key)?.as_str());
    let label = LABELS.iter().find_map(|key| object.get(*key));
    let labels = match label {
        Some(Value::Array(labels)) => labels.iter().map(name).collect(),
        Some(label) => name(label).map(|label| vec![label]),
        None => Ok(Vec::new()),
    }?;
    let mentions = labels.into_iter().map(|label| Mention {
        text: text.map(String::from),
        label,
        stated: number(STARTS).zip(number(ENDS)).map(Into::into),
    });
    Ok(mentions.collect())
}

/// DataTurks' mentions, `{"label": [label], "points": [{"start", "end", "text"}]}`, whose end is inclusive.
fn of_points(object: &Map<String, Value>, points: &[Value]) -> Result<Vec<Mention>, NotARow> {
    let mut mentions = Vec::new();
    for point in points {
        let end = point.get("end").and_then(Value::as_i64).map(|end| end + 1);
        let labels = object.get("label");
        let moved = json!({"start": point.get("start"), "end": end, "text": point.get("text"), "label": labels});
        if let Some(moved) = moved.as_object() {
            mentions.extend(of_object(moved)?);
        }
    }
    Ok(mentions)
}

/// A label. doccano's first exports have the labels' numbers in its database.
fn name(label: &Value) -> Result<String, NotARow> {
    match label {
        Value::String(label) => Ok(label.clone()),
        Value::Number(number) => Err(NotARow::new(format!(
            "the number {number} as a label: export the labels' names, in doccano as \"JSONL (text label)\""
        ))),
        other => Err(NotARow::new(format!(
            "a label {}",
            excerpt(&other.to_string())
        ))),
    }
}

/// A task of Label Studio's full export: `{"data": {"text"}, "annotations": [{"result": [{"value"}]}]}`.
pub(super) fn decode_task(task: &Value, how: &Decoding) -> Result<Draft, NotARow> {
    let Some(task) = task.as_object() else {
        return Err(NotARow::new("no object"));
    };
    let data = task.get("data").and_then(Value::as_object);
    let text = data
        .and_then(task_text)
        .ok_or_else(|| NotARow::new("no text in \"data\""))?;
    let mut draft = draft(text, task);
    let held = ["annotations", "completions"]
        .iter()
        .find_map(|key| task.get(*key)?.as_array());
    let annotations = held.map_or(&[][..], Vec::as_slice);
    let is = |annotation: &Value, key: &str| annotation.get(key) == Some(&Value::Bool(true));
    let kept = annotations.iter().filter(|it| !is(it, "was_cancelled"));
    let kept: Vec<&Value> = kept.collect();
    // Of several annotators' work a reviewer marks the one that holds.
    let marked = kept.iter().find(|it| is(it, "ground_truth"));
    let Some(first) = marked.or(kept.first()) else {
        draft.note(
            FaultKind::NotAccepted,
            format!("{} annotations, all cancelled", annotations.len()),
        );
        draft.is_left_out = true;
        return Ok(draft);
    };
    let n_others = kept.len() - 1;
    if n_others > 0 {
        let which = if marked.is_some() {
            "that marked as ground truth"
        } else {
            "the first"
        };
        draft.note(
            FaultKind::UnreadKey,
            format!("{n_others} further annotations of the same text, {which} is read"),
        );
    }
    push_results(&mut draft, first, how)?;
    Ok(draft)
}

/// The text of a task: under `text`, or the longest text there is.
fn task_text(data: &Map<String, Value>) -> Option<&str> {
    let named = data.get("text").and_then(Value::as_str);
    named.or_else(|| {
        data.values()
            .filter_map(Value::as_str)
            .max_by_key(|text| text.len())
    })
}

fn push_results(draft: &mut Draft, annotation: &Value, how: &Decoding) -> Result<(), NotARow> {
    let results = annotation.get("result").and_then(Value::as_array);
    let mut mentions = Vec::new();
    for value in results
        .into_iter()
        .flatten()
        .filter_map(|result| result.get("value"))
    {
        let labels = ["labels", "hypertextlabels"]
            .iter()
            .find_map(|key| value.get(*key));
        let Some(labels) = labels else { continue };
        // In HTML, `start` is a path, and the offsets into the text stand apart.
        let from = value.get("globalOffsets").unwrap_or(value);
        mentions.push(
            json!({"start": from.get("start"), "end": from.get("end"), "labels": labels,
            "text": value.get("text")}),
        );
    }
    push_all(draft, &mentions, how)
}

/// doccano: `{"id", "text", "label": [[start, end, label]]}`.
pub(super) fn encode_doccano(
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let label: Vec<Value> = stated_of(row, located)
        .map(|(entity, [start, end])| json!([start, end, entity.label]))
        .collect();
    let written = json!({"id": row.example.guid, "text": row.example.sentence, "label": label});
    Ok(serde_json::to_writer(out, &written)?)
}

/// Prodigy: `{"text", "spans": [{"start", "end", "label"}], "answer": "accept"}`.
pub(super) fn encode_prodigy(
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let spans: Vec<Value> = stated_of(row, located)
        .map(|(entity, [start, end])| json!({"start": start, "end": end, "label": entity.label}))
        .collect();
    let mut written = json!({"text": row.example.sentence, "spans": spans, "answer": "accept"});
    if let Some(guid) = &row.example.guid {
        written["id"] = json!(guid);
    }
    Ok(serde_json::to_writer(out, &written)?)
}

/// Label Studio's full export.
pub(super) fn encode_task(
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let result: Vec<Value> = stated_of(row, located)
        .map(|(entity, [start, end])| {
            json!({"from_name": "label", "to_name": "text", "type": "labels",
                "value": {"start": start, "end": end, "text": entity.text, "labels": [entity.label]}})
        })
        .collect();
    let mut written =
        json!({"data": {"text": row.example.sentence}, "annotations": [{"result": result}]});
    if let Some(guid) = &row.example.guid {
        written["id"] = json!(guid);
    }
    Ok(serde_json::to_writer(out, &written)?)
}
