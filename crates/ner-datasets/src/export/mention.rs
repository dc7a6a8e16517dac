//! A mention of a stored row, and the places of its text.

use ner_types::{CharIndex, Span};
use serde::Deserialize;
use serde_json::Value;

use crate::Offsets;

/// An entity at one of its places.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExportMention {
    /// The text: as it stands in the sentence, or as the answer gives it if it stands nowhere.
    pub text: String,
    /// As the answer gives it, if the sentence spells it otherwise.
    pub answer: Option<String>,
    /// The type.
    pub label: String,
    /// Where it stands, in bytes and in characters.
    pub span: Option<Span>,
    /// Where it stands, in UTF-16 units; zeros if it stands nowhere.
    pub utf16: [usize; 2],
    /// How it was found, as the row says: `exact`, `fuzzy`, `absent` and the like.
    pub grounding: String,
    /// Edits between the answer and what stands there, if it was found by them.
    pub edits: Option<u64>,
    /// How sure the model is, from 0 to 1.
    pub confidence: Option<f64>,
    /// The passage of the reasoning that names it.
    pub evidence: Option<String>,
}

/// A mention as it is stored.
#[derive(Deserialize)]
pub(super) struct Stored {
    text: String,
    label: String,
    #[serde(default)]
    start: Option<usize>,
    #[serde(default)]
    end: Option<usize>,
    #[serde(default)]
    grounding: Option<String>,
    #[serde(default)]
    edits: Option<u64>,
    #[serde(default)]
    confidence: Option<f64>,
    #[serde(default)]
    evidence: Option<Value>,
}

impl Stored {
    /// The mention in its sentence.
    ///
    /// # Errors
    /// A place outside of the text.
    pub(super) fn read(
        self,
        sentence: &str,
        units: &Units,
        reasoning: Option<&str>,
    ) -> Result<ExportMention, String> {
        let span = self
            .start
            .zip(self.end)
            .map(|(start, end)| {
                units.span(start, end).ok_or_else(|| {
                    let (unit, text) = (units.unit, &self.text);
                    format!("[{start}, {end}] in {unit}, outside of the text, for {text:?}")
                })
            })
            .transpose()?;
        let stands = span.and_then(|span| span.text(sentence));
        let stands = stands.unwrap_or(&self.text).to_owned();
        let silent = if span.is_some() { "exact" } else { "absent" };
        Ok(ExportMention {
            answer: (stands != self.text).then_some(self.text),
            text: stands,
            label: self.label,
            span,
            utf16: span.map_or([0, 0], |span| units.utf16(&span)),
            grounding: self.grounding.unwrap_or_else(|| silent.into()),
            edits: self.edits,
            confidence: self.confidence,
            evidence: self.evidence.and_then(|it| passage(&it, reasoning)),
        })
    }
}

/// A passage, given as a text or by its place in the reasoning.
fn passage(evidence: &Value, reasoning: Option<&str>) -> Option<String> {
    let text = evidence.as_str().or_else(|| evidence.get("text")?.as_str());
    if let Some(text) = text {
        return Some(text.to_owned());
    }
    let at = |key: &str| usize::try_from(evidence.get(key)?.as_u64()?).ok();
    let reasoning = reasoning?;
    let span = CharIndex::new(reasoning).span_of_chars(at("start")?..at("end")?)?;
    span.text(reasoning).map(String::from)
}

/// The places of a text, counted in some unit.
pub(super) struct Units {
    unit: Offsets,
    index: CharIndex,
    /// The UTF-16 unit with which each character begins, and the end; none for ASCII, where all ways of counting agree.
    utf16: Vec<usize>,
}

impl Units {
    pub(super) fn new(text: &str, unit: Offsets) -> Self {
        let mut at = 0;
        let ends = text.chars().map(|character| {
            at += character.len_utf16();
            at
        });
        let utf16 = if text.is_ascii() {
            Vec::new()
        } else {
            std::iter::once(0).chain(ends).collect()
        };
        let index = CharIndex::new(text);
        Self { unit, index, utf16 }
    }

    fn span(&self, start: usize, end: usize) -> Option<Span> {
        match self.unit {
            Offsets::Bytes => self.index.span_of_bytes(start..end),
            Offsets::Utf16 if !self.utf16.is_empty() => {
                let char_of = |unit: usize| self.utf16.binary_search(&unit).ok();
                self.index.span_of_chars(char_of(start)?..char_of(end)?)
            }
            Offsets::Characters | Offsets::Utf16 => self.index.span_of_chars(start..end),
        }
    }

    fn utf16(&self, span: &Span) -> [usize; 2] {
        [span.char_start, span.char_end].map(|char| self.utf16.get(char).copied().unwrap_or(char))
    }
}
