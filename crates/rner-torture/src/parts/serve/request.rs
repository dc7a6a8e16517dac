//! A request that is wrong, with the answers that are right.

use serde_json::{Value, json};

use super::program::MODEL;
use super::wire::post;

/// A request that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Bad {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Statuses that are right.
    pub(super) expected: Vec<u16>,
    /// A word of the answer.
    pub(super) says: &'static str,
    /// Whether it is so little of HTTP that the answer may be without words.
    pub(super) may_be_bare: bool,
    /// Whether the client says afterwards that it sends no more.
    pub(super) half_close: bool,
}

impl Bad {
    pub(super) fn new(
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        expected: &[u16],
    ) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
            expected: expected.to_vec(),
            says: "",
            may_be_bare: false,
            half_close: false,
        }
    }

    /// One that `hyper` refuses before it is a request.
    pub(super) fn bare(self) -> Self {
        Self {
            may_be_bare: true,
            ..self
        }
    }

    pub(super) fn says(self, says: &'static str) -> Self {
        Self { says, ..self }
    }
}

/// A body that is right.
pub(super) fn good() -> Value {
    json!({"model": MODEL, "prompt": [1, 2, 3], "max_tokens": 1, "seed": 1})
}

/// A request of JSON that is refused with this status and a word.
pub(super) fn json_body(
    path: &str,
    name: impl Into<String>,
    body: &[u8],
    expected: u16,
    says: &'static str,
) -> Bad {
    Bad::new(name, post(path, body), &[expected]).says(says)
}
