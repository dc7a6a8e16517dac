//! What answers are held to: `eval.form` and `grpo.form`.

use serde::{Deserialize, Serialize};

/// What a model may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Anything.
    #[default]
    Free,
    /// Reasoning, if it likes, and a JSON object with labels of the schema, each at most once if there are up to 64.
    Schema,
    /// The same, with texts that occur in the sentence, letter by letter.
    Grounded,
}

impl Form {
    /// The word that recipes and flags have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Schema => "schema",
            Self::Grounded => "grounded",
        }
    }
}
