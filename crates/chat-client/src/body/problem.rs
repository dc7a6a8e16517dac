//! What stands in place of an answer, and the server's words about it.

use crate::meaning::{Meaning, Said};

/// Why a 200 body is not an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyProblem {
    /// Empty, cut off, or an error in disguise: worth another try.
    Transient(String),
    /// Not JSON at all, for instance HTML.
    NotJson(String),
    /// JSON, but not a chat completion.
    WrongShape(String),
    /// A chat completion without an answer: no choice, or none that says anything.
    NoAnswer(String),
    /// An error in the place of an answer, or inside of it, that says what it is.
    Said(Said),
}

impl BodyProblem {
    /// An error that came with status 200.
    pub(super) fn said(said: Said) -> Self {
        match said {
            Said {
                meaning: Meaning::Passing,
                message,
                after: None,
                ..
            } => Self::Transient(format!("200 with an error: {message}")),
            said => Self::Said(said),
        }
    }
}
