//! What a JSON format makes of one element: a row, and what was wrong with it.

use std::sync::Arc;

use ner_types::{CharIndex, Offsets, Span, is_whole_words};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fault::{FaultKind, excerpt};
use crate::formats::keys::meant;
use crate::row::Row;

/// What a decoder must know besides the element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decoding {
    /// In what the file's offsets are counted.
    pub(crate) offsets: Offsets,
    /// The names of numbered tags.
    pub(crate) tag_names: Option<Arc<[String]>>,
}

/// A row as decoded, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) row: Row,
    /// Each with what was found.
    pub(super) faults: Vec<(FaultKind, String)>,
    /// Whether the row is left out, after a fault that says why.
    pub(super) is_left_out: bool,
    /// Further rows of the same element.
    pub(super) more: Vec<Draft>,
}

/// Why bytes are not a row.
#[derive(Debug)]
pub(super) struct NotARow {
    /// Lines between the row's first line and the fault.
    pub(super) lines_below: usize,
    /// What stands there.
    pub(super) found: String,
}

impl NotARow {
    pub(super) fn new(found: impl Into<String>) -> Self {
        NotARow {
            lines_below: 0,
            found: found.into(),
        }
    }
}

/// Reads JSON, with the fault as this crate words it.
///
/// The encoding is checked for the element as a whole, which is faster than string by string.
pub(super) fn parse<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, NotARow> {
    let read = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    read.map_err(|error| NotARow {
        lines_below: error.line().saturating_sub(1),
        found: json_fault(&error, bytes),
    })
}

/// What is wrong with JSON, without the place inside of the element, and where other programs write such JSON, what to
/// do about it.
pub(super) fn json_fault(error: &serde_json::Error, bytes: &[u8]) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message);
    let at = byte_of(error, bytes);
    match bare_word(bytes, at) {
        Some(word @ ("NaN" | "Infinity" | "-Infinity")) => format!(
            "{word}, which JSON does not have: write null in its place (in pandas `df.astype(object).where(df.notna(), \
             None)`, in Python `json.dumps(…, allow_nan=False)` finds it)"
        ),
        _ if message.contains("surrogate") || message.contains("unexpected end of hex escape") => {
            "half of a character, a lone surrogate such as \\ud83d: a text was cut inside of an emoji; drop it in \
             Python with `text.encode(\"utf-16\", \"surrogatepass\").decode(\"utf-16\", \"ignore\")`"
                .into()
        }
        _ => message.into(),
    }
}

/// The byte that an error of `serde_json` stands at, about.
fn byte_of(error: &serde_json::Error, bytes: &[u8]) -> usize {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + error.column()).min(bytes.len())
}

/// The word of Python's JSON, unknown to JSON, that stands about a byte.
fn bare_word(bytes: &[u8], at: usize) -> Option<&'static str> {
    let near = &bytes[at.saturating_sub(10)..(at + 10).min(bytes.len())];
    let has = |word: &str| {
        near.windows(word.len())
            .any(|piece| piece == word.as_bytes())
    };
    ["NaN", "-Infinity", "Infinity"]
        .into_iter()
        .find(|word| has(word))
}

/// Keys that annotation tools and publishers add and that hold no mentions.
const HARMLESS: [&str; 17] = [
    "Comments",
    "comments",
    "relations",
    "meta",
    "metadata",
    "cats",
    "sents",
    "tokens",
    "pos_tags",
    "chunk_tags",
    "entity_descriptions",
    "label_descriptions",
    "url",
    "source",
    "drafts",
    "predictions",
    "annotation_approver",
];

impl Draft {
    /// Notes a fault.
    pub(super) fn note(&mut self, kind: FaultKind, found: impl Into<String>) {
        self.faults.push((kind, found.into()));
    }

    /// Notes the keys that nobody has read and that hold a list or a long text. `is_annotated` tells whether the row
    /// has a key that holds mentions; if not, they are probably there.
    pub(super) fn note_unread(&mut self, rest: &Map<String, Value>, is_annotated: bool) {
        for (key, value) in rest {
            let unread = if HARMLESS.contains(&key.as_str()) {
                Unread::Small
            } else {
                unread(value)
            };
            let (kind, what) = match unread {
                Unread::Small => continue,
                Unread::List if !is_annotated => (FaultKind::NoAnnotation, "a list"),
                Unread::List => (FaultKind::UnreadKey, "a list"),
                Unread::Text => (FaultKind::UnreadKey, "a text"),
            };
            self.note(
                kind,
                format!(
                    "{what} under {}, which nobody reads{}",
                    excerpt(key),
                    meant(key)
                ),
            );
        }
    }

    /// Notes a row without a key for mentions, unless they are probably under one that nobody reads.
    pub(super) fn note_unannotated(&mut self, rest: &Map<String, Value>) {
        let is_noted = |(kind, _): &(FaultKind, String)| *kind == FaultKind::NoAnnotation;
        if !self.faults.iter().any(is_noted) {
            let keys: Vec<&str> = rest.keys().map(String::as_str).collect();
            let found = match keys[..] {
                [] => "none".into(),
                _ => format!("none, beside {}", keys.join(", ")),
            };
            self.note(FaultKind::Unannotated, found);
        }
    }

    /// Adds a mention with offsets as a file states them: they are kept if they give its text, trimmed or not, and
    /// noted as wrong if not.
    pub(super) fn push_at(
        &mut self,
        text: &str,
        label: impl Into<String>,
        stated: Option<[i64; 2]>,
        places: &Places,
    ) {
        let span = stated.and_then(|stated| self.span(text, stated, places));
        if let (Some([start, end]), None) = (stated, &span) {
            let remedy =
                self.other_offsets(places, |found| found.trim() == text.trim(), [start, end]);
            self.note(
                FaultKind::WrongOffset,
                format!("[{start}, {end}] for {}{remedy}", excerpt(text)),
            );
        }
        self.push_checked(text, label, span, stated, places);
    }

    /// Adds the mention that stands at the stated offsets.
    ///
    /// # Errors
    ///
    /// If they lie outside of the text.
    pub(super) fn push_place(
        &mut self,
        label: impl Into<String>,
        stated: [i64; 2],
        places: &Places,
    ) -> Result<(), NotARow> {
        let sentence = &self.row.example.sentence;
        let found = places
            .span(stated)
            .and_then(|span| span.text(sentence).map(String::from));
        let Some(text) = found else {
            let remedy = self.other_offsets(places, |_| true, stated);
            return Err(NotARow::new(format!("{stated:?} outside the text{remedy}")));
        };
        let span = self.span(&text, stated, places);
        self.push_checked(&text, label, span, Some(stated), places);
        Ok(())
    }

    fn push_checked(
        &mut self,
        text: &str,
        label: impl Into<String>,
        span: Option<Span>,
        stated: Option<[i64; 2]>,
        places: &Places,
    ) {
        if let (Some(span), Some(stated)) = (span, stated)
            && !is_whole_words(&self.row.example.sentence, &span.bytes())
        {
            let remedy = self.other_offsets(places, |_| true, stated);
            let found = format!("{} at {stated:?}{remedy}", excerpt(text.trim()));
            self.note(FaultKind::PartOfWord, found);
        }
        self.row.push(text.trim(), label, span);
    }

    fn span(&self, text: &str, stated: [i64; 2], places: &Places) -> Option<Span> {
        let span = places.span(stated)?;
        let found = span.text(&self.row.example.sentence)?;
        if found.trim() != text.trim() {
            return None;
        }
        let start = span.byte_start + found.len() - found.trim_start().len();
        places
            .index
            .span_of_bytes(start..start + found.trim().len())
    }

    /// Another way of counting in which the offsets give a mention of whole words that `fits`, as a remark.
    fn other_offsets(
        &self,
        places: &Places,
        fits: impl Fn(&str) -> bool,
        stated: [i64; 2],
    ) -> String {
        let sentence = &self.row.example.sentence;
        let others = Offsets::ALL.into_iter().filter(|unit| *unit != places.unit);
        for unit in others {
            let span = Places {
                unit,
                ..places.clone()
            }
            .span(stated);
            let Some(text) = span.and_then(|span| span.text(sentence)) else {
                continue;
            };
            let is_mention = !text.trim().is_empty() && text.trim() == text;
            let is_whole = span.is_some_and(|span| is_whole_words(sentence, &span.bytes()));
            if is_mention && is_whole && fits(text) {
                return format!("; as --offsets {unit} it is {}", excerpt(text));
            }
        }
        String::new()
    }
}

/// Places of a sentence by offsets as a file states them.
#[derive(Clone, Debug)]
pub(super) struct Places {
    index: CharIndex,
    /// The UTF-16 unit with which each character begins, and the end; only for texts that are not ASCII.
    units: Arc<[usize]>,
    unit: Offsets,
}

impl Places {
    pub(super) fn new(sentence: &str, unit: Offsets) -> Self {
        let mut at = 0;
        let starts = sentence.chars().map(|character| {
            at += character.len_utf16();
            at
        });
        let units = if sentence.is_ascii() {
            Arc::default()
        } else {
            std::iter::once(0).chain(starts).collect()
        };
        let index = CharIndex::new(sentence);
        Places { index, units, unit }
    }

    fn span(&self, [start, end]: [i64; 2]) -> Option<Span> {
        let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
        match self.unit {
            Offsets::Bytes => self.index.span_of_bytes(start..end),
            Offsets::Utf16 if !self.units.is_empty() => {
                let char_of = |unit: usize| self.units.binary_search(&unit).ok();
                self.index.span_of_chars(char_of(start)?..char_of(end)?)
            }
            Offsets::Characters | Offsets::Utf16 => self.index.span_of_chars(start..end),
        }
    }
}

enum Unread {
    Small,
    List,
    Text,
}

/// What a value under an unread key may hold: a list that is not empty, also inside of an object or written as a text,
/// or a text of several words.
fn unread(value: &Value) -> Unread {
    match value {
        Value::Array(items) if !items.is_empty() => Unread::List,
        Value::Object(object)
            if object
                .values()
                .any(|value| matches!(unread(value), Unread::List)) =>
        {
            Unread::List
        }
        Value::String(text) if text.trim_start().starts_with(['[', '{']) && text.len() > 2 => {
            Unread::List
        }
        Value::String(text) if text.len() >= 24 && text.split_whitespace().count() >= 4 => {
            Unread::Text
        }
        _ => Unread::Small,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stated_offsets_are_kept_only_if_they_give_the_text() {
        let mut draft = Draft::default();
        draft.row.example.sentence = "é Brel ".into();
        let places = Places::new(&draft.row.example.sentence, Offsets::Characters);
        for stated in [[2, 6], [1, 7], [0, 4], [-1, 2], [2, 99], [6, 2]] {
            draft.push_at("Brel", "city", Some(stated), &places);
        }
        draft.push_at("Brel", "city", None, &places);
        let entities = &draft.row.example.entities;
        let spans: Vec<_> = entities.iter().map(|e| e.span.map(|s| s.bytes())).collect();
        assert_eq!(spans[..2], [Some(3..7), Some(3..7)]);
        assert!(spans[2..].iter().all(Option::is_none));
        assert_eq!(draft.faults.len(), 4);
        let wrong = (FaultKind::WrongOffset, "[0, 4] for \"Brel\"".to_string());
        assert_eq!(draft.faults[0], wrong);
    }

    #[test]
    fn another_way_of_counting_is_suggested_where_it_fits() {
        let sentence = "😀 Mira Dolan left Brel 👞 for good.";
        let check = |unit, stated, expected: &str| {
            let mut draft = Draft::default();
            draft.row.example.sentence = sentence.into();
            let places = Places::new(sentence, unit);
            draft.push_place("x", stated, &places).expect("inside");
            let text = &draft.row.example.entities[0].text;
            let fault = draft.faults.first().map_or("", |(_, found)| found.as_str());
            assert_eq!(format!("{text}|{fault}"), expected);
        };
        let said = "ira Dolan|\"ira Dolan\" at [3, 13]; as --offsets utf16 it is \"Mira Dolan\"";
        check(Offsets::Characters, [3, 13], said);
        check(Offsets::Utf16, [3, 13], "Mira Dolan|");
        check(Offsets::Bytes, [5, 15], "Mira Dolan|");
        check(Offsets::Characters, [2, 12], "Mira Dolan|");
    }

    #[test]
    fn unread_lists_and_long_texts_are_told_from_small_things() {
        let rest = serde_json::json!({
            "id": 7, "split": "train", "empty": [], "meta": [1], "url2": "https://example.org/a-long-address-of-a-page",
            "spots": [[0, 4]], "why": "She is a person; Port Halvek is a city.", "inner": {"a": {"b": [1]}},
            "json": "[\"Brel\"]"
        });
        let rest = rest.as_object().expect("an object");
        let of = |is_annotated| {
            let mut draft = Draft::default();
            draft.note_unread(rest, is_annotated);
            let kinds = draft.faults.iter().map(|(kind, _)| *kind);
            kinds.collect::<Vec<_>>()
        };
        use FaultKind::{NoAnnotation, UnreadKey};
        assert_eq!(of(true), [UnreadKey; 4]);
        let lists = of(false).into_iter().filter(|kind| *kind == NoAnnotation);
        assert_eq!(lists.count(), 3);
    }
}
