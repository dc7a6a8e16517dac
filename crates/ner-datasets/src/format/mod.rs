//! The formats: their names, how a file's format is recognised, and how one row of it is decoded and encoded.

mod conversations;
mod detect;
mod gliner;
mod instruct_uie;
mod ner_cot;
mod plain;
mod slimer;

#[cfg(feature = "parquet")]
pub(crate) use detect::of_row;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use serde::Deserialize;

use crate::row::{ByteSpan, Offsets, Row};

/// The formats of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// InstructUIE and B2NERD: `{"sentence", "entities": [{"name", "type", "pos": [start, end]}]}`, offsets in
    /// characters, the end exclusive; the schema is `labels.json` beside the file.
    InstructUie,
    /// CrossNER, CoNLL: `word⇥…⇥tag`, a blank line between sentences.
    Bio,
    /// The MIT corpora: `tag word`, any white space between them.
    MitBio,
    /// UniversalNER, Pile-NER: `{"id", "conversations": [{"from", "value"}]}`, one or several types a row.
    UniNer,
    /// The published NER-CoT rows: `{"guid", "dataset", "sentence", "schema", "cot", "entities": [{"text", "label"}]}`.
    NerCot,
    /// GLiNER: `{"tokenized_text", "ner": [[first, last, label]]}`, the last word inclusive.
    Gliner,
    /// Plain rows: `{"id", "text", "labels", "entities": [{"text", "label", "start", "end"}]}`, offsets in characters,
    /// all but `text` and `label` optional.
    Plain,
    /// SLIMER's questions over Pile-NER: `{"doc_question_pairID", "tagName", "input", "output"}`. Read only.
    Slimer,
    /// Parquet with the columns of [`Format::NerCot`] or another JSON format. Needs the feature `parquet`.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 9] = [
        Format::InstructUie,
        Format::Bio,
        Format::MitBio,
        Format::UniNer,
        Format::NerCot,
        Format::Gliner,
        Format::Plain,
        Format::Slimer,
        Format::Parquet,
    ];

    /// The format's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::InstructUie => "instructuie",
            Format::Bio => "bio",
            Format::MitBio => "mit-bio",
            Format::UniNer => "uniner",
            Format::NerCot => "ner-cot",
            Format::Gliner => "gliner",
            Format::Plain => "plain",
            Format::Slimer => "slimer",
            Format::Parquet => "parquet",
        }
    }

    /// Whether rows of the format state their own schema; otherwise it is the dataset's.
    pub fn has_schema(self) -> bool {
        matches!(
            self,
            Format::UniNer | Format::NerCot | Format::Slimer | Format::Parquet
        )
    }

    /// What a row should have been, for messages.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Format::InstructUie => "a row {sentence, entities: [{name, type, pos}]}",
            Format::Bio => "a word, a tab and a tag",
            Format::MitBio => "a tag, white space and a word",
            Format::UniNer => "a row {id, conversations: [{from, value}]}",
            Format::NerCot => "an example {sentence, schema, entities: [{text, label}]}",
            Format::Gliner => "a row {tokenized_text, ner: [[first, last, label]]}",
            Format::Plain => "a row {text, entities: [{text, label, start, end}]}",
            Format::Slimer => "a row {doc_question_pairID, tagName, input, output}",
            Format::Parquet => "a row with the columns of a known format",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Format::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| {
            let names = Format::ALL.map(Format::name).join(", ");
            format!("expected a format ({names}), found {name:?}")
        })
    }
}

/// A row as decoded, and the offsets in it that do not give their mention's text.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) row: Row,
    /// One message for each.
    pub(crate) wrong_offsets: Vec<String>,
}

/// Why bytes are not a row.
#[derive(Debug)]
pub(crate) struct NotARow {
    /// Lines between the row's first line and the fault.
    pub(crate) lines_below: usize,
    /// What stands there.
    pub(crate) found: String,
}

impl NotARow {
    fn new(found: impl Into<String>) -> Self {
        NotARow {
            lines_below: 0,
            found: found.into(),
        }
    }
}

/// Decodes one element of a JSON format.
pub(crate) fn decode(format: Format, bytes: &[u8]) -> Result<Draft, NotARow> {
    match format {
        Format::InstructUie => instruct_uie::decode(bytes),
        Format::UniNer => conversations::decode(bytes),
        Format::NerCot => ner_cot::decode(bytes),
        Format::Gliner => gliner::decode(bytes),
        Format::Plain => plain::decode(bytes),
        Format::Slimer => slimer::decode(bytes),
        Format::Bio | Format::MitBio | Format::Parquet => Err(NotARow::new("JSON")),
    }
}

/// Writes one row of a JSON format, without a line end. `located` are the places of the row's entities.
pub(crate) fn encode(
    format: Format,
    row: &Row,
    located: &[Option<ByteSpan>],
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::InstructUie => instruct_uie::encode(row, located, out),
        Format::UniNer => conversations::encode(row, out),
        Format::NerCot => ner_cot::encode(row, out),
        Format::Gliner => gliner::encode(row, located, out),
        Format::Plain => plain::encode(row, located, out),
        Format::Slimer | Format::Bio | Format::MitBio | Format::Parquet => {
            Err(io::Error::other("no JSON format to write"))
        }
    }
}

/// Reads JSON, with the fault as this crate words it.
///
/// The encoding is checked for the element as a whole, which is faster than string by string.
fn parse<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, NotARow> {
    let read = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    read.map_err(|error| {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        NotARow {
            lines_below: error.line().saturating_sub(1),
            found: message.strip_suffix(&place).unwrap_or(&message).into(),
        }
    })
}

impl Draft {
    /// Adds a mention with character offsets as a file states them: they are kept if they give its text, trimmed or
    /// not, and noted as wrong if not.
    fn push_at(
        &mut self,
        text: &str,
        label: impl Into<String>,
        stated: Option<[i64; 2]>,
        offsets: &Offsets,
    ) {
        let trimmed = text.trim();
        let span = stated.and_then(|stated| self.span(text, stated, offsets));
        if let (Some([start, end]), None) = (stated, &span) {
            let message = format!("[{start}, {end}] for {}", crate::fault::excerpt(text));
            self.wrong_offsets.push(message);
        }
        self.row.push(trimmed, label, span);
    }

    fn span(&self, text: &str, [start, end]: [i64; 2], offsets: &Offsets) -> Option<ByteSpan> {
        let start = offsets.byte(usize::try_from(start).ok()?)?;
        let end = offsets.byte(usize::try_from(end).ok()?)?;
        let found = self.row.example.sentence.get(start..end)?;
        if found.trim() != text.trim() {
            return None;
        }
        let start = start + found.len() - found.trim_start().len();
        Some(start..start + found.trim().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        let message = "csv".parse::<Format>().expect_err("no such format");
        assert!(message.contains("mit-bio"), "{message}");
    }

    #[test]
    fn stated_offsets_are_kept_only_if_they_give_the_text() {
        let mut draft = Draft::default();
        draft.row.example.sentence = "é Brel ".into();
        let offsets = Offsets::new(&draft.row.example.sentence);
        for stated in [[2, 6], [1, 7], [0, 4], [-1, 2], [2, 99], [6, 2]] {
            draft.push_at("Brel", "city", Some(stated), &offsets);
        }
        draft.push_at("Brel", "city", None, &offsets);
        assert_eq!(draft.row.spans[..2], [Some(3..7), Some(3..7)]);
        assert!(draft.row.spans[2..].iter().all(Option::is_none));
        assert_eq!(draft.wrong_offsets.len(), 4);
        assert_eq!(draft.wrong_offsets[0], "[0, 4] for \"Brel\"");
    }
}
