//! Why one request is not answered.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a server does not answer one request, while it may answer others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// A filter does not let the prompt pass.
    ContentFilter,
    /// The prompt, or the prompt with the answer that it allows, is longer than the server takes.
    ContextLength,
    /// A status that blames the request (400, 413, 422), in words that tell neither.
    RefusedByServer,
    /// An answer with status 200 and without a message, however often it was asked for.
    NoAnswer,
}

impl Rejection {
    /// The name, as it is written to files.
    pub fn name(self) -> &'static str {
        match self {
            Self::ContentFilter => "content_filter",
            Self::ContextLength => "context_length",
            Self::RefusedByServer => "refused_by_server",
            Self::NoAnswer => "no_answer",
        }
    }

    /// Whether the server's words say that it is this request. Otherwise only answers to others can show that.
    pub fn is_explained(self) -> bool {
        matches!(self, Self::ContentFilter | Self::ContextLength)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
