//! What is wrong with a source row, seen before money is spent on it.

use ner_types::Example;
use serde::{Deserialize, Serialize};

/// What a source row may have at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceLimits {
    /// Most bytes of a sentence.
    pub max_sentence_bytes: usize,
    /// Most different labels of a schema.
    pub max_labels: usize,
}

impl Default for SourceLimits {
    /// 20,000 bytes and 500 labels: more is a faulty export, not a sentence.
    fn default() -> Self {
        Self {
            max_sentence_bytes: 20_000,
            max_labels: 500,
        }
    }
}

/// Why a source row is not asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceProblem {
    /// There is nothing but white space.
    #[error("expected a sentence, found none")]
    EmptySentence,
    /// There is no label, or placeholders such as `misc` only.
    #[error("expected a schema with a label, found none")]
    EmptySchema,
    /// The sentence is too long.
    #[error("expected a sentence of at most {limit} bytes, found {found}")]
    SentenceTooLong {
        /// Most bytes.
        limit: usize,
        /// Bytes of the sentence.
        found: usize,
    },
    /// The schema is too large.
    #[error("expected a schema of at most {limit} labels, found {found}")]
    TooManyLabels {
        /// Most labels.
        limit: usize,
        /// Different labels of the schema.
        found: usize,
    },
}

impl SourceProblem {
    /// Names of all problems, in the order of checking.
    pub const NAMES: [&'static str; 4] = [
        "empty_sentence",
        "empty_schema",
        "sentence_too_long",
        "too_many_labels",
    ];

    /// The problem's name in reports.
    pub fn name(&self) -> &'static str {
        let [sentence, schema, long, many] = Self::NAMES;
        match self {
            Self::EmptySentence => sentence,
            Self::EmptySchema => schema,
            Self::SentenceTooLong { .. } => long,
            Self::TooManyLabels { .. } => many,
        }
    }
}

/// Checks a row before it is asked about, labels as [`Example::normalized`] sees
/// them: a label that is given twice is no problem, it counts once.
///
/// # Errors
/// The first problem, in the order of the enum.
pub fn check_row(row: &Example, limits: &SourceLimits) -> Result<(), SourceProblem> {
    if row.sentence.trim().is_empty() {
        return Err(SourceProblem::EmptySentence);
    }
    let n_bytes = row.sentence.len();
    let n_labels = row.normalized().schema.len();
    if n_labels == 0 {
        return Err(SourceProblem::EmptySchema);
    }
    if n_bytes > limits.max_sentence_bytes {
        return Err(SourceProblem::SentenceTooLong {
            limit: limits.max_sentence_bytes,
            found: n_bytes,
        });
    }
    if n_labels > limits.max_labels {
        return Err(SourceProblem::TooManyLabels {
            limit: limits.max_labels,
            found: n_labels,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_named_in_order() {
        let labels = |n: usize| (0..n).map(|i| format!("label{i}")).collect::<Vec<_>>();
        let twice = ["City", "city ", "CITY"].map(String::from).to_vec();
        for (sentence, schema, expected) in [
            ("Brel sleeps.", labels(500), None),
            ("Brel sleeps.", twice, None),
            (&*"é".repeat(10_000), labels(1), None),
            (" \n", labels(0), Some("empty_sentence")),
            ("Brel sleeps.", labels(0), Some("empty_schema")),
            ("Brel sleeps.", vec!["MISC".into()], Some("empty_schema")),
            (&*"é".repeat(10_001), labels(1), Some("sentence_too_long")),
            ("Brel sleeps.", labels(501), Some("too_many_labels")),
        ] {
            let row = Example {
                sentence: sentence.into(),
                schema,
                ..Example::default()
            };
            let found = check_row(&row, &SourceLimits::default()).err();
            assert_eq!(found.as_ref().map(SourceProblem::name), expected);
            let serialised = found.map(|problem| serde_json::json!(problem).to_string());
            assert!(
                serialised
                    .unwrap_or_default()
                    .contains(expected.unwrap_or_default())
            );
        }
    }

    #[test]
    fn a_message_says_what_was_expected() {
        let problem = SourceProblem::TooManyLabels { limit: 2, found: 3 };
        let message = "expected a schema of at most 2 labels, found 3";
        assert_eq!(problem.to_string(), message);
    }
}
