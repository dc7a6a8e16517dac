//! What can be wrong with a recipe; all of it is wrong usage (exit code 2).

use std::path::PathBuf;

/// Why a recipe could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The name is neither a profile nor a file.
    #[error("unknown profile \"{name}\": expected a recipe file or one of {known}{}", hint(.near))]
    UnknownProfile {
        /// What was asked for.
        name: String,
        /// The names of the embedded profiles.
        known: String,
        /// Names that resemble it.
        near: Vec<String>,
    },
    /// The name is neither a teacher nor a file.
    #[error(
        "unknown teacher \"{name}\": expected a file of [cot] keys (NAME.toml) or one of {known}"
    )]
    UnknownTeacher {
        /// What was asked for.
        name: String,
        /// The names of the embedded teachers.
        known: String,
    },
    /// The recipe file could not be read.
    #[error("cannot read the recipe {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The recipe is not TOML, lacks a key, or has one too many.
    #[error("recipe {origin}: {reason}")]
    Invalid {
        /// Profile or path.
        origin: String,
        /// What the reader of the file says.
        reason: String,
    },
    /// `--set` without `key=value`.
    #[error("--set \"{given}\": expected section.key=value")]
    Syntax {
        /// What was given.
        given: String,
    },
    /// A key that no recipe has.
    #[error("{origin}{key}: there is no such key{}", hint(.near))]
    UnknownKey {
        /// Who gave it, as the beginning of a sentence.
        origin: String,
        /// The key given.
        key: String,
        /// Keys that resemble it.
        near: Vec<String>,
    },
    /// A field of a trainer that the run derives from another section.
    #[error("{origin}{key}: recipes do not set it; {reason}")]
    Derived {
        /// Who gave it, as the beginning of a sentence.
        origin: String,
        /// The key given.
        key: String,
        /// What decides it.
        reason: &'static str,
    },
    /// `--set` of a value of the wrong type.
    #[error("--set {key}: expected {expected}, found {found}")]
    Type {
        /// The key given.
        key: String,
        /// The type of the key.
        expected: String,
        /// The type and text of the value given.
        found: String,
    },
    /// `--set` of a word that the key does not know, or of a number it cannot hold.
    #[error("--set {key} = {value}: {reason}")]
    Value {
        /// The key given.
        key: String,
        /// The value given.
        value: String,
        /// What the key accepts.
        reason: String,
    },
    /// A value that has the right type but makes no sense.
    #[error("{key}: expected {expected}, found {found}")]
    Range {
        /// The key.
        key: String,
        /// The condition.
        expected: String,
        /// The value.
        found: String,
    },
}

impl RecipeError {
    /// A recipe that cannot be read, for a reason.
    pub(super) fn invalid(origin: &str, reason: &impl ToString) -> Self {
        Self::Invalid {
            origin: origin.to_owned(),
            reason: reason.to_string().trim().to_owned(),
        }
    }

    /// An override whose value its key cannot have.
    pub(super) fn value(key: &str, text: &str, error: &toml::de::Error) -> Self {
        Self::Value {
            key: key.to_owned(),
            value: text.to_owned(),
            reason: error.message().to_owned(),
        }
    }

    /// What a trainer says about its configuration, which is the table `train` of a section.
    pub(super) fn of_trainer(section: &str, error: lm_train::Error) -> Self {
        match error {
            lm_train::Error::Config {
                field,
                expected,
                found,
            } => Self::Range {
                key: format!("{section}.train.{field}"),
                expected: expected.to_owned(),
                found,
            },
            other => Self::invalid(section, &other),
        }
    }
}

/// Refuses the value of a key unless it is `ok`.
pub(super) fn range(
    key: &str,
    found: impl ToString,
    ok: bool,
    expected: &str,
) -> Result<(), RecipeError> {
    if ok {
        return Ok(());
    }
    Err(RecipeError::Range {
        key: key.to_owned(),
        expected: expected.to_owned(),
        found: found.to_string(),
    })
}

fn hint(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    format!("; did you mean {}?", near.join(" or "))
}
