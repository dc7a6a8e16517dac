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
    /// GLiNER2: `{"input", "output": {"entities": {label: [text]}}}`.
    Gliner2,
    /// doccano: `{"text", "label": [[start, end, label]]}`, also under `labels`, and `{"text", "entities": [{"label",
    /// "start_offset", "end_offset"}]}`; offsets in characters.
    Doccano,
    /// Label Studio: `{"data": {"text"}, "annotations": [{"result": [{"value": {"start", "end", "labels"}}]}]}`, and
    /// its JSON-MIN, `{"text", "label": [{"start", "end", "labels"}]}`.
    LabelStudio,
    /// Prodigy: `{"text", "spans": [{"start", "end", "label"}], "answer"}`; only accepted rows.
    Prodigy,
    /// spaCy: tuples `[text, {"entities": [[start, end, label]]}]`, and `Doc.to_json()`, `{"text", "ents"}`.
    Spacy,
    /// What `rner extract` writes: `{"sentence", "entities": [{"text", "label", "start", "end"}], "cut_off", …}`. Read
    /// only; the other forms of such rows are in [`crate::export`].
    Extraction,
    /// The Hub: `{"tokens", "ner_tags"}`, a tag for each word, as a text or as a number.
    Hub,
    /// Parquet with the columns of [`Format::NerCot`] or another JSON format. Needs the feature `parquet`.
    Parquet,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 18] = [
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
        Format::Gliner2,
        Format::Doccano,
        Format::LabelStudio,
        Format::Prodigy,
        Format::Spacy,
        Format::Extraction,
        Format::Hub,
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
            Format::Gliner2 => "gliner2",
            Format::Doccano => "doccano",
            Format::LabelStudio => "label-studio",
            Format::Prodigy => "prodigy",
            Format::Spacy => "spacy",
            Format::Extraction => "extraction",
            Format::Hub => "hub",
            Format::Parquet => "parquet",
        }
    }

    /// Whether rows of the format state their own schema; otherwise it is the dataset's.
    pub fn has_schema(self) -> bool {
        matches!(
            self,
            Format::UniNer | Format::NerCot | Format::Slimer | Format::Gliner2 | Format::Parquet
        )
    }

    /// Whether files of the format are read but not written.
    pub fn is_read_only(self) -> bool {
        matches!(
            self,
            Format::IndexedBio | Format::Tokens | Format::Slimer | Format::Extraction
        )
    }

    /// By what [`Format::detect`] recognises a file.
    pub fn recognised_by(self) -> &'static str {
        match self {
            Format::InstructUie => "keys sentence, entities; labels.json beside it has the labels",
            Format::Bio => {
                "columns, the tag in one of them: CoNLL, GermEval, CoNLL-U, BIO, BMES, BILOU; a blank line or \
                            -DOCSTART- between sentences"
            }
            Format::MitBio => "two columns, the first of them tags",
            Format::IndexedBio => "number, word and tag, divided by tabs",
            Format::UniNer => "key conversations",
            Format::NerCot => "keys sentence, schema",
            Format::Gliner => "key tokenized_text",
            Format::Plain => {
                "key text (or an entity with label or start), and no other format's keys"
            }
            Format::Tokens => "keys tokens, entity_mentions",
            Format::Slimer => "key doc_question_pairID",
            Format::Gliner2 => "keys input, output; or text, entities with lists of texts by label",
            Format::Doccano => {
                "text and triples under label, labels or entities, or entities with start_offset"
            }
            Format::LabelStudio => "data and annotations; JSON-MIN: text, label with labels inside",
            Format::Prodigy => "text, spans, answer",
            Format::Spacy => {
                "a list of a text and {entities}; such lists under annotations; text, ents"
            }
            Format::Extraction => "keys sentence, entities, cut_off; what `rner extract` writes",
            Format::Hub => {
                "tokens or words, and a list of as many tags under ner_tags, tags, labels …"
            }
            Format::Parquet => "the name; its columns are the keys of one of the JSON formats",
        }
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
            Format::Gliner2 => "a row {input, output: {entities: {label: [text]}}}",
            Format::Doccano => "a row {text, label: [[start, end, label]]}",
            Format::LabelStudio => {
                "a row {data: {text}, annotations: [{result: [{value: {start, end, labels}}]}]}"
            }
            Format::Prodigy => "a row {text, spans: [{start, end, label}], answer}",
            Format::Spacy => "a row [text, {entities: [[start, end, label]]}]",
            Format::Extraction => {
                "a row with the keys sentence and entities, or error, as `rner extract` writes it"
            }
            Format::Hub => "a row {tokens, ner_tags}",
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
