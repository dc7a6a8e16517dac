//! The names of the formats. What lies behind a name is in the module of the format, below `formats`.

use std::fmt;
use std::str::FromStr;

/// The formats of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// InstructUIE and B2NERD: `{"sentence", "entities": [{"name", "type", "pos": [start, end]}]}`, offsets in
    /// characters, the end exclusive; the schema is `labels.json` beside the file.
    InstructUie,
    /// CrossNER, CoNLL: `word⇥…⇥tag`, a blank line between sentences.
    Bio,
    /// The MIT corpora: `tag word`, any white space between them.
    MitBio,
    /// WikiNEuRal: `index⇥word⇥tag`, the index counting the words of a sentence. Read only.
    IndexedBio,
    /// UniversalNER, Pile-NER: `{"id", "conversations": [{"from", "value"}]}`, one or several types a row.
    UniNer,
    /// The published NER-CoT rows: `{"guid", "dataset", "sentence", "schema", "cot", "entities": [{"text", "label"}]}`.
    NerCot,
    /// GLiNER: `{"tokenized_text", "ner": [[first, last, label]]}`, the last word inclusive.
    Gliner,
    /// Plain rows: `{"id", "text", "labels", "entities": [{"text", "label", "start", "end"}]}`, offsets in characters,
    /// all but `text` and `label` optional.
    Plain,
    /// Words and mentions of word ranges, as GENIA is handed on: `{"sent_id", "tokens", "entity_mentions": [{"start",
    /// "end", "entity_type"}]}`, the end exclusive. Read only.
    Tokens,
    /// SLIMER's questions over Pile-NER: `{"doc_question_pairID", "tagName", "input", "output"}`. Read only.
    Slimer,
    /// Parquet with the columns of [`Format::NerCot`] or another JSON format. Needs the feature `parquet`.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 11] = [
        Format::InstructUie,
        Format::Bio,
        Format::MitBio,
        Format::IndexedBio,
        Format::UniNer,
        Format::NerCot,
        Format::Gliner,
        Format::Plain,
        Format::Tokens,
        Format::Slimer,
        Format::Parquet,
    ];

    /// The format's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::InstructUie => "instructuie",
            Format::Bio => "bio",
            Format::MitBio => "mit-bio",
            Format::IndexedBio => "bio-indexed",
            Format::UniNer => "uniner",
            Format::NerCot => "ner-cot",
            Format::Gliner => "gliner",
            Format::Plain => "plain",
            Format::Tokens => "tokens",
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

    /// Whether files of the format are read but not written.
    pub fn is_read_only(self) -> bool {
        matches!(self, Format::IndexedBio | Format::Tokens | Format::Slimer)
    }

    /// What a row should have been, for messages.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Format::InstructUie => "a row {sentence, entities: [{name, type, pos}]}",
            Format::Bio => "a word, a tab and a tag",
            Format::MitBio => "a tag, white space and a word",
            Format::IndexedBio => "a number, a tab, a word, a tab and a tag",
            Format::UniNer => "a row {id, conversations: [{from, value}]}",
            Format::NerCot => "an example {sentence, schema, entities: [{text, label}]}",
            Format::Gliner => "a row {tokenized_text, ner: [[first, last, label]]}",
            Format::Plain => "a row {text, entities: [{text, label, start, end}]}",
            Format::Tokens => "a row {tokens, entity_mentions: [{start, end, entity_type}]}",
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
}
