//! What can be wrong with a completion.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something wrong with a completion. Rewards and scores decide its cost.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The bytes are not UTF-8; the first fault stands at this byte. Each fault is read as U+FFFD.
    InvalidUtf8(usize),
    /// `<think>` without `</think>`.
    UnclosedThink,
    /// `</think>` without `<think>` before it.
    StrayThink,
    /// An `<answer>` or a JSON fence that is not closed.
    UnclosedAnswer,
    /// Nothing is left where the JSON should stand.
    NoJson,
    /// The JSON ends too early.
    TruncatedJson,
    /// The answer is not JSON, for instance because text stands around it.
    InvalidJson,
    /// The JSON is nested more than 1,000 deep.
    TooDeep,
    /// Valid JSON of another shape than `{"entities": {label: [text]}}`, or than that of the [`Task`](crate::Task).
    WrongShape(String),
    /// A list of texts holds something that is not a string; it is skipped.
    NotAString(String),
    /// What stands under this relation is not a list of a head and a tail; it is skipped.
    NotAPair(String),
    /// What stands under this event is not an object with a `trigger`; it is skipped.
    NotAnEvent(String),
    /// A key of the JSON is given twice; the reference keeps the last one.
    DuplicateKey(String),
    /// So many entities were taken from an answer that the reference does not read as it stands.
    Salvaged(usize),
    /// A label that the schema does not have.
    LabelOutsideSchema(String),
    /// A text that does not stand in the sentence.
    NotInSentence(String),
    /// A label has an empty text.
    EmptyText(String),
    /// The same text under the same label again.
    Duplicate(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUtf8(at) => write!(f, "byte {at} is not UTF-8"),
            Self::UnclosedThink => f.write_str("the reasoning is not closed"),
            Self::StrayThink => f.write_str("</think> closes no reasoning"),
            Self::UnclosedAnswer => f.write_str("the answer block is not closed"),
            Self::NoJson => f.write_str("there is no answer"),
            Self::TruncatedJson => f.write_str("the JSON is truncated"),
            Self::InvalidJson => f.write_str("the answer is not JSON"),
            Self::TooDeep => f.write_str("the JSON is nested too deeply"),
            Self::WrongShape(what) => write!(f, "the JSON has the wrong shape: {what}"),
            Self::NotAString(label) => write!(f, "a text under {label:?} is not a string"),
            Self::NotAPair(label) => {
                write!(f, "a tuple under {label:?} is not a pair of texts")
            }
            Self::NotAnEvent(label) => {
                write!(
                    f,
                    "an event under {label:?} is not an object with a trigger"
                )
            }
            Self::DuplicateKey(key) => write!(f, "the key {key:?} is given twice"),
            Self::Salvaged(n) => write!(f, "{n} entities were salvaged from a faulty answer"),
            Self::LabelOutsideSchema(label) => write!(f, "label {label:?} is not in the schema"),
            Self::NotInSentence(text) => write!(f, "{text:?} does not stand in the sentence"),
            Self::EmptyText(label) => write!(f, "a text under {label:?} is empty"),
            Self::Duplicate(text) => write!(f, "{text:?} is given twice under one label"),
        }
    }
}
