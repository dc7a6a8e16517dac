//! Finding the entities of an answer in the sentence.
//!
//! A model answers with strings; a reader wants places. Each string is looked for in three ways, and the first that
//! finds something decides: literally; in a form in which compatible characters, cases, quotes, dashes and white space
//! are alike; and by words with at most a few edits. Every way passes over the sentence once, whatever it holds.

mod borders;
mod find;
mod fold;
mod fuzzy;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use self::fold::Folded;
use crate::example::Entity;
use crate::span::{CharIndex, Span};

pub use self::borders::{Borders, is_whole_words};

/// How an entity was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroundStatus {
    /// The text stands in the sentence literally.
    Exact,
    /// It stands there in other compatible characters (NFKC), case, quotes, dashes or white space.
    #[serde(alias = "normalized")]
    Folded,
    /// Words of the sentence differ from it by so many insertions, deletions and substitutions, after normalisation.
    Fuzzy {
        /// Number of edits.
        edits: usize,
    },
    /// It does not stand in the sentence.
    #[serde(alias = "ungrounded")]
    Absent,
}

impl GroundStatus {
    /// The name in outputs: `exact`, `folded`, `fuzzy` or `absent`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Folded => "folded",
            Self::Fuzzy { .. } => "fuzzy",
            Self::Absent => "absent",
        }
    }
}

/// Where a text stands in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounding {
    /// How it was found.
    pub status: GroundStatus,
    /// All its places, in ascending order and without overlap; empty if it is absent.
    pub spans: Vec<Span>,
}

/// An entity of an answer with its places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroundedEntity {
    /// The entity as the answer gives it.
    pub entity: Entity,
    /// How it was found, and where.
    #[serde(flatten)]
    pub grounding: Grounding,
}

impl GroundedEntity {
    /// One entity for each place, with its span.
    pub fn mentions(&self) -> impl Iterator<Item = Entity> {
        let spans = self.grounding.spans.iter();
        spans.map(|&span| self.entity.clone().at(span))
    }
}

/// What counts as found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroundOptions {
    /// Whether a place must begin and end where words do.
    pub borders: Borders,
    /// Edits allowed for each character of the normalised text, rounded down: with the default of 0.2, texts below five
    /// characters must be found without edits. 0 turns the fuzzy search off. Texts of more than 128 characters are
    /// never searched for in this way.
    pub max_edits_per_char: f64,
}

impl Default for GroundOptions {
    fn default() -> Self {
        GroundOptions {
            borders: Borders::Prefer,
            max_edits_per_char: 0.2,
        }
    }
}

/// A sentence, prepared for finding texts in it.
///
/// The time for one text is linear in the sentence and the text.
///
/// ```
/// use ner_types::{GroundStatus, Grounder};
///
/// let sentence = "Zoë Voss left; VOSS’ brother, Zoe Voss, stayed.";
/// let grounder = Grounder::new(sentence);
/// let found = grounder.ground("Voss' brother");
/// assert_eq!(found.status, GroundStatus::Folded);
/// assert_eq!(found.spans[0].text(sentence), Some("VOSS’ brother"));
/// assert_eq!(found.spans[0].chars(), 15..28);
/// ```
#[derive(Debug)]
pub struct Grounder<'s> {
    sentence: &'s str,
    options: GroundOptions,
    chars: CharIndex,
    /// Only needed for what is not found literally.
    folded: OnceLock<Folded>,
}

impl<'s> Grounder<'s> {
    /// Prepares a sentence, with the default options.
    pub fn new(sentence: &'s str) -> Self {
        Self::with_options(sentence, GroundOptions::default())
    }

    /// Prepares a sentence.
    pub fn with_options(sentence: &'s str, options: GroundOptions) -> Self {
        Grounder {
            sentence,
            options,
            chars: CharIndex::new(sentence),
            folded: OnceLock::new(),
        }
    }

    /// Finds all places of a text. White space around it does not count; an empty text is nowhere.
    pub fn ground(&self, text: &str) -> Grounding {
        let text = crate::normalize::trim(text);
        self.exact(text)
            .or_else(|| self.folded_or_fuzzy(text))
            .unwrap_or(Grounding {
                status: GroundStatus::Absent,
                spans: Vec::new(),
            })
    }

    /// Finds all places of each entity. Entities keep their order; a span that one has already is not looked at.
    pub fn ground_all(&self, entities: &[Entity]) -> Vec<GroundedEntity> {
        let ground = |entity: &Entity| GroundedEntity {
            entity: entity.clone(),
            grounding: self.ground(&entity.text),
        };
        entities.iter().map(ground).collect()
    }

    fn exact(&self, text: &str) -> Option<Grounding> {
        let places = find::occurrences(self.sentence, text);
        self.grounding(GroundStatus::Exact, places)
    }

    fn folded_or_fuzzy(&self, text: &str) -> Option<Grounding> {
        let text = fold::fold(text);
        let text = text.text.trim_matches(' ');
        let folded = self.folded.get_or_init(|| fold::fold(self.sentence));
        let places = find::occurrences(&folded.text, text);
        let places = places.filter_map(|place| folded.original(place));
        self.grounding(GroundStatus::Folded, places)
            .or_else(|| self.fuzzy(text, folded))
    }

    fn fuzzy(&self, text: &str, folded: &Folded) -> Option<Grounding> {
        let found = fuzzy::search(&folded.text, text, self.options.max_edits_per_char)?;
        let places = found.places.into_iter();
        let places = places.filter_map(|place| folded.original(place));
        self.grounding(GroundStatus::Fuzzy { edits: found.edits }, places)
    }

    /// The places that the options allow, or `None` if there is none.
    fn grounding(
        &self,
        status: GroundStatus,
        places: impl Iterator<Item = Range<usize>>,
    ) -> Option<Grounding> {
        let places = self.options.borders.select(self.sentence, places);
        let spans: Vec<Span> = places
            .into_iter()
            .filter_map(|place| self.chars.span_of_bytes(place))
            .collect();
        (!spans.is_empty()).then_some(Grounding { status, spans })
    }
}
