//! What can be wrong in a file of predictions, in words and numbers.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::matching::MatchedBy;

/// Faults that are kept by name; further ones are only counted.
const LISTED: usize = 100;
/// Faults that a message shows.
const SHOWN: usize = 10;

/// Something in a file of predictions that does not fit the suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Line, from 1; `None` for what is not in the file.
    pub line: Option<usize>,
    /// What is wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What can be wrong with a prediction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// A line is not an object with a completion or entities.
    NotAPrediction {
        /// What the reader says.
        found: String,
    },
    /// What a prediction says of its sentence fits none, or contradicts itself.
    Unmatched {
        /// What it says.
        found: String,
    },
    /// The suite has no such dataset.
    UnknownDataset {
        /// The name that was given.
        dataset: String,
    },
    /// The dataset has fewer sentences.
    IndexOutOfRange {
        /// The dataset.
        dataset: String,
        /// The index that was given, from 0.
        index: usize,
        /// Sentences of the dataset.
        sentences: usize,
    },
    /// The sentence has a prediction already; the first one counts.
    Duplicate {
        /// The dataset.
        dataset: String,
        /// The index, from 0.
        index: usize,
        /// Line of the first prediction.
        first_line: usize,
    },
    /// A reply is for a type that the dataset does not have.
    UnknownType {
        /// The dataset.
        dataset: String,
        /// The index, from 0.
        index: usize,
        /// The type that was given.
        label: String,
    },
    /// Sentences that were asked for some of their types only.
    MissingTypes {
        /// The dataset.
        dataset: String,
        /// How many replies are missing.
        replies: usize,
        /// Index of the first sentence that lacks one, from 0.
        first: usize,
        /// The first type that it lacks.
        label: String,
    },
    /// Sentences without a prediction.
    Missing {
        /// The dataset.
        dataset: String,
        /// How many there are.
        sentences: usize,
        /// Index of the first of them, from 0.
        first: usize,
    },
}

/// How many faults of each kind a file has, and the first of them by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// The file.
    pub path: PathBuf,
    /// Lines that are no predictions.
    pub not_a_prediction: usize,
    /// Predictions whose sentence is not in the suite.
    #[serde(default)]
    pub unmatched: usize,
    /// Predictions for datasets that the suite does not have.
    pub unknown_dataset: usize,
    /// Predictions for sentences that the dataset does not have.
    pub index_out_of_range: usize,
    /// Second and further predictions for a sentence.
    pub duplicate: usize,
    /// Replies for types that the dataset does not have.
    #[serde(default)]
    pub unknown_type: usize,
    /// Replies that are missing where a sentence was asked type by type.
    #[serde(default)]
    pub missing_types: usize,
    /// Sentences without a prediction.
    pub missing: usize,
    /// The faults, in the order of the file, the first hundred.
    pub listed: Vec<Fault>,
    /// What the predictions were matched by.
    #[serde(default)]
    pub matched_by: Option<MatchedBy>,
    /// Entities whose offsets were not used, as an answer has none. No fault.
    #[serde(default)]
    pub offsets_unused: usize,
}

impl Faults {
    /// Faults of all kinds together.
    pub fn total(&self) -> usize {
        let lines = self.not_a_prediction + self.unknown_dataset + self.index_out_of_range;
        lines
            + self.unmatched
            + self.duplicate
            + self.unknown_type
            + self.missing_types
            + self.missing
    }

    /// How the predictions found their sentences, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let by = self.matched_by.iter();
        let mut notes: Vec<String> = by
            .map(|by| format!("predictions matched by {by}"))
            .collect();
        if self.offsets_unused > 0 {
            notes.push(format!(
                "offsets of {} predicted entities are not used: an answer has none, and its texts are placed; `rner \
                 score` compares the offsets",
                self.offsets_unused
            ));
        }
        notes
    }

    pub(super) fn add(&mut self, line: Option<usize>, kind: FaultKind) {
        match &kind {
            FaultKind::NotAPrediction { .. } => self.not_a_prediction += 1,
            FaultKind::Unmatched { .. } => self.unmatched += 1,
            FaultKind::UnknownDataset { .. } => self.unknown_dataset += 1,
            FaultKind::IndexOutOfRange { .. } => self.index_out_of_range += 1,
            FaultKind::Duplicate { .. } => self.duplicate += 1,
            FaultKind::UnknownType { .. } => self.unknown_type += 1,
            FaultKind::MissingTypes { replies, .. } => self.missing_types += replies,
            FaultKind::Missing { sentences, .. } => self.missing += sentences,
        }
        if self.listed.len() < LISTED {
            self.listed.push(Fault { line, kind });
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::NotAPrediction { found } => write!(
                f,
                "expected a prediction with a completion or entities, found {found}"
            ),
            FaultKind::Unmatched { found } => {
                write!(f, "expected a sentence of the suite, found {found}")
            }
            FaultKind::UnknownDataset { dataset } => {
                write!(f, "expected a dataset of the suite, found {dataset:?}")
            }
            FaultKind::IndexOutOfRange {
                dataset,
                index,
                sentences,
            } => write!(
                f,
                "{dataset:?}: expected an index below {sentences}, found {index}"
            ),
            FaultKind::Duplicate {
                dataset,
                index,
                first_line,
            } => write!(
                f,
                "{dataset:?}, index {index}: expected one prediction, found a second one; the first is on line \
                 {first_line}"
            ),
            FaultKind::UnknownType {
                dataset,
                index,
                label,
            } => write!(
                f,
                "{dataset:?}, index {index}: expected a type of the dataset, found {label:?}"
            ),
            FaultKind::MissingTypes {
                dataset,
                replies,
                first,
                label,
            } => write!(
                f,
                "{dataset:?}: expected a reply for every type, found none for {replies}, the first of them \
                 {label:?} at index {first}"
            ),
            FaultKind::Missing {
                dataset,
                sentences,
                first,
            } => write!(
                f,
                "{dataset:?}: expected a prediction for every sentence, found none for {sentences}, the first of \
                 them index {first}"
            ),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        for (i, fault) in self.listed.iter().take(SHOWN).enumerate() {
            let line = fault
                .line
                .map(|line| format!(":{line}"))
                .unwrap_or_default();
            write!(f, "{}{path}{line}: {fault}", if i == 0 { "" } else { "\n" })?;
        }
        let counts = [
            (self.not_a_prediction, "lines that are no predictions"),
            (self.unmatched, "of sentences that the suite does not have"),
            (self.unknown_dataset, "of unknown datasets"),
            (self.index_out_of_range, "with an index out of range"),
            (self.duplicate, "given twice"),
            (
                self.unknown_type,
                "for types that the dataset does not have",
            ),
            (self.missing_types, "replies for a type missing"),
            (self.missing, "sentences without a prediction"),
        ];
        let counts = counts.iter().filter(|(n, _)| *n > 0);
        let counts: Vec<String> = counts.map(|(n, what)| format!("{n} {what}")).collect();
        write!(f, "\n{path}: in all {}", counts.join(", "))
    }
}
