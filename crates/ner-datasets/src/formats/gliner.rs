//! GLiNER's rows: words, and mentions as first and last word with a label. Mentions may overlap.

use std::io::{self, Write};

use ner_types::CharIndex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::formats::draft::{Draft, NotARow, parse};
use crate::recorder::Recorder;
use crate::row::{ByteSpan, Row};
use crate::words::{Splitter, whole_words, word_range, words_for};

#[derive(Deserialize)]
struct Stored {
    tokenized_text: Vec<String>,
    ner: Vec<(usize, usize, String)>,
    #[serde(default)]
    label: Option<Vec<String>>,
    #[serde(default)]
    negative: Option<Vec<String>>,
    /// What `label` is called in later versions, such as 0.2.29.
    #[serde(default)]
    ner_labels: Option<Vec<String>>,
    /// What `negative` is called there.
    #[serde(default)]
    ner_negatives: Option<Vec<String>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize)]
struct Written<'a> {
    tokenized_text: Vec<&'a str>,
    ner: Vec<(usize, usize, &'a str)>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    label: &'a [String],
}

pub(super) fn decode(bytes: &[u8]) -> Result<Draft, NotARow> {
    let stored: Stored = parse(bytes)?;
    let mut draft = Draft::default();
    let row = &mut draft.row;
    (row.example.sentence, row.words) = join(&stored.tokenized_text);
    let index = CharIndex::new(&row.example.sentence);
    for (first, last, label) in stored.ner {
        let n_words = row.words.len();
        let span = match (row.words.get(first), row.words.get(last)) {
            (Some(from), Some(to)) if first <= last => from.start..to.end,
            _ => {
                let found = format!("[{first}, {last}] among {n_words} words");
                return Err(NotARow::new(found));
            }
        };
        let text = row.example.sentence[span.clone()].to_string();
        row.push(&text, label, index.span_of_bytes(span));
    }
    let labels = stored.label.or(stored.ner_labels).into_iter();
    let negative = stored.negative.or(stored.ner_negatives);
    row.example.schema = labels.chain(negative).flatten().collect();
    draft.note_unread(&stored.rest, true);
    Ok(draft)
}

/// The words joined by one space, and their places.
pub(super) fn join(words: &[String]) -> (String, Vec<ByteSpan>) {
    let mut sentence = String::new();
    let mut spans = Vec::with_capacity(words.len());
    for word in words {
        if !spans.is_empty() {
            sentence.push(' ');
        }
        let start = sentence.len();
        sentence.push_str(word);
        spans.push(start..sentence.len());
    }
    (sentence, spans)
}

/// Records the mentions that the format cannot hold, because they are not whole words. [`encode`] leaves them out.
pub(crate) fn check(
    row: &Row,
    located: &[Option<ByteSpan>],
    recorder: &mut Recorder,
) -> Result<(), Error> {
    let words = words_for(row, located, Splitter::Gliner);
    whole_words(row, located, &words, recorder).map(drop)
}

pub(super) fn encode(
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let words = words_for(row, located, Splitter::Gliner);
    let entities = row.example.entities.iter().zip(located);
    let ner = entities.filter_map(|(entity, span)| {
        let range = word_range(&words, span.as_ref()?)?;
        Some((range.start, range.end - 1, entity.label.as_str()))
    });
    let written = Written {
        ner: ner.collect(),
        tokenized_text: words
            .iter()
            .map(|word| &row.example.sentence[word.clone()])
            .collect(),
        label: &row.example.schema,
    };
    Ok(serde_json::to_writer(out, &written)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_beyond_the_sentence_are_a_fault() {
        for ner in ["[1, 0, \"x\"]", "[0, 2, \"x\"]", "[2, 2, \"x\"]"] {
            let row = format!("{{\"tokenized_text\": [\"a\", \"b\"], \"ner\": [{ner}]}}");
            let fault = decode(row.as_bytes()).expect_err("faulty");
            assert!(fault.found.ends_with("among 2 words"), "{}", fault.found);
        }
        assert!(decode(b"{\"tokenized_text\": [], \"ner\": [[0, -1, \"x\"]]}").is_err());
    }

    #[test]
    fn the_types_asked_for_have_an_old_and_a_new_name() {
        for (labels, negative) in [("label", "negative"), ("ner_labels", "ner_negatives")] {
            let row = format!(
                "{{\"tokenized_text\": [\"a\"], \"ner\": [], \"{labels}\": [\"x\"], \"{negative}\": [\"y\"]}}"
            );
            let draft = decode(row.as_bytes()).expect("a row");
            assert_eq!(draft.row.example.schema, ["x", "y"], "{labels}");
            assert!(draft.faults.is_empty(), "{labels}");
        }
    }
}
