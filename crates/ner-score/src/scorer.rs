//! The presets: whose scorer is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A published way of counting right and wrong entities. The presets are not interchangeable: the same answers score
/// differently under each of them.
///
/// | preset | compares | text | label | repeats | an empty answer to empty gold |
/// |---|---|---|---|---|---|
/// | `reasoningie` | text, label | SQuAD normalisation | lower case, trimmed | collapse | nothing |
/// | `universalner` | text, label | SQuAD normalisation | lower case, trimmed; must be in the schema | collapse | nothing |
/// | `instructuie` | the string `label:text` | its `_format` | its `_format` | collapse | one true positive |
/// | `b2ner` | the string `label:text` | its `_format` | its `_format` | collapse | nothing |
/// | `gollie` | text, label | lower case, trimmed | lower case, trimmed; must be in the schema | count | nothing |
/// | `gliner` | label, words | – | lower case, trimmed; must be in the schema | collapse | nothing |
/// | `seqeval-strict` | label, characters | – | as written, trimmed | collapse | nothing |
/// | `strict`, `exact`, `partial`, `type` | label, characters | – | as written, trimmed | count | nothing |
///
/// Placeholder labels such as `misc` leave gold and predictions alike, except in `reasoningie`, whose original filters
/// the gold alone ([`Scorer::filters_gold_alone`]); [`crate::filter`] counts them. This is done to the lists before
/// they are compared: a preset counts what it is given.
///
/// Lower case is Unicode's; no preset applies a Unicode normal form, so composed and decomposed letters differ.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scorer {
    /// The paper's: sets of (text, label), normalised as by the SQuAD scorer. A label outside the schema is a false
    /// positive.
    #[default]
    #[serde(rename = "reasoningie")]
    ReasoningIe,
    /// UniversalNER's: the same sets, asked for one type at a time, so that a label outside the schema cannot occur;
    /// such predictions are not counted.
    #[serde(rename = "universalner")]
    UniversalNer,
    /// InstructUIE's: both sides written as `label: text; label: text` (`None` if empty), formatted, cut at `;`.
    #[serde(rename = "instructuie")]
    InstructUie,
    /// B2NER's: as InstructUIE's with more repairs, and pieces without a colon are not items.
    #[serde(rename = "b2ner")]
    B2Ner,
    /// GoLLIE's: multisets; predictions whose text is not in the sentence or whose label is not in the schema are
    /// removed before counting.
    #[serde(rename = "gollie")]
    GoLlie,
    /// GLiNER's: sets of (label, first word, last word), words as its splitter cuts them. A mention that does not
    /// begin and end with a word cannot be matched.
    #[serde(rename = "gliner")]
    GLiNer,
    /// seqeval's strict mode: sets of (label, span), as far as tags can express them; of overlapping mentions of one
    /// side only the one that starts first, and of those the longest, is kept.
    SeqevalStrict,
    /// nervaluate's `strict`: right if span and label agree.
    Strict,
    /// nervaluate's `exact`: right if the span agrees, whatever the label.
    Exact,
    /// nervaluate's `partial`: right if the span agrees, half right if it overlaps, whatever the label.
    Partial,
    /// nervaluate's `type`: right if the label agrees and the spans overlap.
    Type,
}

impl Scorer {
    /// All presets, the default first.
    pub const ALL: [Scorer; 11] = [
        Scorer::ReasoningIe,
        Scorer::UniversalNer,
        Scorer::InstructUie,
        Scorer::B2Ner,
        Scorer::GoLlie,
        Scorer::GLiNer,
        Scorer::SeqevalStrict,
        Scorer::Strict,
        Scorer::Exact,
        Scorer::Partial,
        Scorer::Type,
    ];

    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Scorer::ReasoningIe => "reasoningie",
            Scorer::UniversalNer => "universalner",
            Scorer::InstructUie => "instructuie",
            Scorer::B2Ner => "b2ner",
            Scorer::GoLlie => "gollie",
            Scorer::GLiNer => "gliner",
            Scorer::SeqevalStrict => "seqeval-strict",
            Scorer::Strict => "strict",
            Scorer::Exact => "exact",
            Scorer::Partial => "partial",
            Scorer::Type => "type",
        }
    }

    /// Whether positions are compared, so that sentences are needed and mentions without a span are placed.
    pub fn compares_spans(self) -> bool {
        matches!(self, Scorer::GLiNer | Scorer::SeqevalStrict) || self.is_nervaluate()
    }

    /// Whether a mention given twice counts twice.
    pub fn counts_repeats(self) -> bool {
        self == Scorer::GoLlie || self.is_nervaluate()
    }

    /// How many units of [`crate::Counts`] one mention is: two for `partial`, which gives half points, else one.
    pub fn units(self) -> usize {
        if self == Scorer::Partial { 2 } else { 1 }
    }

    pub(crate) fn is_nervaluate(self) -> bool {
        matches!(
            self,
            Scorer::Strict | Scorer::Exact | Scorer::Partial | Scorer::Type
        )
    }

    pub(crate) fn needs_known_label(self) -> bool {
        matches!(self, Scorer::UniversalNer | Scorer::GoLlie | Scorer::GLiNer)
    }
}

impl fmt::Display for Scorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scorer {
    type Err = Error;

    /// Reads a preset's name; upper case and underscores are accepted.
    fn from_str(name: &str) -> Result<Self, Error> {
        let wanted = name.trim().to_lowercase().replace('_', "-");
        let found = Scorer::ALL.into_iter().find(|s| s.name() == wanted);
        found.ok_or_else(|| Error::UnknownScorer { name: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_are_those_of_serde() {
        for scorer in Scorer::ALL {
            assert_eq!(scorer.name().parse(), Ok(scorer));
            let json = serde_json::to_string(&scorer).expect("a string");
            assert_eq!(json, format!("\"{scorer}\""));
        }
        assert_eq!("SeqEval_Strict".parse(), Ok(Scorer::SeqevalStrict));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "muc".parse::<Scorer>().expect_err("no such preset");
        assert!(error.to_string().contains("reasoningie"), "{error}");
        assert!(error.to_string().contains("muc"), "{error}");
    }
}
