//! The Hub's usual form: words and one tag for each, `{"id", "tokens", "ner_tags"}`, the tags as texts or as numbers.
//!
//! The names of numbered tags are those of the options, of a Parquet file's own metadata, or of a `dataset_info.json`
//! beside the file. Names without `B-` and `I-` are read as types, neighbours of one type as one mention.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use ner_types::CharIndex;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::formats::draft::{Decoding, Draft, NotARow};
use crate::formats::gliner::join;
use crate::formats::tools;
use crate::recorder::Recorder;
use crate::row::{ByteSpan, Row};
use crate::tags::{Mention, Tag, mentions, tags};
use crate::words::{Splitter, note_overlaps, whole_words, word_range, words_for};

/// Keys of the words.
pub(super) const WORDS: [&str; 2] = ["tokens", "words"];
/// Keys of the tags, the first that is there counts.
pub(super) const TAGS: [&str; 7] = [
    "ner_tags",
    "ner",
    "bio_tags",
    "tags",
    "labels",
    "ner_labels",
    "fine_ner_tags",
];

/// The keys of words and tags, if a row has both as lists.
pub(super) fn keys(row: &Value) -> Option<(&'static str, &'static str)> {
    let is_list = |key: &&&str| row.get(**key).is_some_and(Value::is_array);
    let words = WORDS.iter().find(is_list)?;
    let tags = TAGS.iter().find(is_list)?;
    let of_texts = |key: &str| {
        row[key]
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_string))
    };
    let is_tag = |tag: &Value| tag.is_string() || tag.is_i64();
    let of_tags = row[*tags]
        .as_array()
        .is_some_and(|list| list.iter().all(is_tag));
    (of_texts(words) && of_tags).then_some((words, tags))
}

pub(super) fn decode(row: &Value, how: &Decoding) -> Result<Draft, NotARow> {
    let (words_key, tags_key) =
        keys(row).ok_or_else(|| NotARow::new("no list of words beside a list of tags"))?;
    let words: Vec<String> = texts(&row[words_key]);
    let stated = row[tags_key].as_array().map_or(&[][..], Vec::as_slice);
    if words.len() != stated.len() {
        return Err(NotARow::new(format!(
            "{} words and {} tags",
            words.len(),
            stated.len()
        )));
    }
    let names = stated
        .iter()
        .map(|tag| name(tag, how))
        .collect::<Result<Vec<String>, _>>()?;
    let mut draft = Draft::default();
    draft.row.example.guid = row.as_object().and_then(tools::id_of);
    (draft.row.example.sentence, draft.row.words) = join(&words);
    push(&mut draft.row, &as_tags(names, how));
    let mut rest: Map<String, Value> = row.as_object().cloned().unwrap_or_default();
    rest.retain(|key, _| ![words_key, tags_key, "id", "text", "sentence"].contains(&key.as_str()));
    draft.note_unread(&rest, true);
    Ok(draft)
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(String::from).collect()
}

/// The tag's name. -100 is what training code puts at words that do not count.
fn name(tag: &Value, how: &Decoding) -> Result<String, NotARow> {
    let number = match (tag, tag.as_i64()) {
        (Value::String(name), _) => return Ok(name.clone()),
        (_, Some(-100)) => return Ok("O".into()),
        (_, number) => number.unwrap_or_default(),
    };
    let Some(names) = &how.tag_names else {
        return Err(NotARow::new(format!(
            "the number {number} as a tag, and no names: give them in their order with --tag-names O,B-PER,I-PER,… (or a \
             file of them), or put the dataset's dataset_info.json beside the file"
        )));
    };
    let found = usize::try_from(number).ok().and_then(|at| names.get(at));
    found.cloned().ok_or_else(|| {
        NotARow::new(format!(
            "the number {number} as a tag among {} names",
            names.len()
        ))
    })
}

/// Types without `B-` and `I-` as tags.
fn as_tags(names: Vec<String>, how: &Decoding) -> Vec<String> {
    let known = how.tag_names.as_deref().unwrap_or_default();
    let mut all = known.iter().chain(&names);
    if all.all(|name| Tag::read(name).is_some()) {
        return names;
    }
    let tag = |name: String| match Tag::read(&name) {
        Some(_) => name,
        None if name.is_empty() || name == "_" || name == "0" => "O".into(),
        None => format!("I-{name}"),
    };
    names.into_iter().map(tag).collect()
}

fn push(row: &mut Row, tags: &[String]) {
    let index = CharIndex::new(&row.example.sentence);
    for mention in mentions(tags.iter().map(String::as_str)).unwrap_or_default() {
        let words = &row.words[mention.words];
        if let [first, ..] = words {
            let place = first.start..words[words.len() - 1].end;
            let text = row.example.sentence[place.clone()].to_string();
            row.push(&text, mention.label, index.span_of_bytes(place));
        }
    }
}

/// The names in `dataset_info.json` beside a file.
pub(crate) fn names_beside(path: &Path) -> Option<Arc<[String]>> {
    let text = std::fs::read(path.with_file_name("dataset_info.json")).ok()?;
    names_in(&serde_json::from_slice(&text).ok()?)
}

/// The names of the tags in a description of features, as `datasets` writes it into `dataset_info.json` and into
/// Parquet files: `{"features": {"ner_tags": {"feature": {"names": […], "_type": "ClassLabel"}}}}`, at any depth.
pub(crate) fn names_in(info: &Value) -> Option<Arc<[String]>> {
    let of_features = |features: &Value| {
        let described = TAGS.iter().find_map(|key| features.get(*key))?;
        names(described)
    };
    match info {
        Value::Object(object) => match object.get("features") {
            Some(features) => of_features(features),
            None => object.values().find_map(names_in),
        },
        _ => None,
    }
}

fn names(described: &Value) -> Option<Arc<[String]>> {
    match described {
        Value::Object(object) => match object.get("names") {
            Some(list @ Value::Array(_)) => Some(texts(list).into()),
            _ => object.values().find_map(names),
        },
        Value::Array(items) => items.iter().find_map(names),
        _ => None,
    }
}

/// Records the mentions that the format cannot hold, because they are not whole words or overlap longer ones.
/// [`encode`] leaves them out.
pub(crate) fn check(
    row: &Row,
    located: &[Option<ByteSpan>],
    recorder: &mut Recorder,
) -> Result<(), Error> {
    let words = words_for(row, located, Splitter::Blanks);
    let mentions = whole_words(row, located, &words, recorder)?;
    note_overlaps(row, &tags(words.len(), &mentions).1, &mentions, recorder)
}

/// Words and tags as texts. Mentions that overlap longer ones are left out, see [`super::bio`].
pub(super) fn encode(
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let words = words_for(row, located, Splitter::Blanks);
    let entities = row.example.entities.iter().zip(located);
    let mentions = entities.filter_map(|(entity, span)| {
        let words = word_range(&words, span.as_ref()?)?;
        Some(Mention {
            label: &entity.label,
            words,
        })
    });
    let (tags, _) = tags(words.len(), &mentions.collect::<Vec<_>>());
    let tokens: Vec<&str> = words
        .iter()
        .map(|word| &row.example.sentence[word.clone()])
        .collect();
    let mut written = json!({"tokens": tokens, "ner_tags": tags});
    if let Some(guid) = &row.example.guid {
        written["id"] = json!(guid);
    }
    Ok(serde_json::to_writer(out, &written)?)
}
