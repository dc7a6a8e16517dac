//! The kinds of errors.

use serde::{Deserialize, Serialize};

/// What an error is. Every false positive and every false negative belongs to exactly one error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The right label, but a part of the mention, or more than it.
    Boundary,
    /// The right mention with another label of the schema.
    Type,
    /// It overlaps a gold mention, but neither label nor extent are right.
    Both,
    /// A gold mention that nothing overlaps.
    Missed,
    /// Predicted from the sentence where no gold mention is.
    Spurious,
    /// Predicted with a text that is not in the sentence: neither literally nor in another case nor normalised.
    Hallucinated,
    /// Predicted with a label that was not asked for, whether a gold mention is there or not.
    OutsideSchema,
    /// Predicted again. It costs something only where repeats count.
    Duplicate,
    /// A gold mention that is missing because the answer could not be read.
    ParseFailure,
}

impl ErrorClass {
    /// All classes, in the order of their declaration.
    pub const ALL: [ErrorClass; 9] = [
        ErrorClass::Boundary,
        ErrorClass::Type,
        ErrorClass::Both,
        ErrorClass::Missed,
        ErrorClass::Spurious,
        ErrorClass::Hallucinated,
        ErrorClass::OutsideSchema,
        ErrorClass::Duplicate,
        ErrorClass::ParseFailure,
    ];

    /// The name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::Boundary => "boundary",
            ErrorClass::Type => "type",
            ErrorClass::Both => "both",
            ErrorClass::Missed => "missed",
            ErrorClass::Spurious => "spurious",
            ErrorClass::Hallucinated => "hallucinated",
            ErrorClass::OutsideSchema => "outside_schema",
            ErrorClass::Duplicate => "duplicate",
            ErrorClass::ParseFailure => "parse_failure",
        }
    }
}
