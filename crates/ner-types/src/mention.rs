//! An entity at one of its places, and what else is known about it.

use serde::Serialize;

use crate::{GroundStatus, OffsetIndex, Offsets, Span};

/// An entity at one of its places.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Mention {
    /// The text as the answer gives it; the sentence may spell it otherwise, see `grounding`.
    pub text: String,
    /// The type.
    pub label: String,
    /// Where it begins, in the unit of the extraction; nothing if the text stands nowhere.
    pub start: Option<usize>,
    /// Where it ends, exclusive.
    pub end: Option<usize>,
    /// First byte of UTF-8, whatever the unit.
    pub byte_start: Option<usize>,
    /// Byte behind the last one.
    pub byte_end: Option<usize>,
    /// How it was found: `exact`, `folded` (case, quotes, dashes, white space), `fuzzy`, or `absent`: it does not stand
    /// in the sentence.
    pub grounding: &'static str,
    /// Edits between the text and what stands there, if it was found by them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<usize>,
    /// How sure one can be of the entity, between 0 and 1, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// The share of samples that name the entity, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Where the same text stands too, in windows of a document whose answers do not name it. They are given once, with
    /// the first mention of a text under a label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Place>,
    /// The sentence of the reasoning that names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// A stretch of a text, ends exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Where it begins, in the unit of the extraction.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// First byte of UTF-8.
    pub byte_start: usize,
    /// Byte behind the last one.
    pub byte_end: usize,
}

/// A passage of the reasoning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The passage.
    pub text: String,
    /// Where it stands in the reasoning of the extraction.
    #[serde(flatten)]
    pub place: Place,
}

/// A part of a document that a question was about, and how its answer was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WindowRow {
    /// Where the part stands in the document, without what was shown before it.
    #[serde(flatten)]
    pub place: Place,
    /// Where the text begins that was shown before it as context, in the unit of the extraction, if any was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_start: Option<usize>,
    /// First byte of the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_byte_start: Option<usize>,
    /// Which group of types was asked for, from 0, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<usize>,
    /// Whether the answer is JSON that the paper's reader accepts.
    pub is_json: bool,
    /// Whether a part was taken from a faulty answer.
    pub salvaged: bool,
    /// Whether the answer was cut off because it had become too long.
    pub cut_off: bool,
    /// Entities of the answer that stand in the context alone. They belong to the window before and are not taken.
    pub in_context: usize,
}

impl Mention {
    /// A text of an answer under a label, at a place or nowhere. Offsets are in characters.
    pub fn new(text: &str, label: &str, status: GroundStatus, place: Option<Place>) -> Self {
        let edits = match status {
            GroundStatus::Fuzzy { edits } => Some(edits),
            _ => None,
        };
        Self {
            text: text.to_owned(),
            label: label.to_owned(),
            start: place.map(|place| place.start),
            end: place.map(|place| place.end),
            byte_start: place.map(|place| place.byte_start),
            byte_end: place.map(|place| place.byte_end),
            grounding: status.name(),
            edits,
            ..Self::default()
        }
    }

    /// Where it stands.
    pub fn place(&self) -> Option<Place> {
        Some(Place {
            start: self.start?,
            end: self.end?,
            byte_start: self.byte_start?,
            byte_end: self.byte_end?,
        })
    }

    /// For sorting: by place, the longer first; what stands nowhere comes last.
    pub fn order(&self) -> (bool, Option<usize>, std::cmp::Reverse<Option<usize>>) {
        let end = std::cmp::Reverse(self.byte_end);
        (self.byte_start.is_none(), self.byte_start, end)
    }

    /// The same with offsets in another unit. `sentence` and `reasoning` are what it was found and named in.
    pub(crate) fn in_unit(
        &mut self,
        unit: Offsets,
        sentence: &OffsetIndex<'_>,
        reasoning: &OffsetIndex<'_>,
    ) {
        if let Some(mut place) = self.place() {
            place.in_unit(unit, sentence);
            (self.start, self.end) = (Some(place.start), Some(place.end));
        }
        for other in &mut self.others {
            other.in_unit(unit, sentence);
        }
        if let Some(evidence) = &mut self.evidence {
            evidence.place.in_unit(unit, reasoning);
        }
    }
}

impl Place {
    /// The place of some bytes of a text, in a unit. An end inside of a character stays as it is.
    pub fn of(bytes: std::ops::Range<usize>, unit: Offsets, text: &OffsetIndex<'_>) -> Self {
        let mut place = Self {
            start: bytes.start,
            end: bytes.end,
            byte_start: bytes.start,
            byte_end: bytes.end,
        };
        place.in_unit(unit, text);
        place
    }

    /// The bytes, for slicing the text.
    pub fn bytes(&self) -> std::ops::Range<usize> {
        self.byte_start..self.byte_end
    }

    pub(crate) fn in_unit(&mut self, unit: Offsets, text: &OffsetIndex<'_>) {
        let at = |byte| text.at(byte, unit).unwrap_or(byte);
        (self.start, self.end) = (at(self.byte_start), at(self.byte_end));
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self {
            start: span.char_start,
            end: span.char_end,
            byte_start: span.byte_start,
            byte_end: span.byte_end,
        }
    }
}
