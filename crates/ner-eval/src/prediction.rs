//! Predictions as they lie on disk: one JSON object a line, in the order in which they were made.

use std::fs;
use std::path::Path;

use ner_datasets::write_atomic;
use ner_types::Thought;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a model said to one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// Name of the set.
    pub dataset: String,
    /// Position of the sentence in the set, from 0.
    pub index: usize,
    /// The completion in full, reasoning included.
    pub completion: String,
    /// Whether the completion ended because it reached its length limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Tokens of the completion, where the model counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
    /// What its reasoning cost, where that has a budget.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub thought: Option<Thought>,
}

/// A sentence that could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRequest {
    /// Name of the set.
    pub dataset: String,
    /// Position of the sentence in the set, from 0.
    pub index: usize,
    /// What the last try said.
    pub reason: String,
}

/// Reads a file of predictions; blank lines are skipped.
///
/// # Errors
///
/// If the file cannot be read or a line is not a prediction.
pub fn read_predictions(path: &Path) -> Result<Vec<Prediction>, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.into(),
        source,
    })?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| read_line(path, i + 1, line))
        .collect()
}

fn read_line(path: &Path, line: usize, text: &str) -> Result<Prediction, Error> {
    serde_json::from_str(text).map_err(|error| Error::Format {
        path: path.into(),
        line,
        found: error.to_string(),
    })
}

/// Writes predictions, so that the file appears only when complete.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_predictions(path: &Path, predictions: &[Prediction]) -> Result<(), Error> {
    let written = write_atomic(path, |out| {
        predictions.iter().try_for_each(|prediction| {
            serde_json::to_writer(&mut *out, prediction)?;
            out.write_all(b"\n")
        })
    });
    Ok(written?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(index: usize, completion: &str) -> Prediction {
        Prediction {
            dataset: "set".into(),
            index,
            completion: completion.into(),
            truncated: false,
            tokens: None,
            thought: None,
        }
    }

    #[test]
    fn predictions_round_trip_and_absent_facts_are_not_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("predictions.jsonl");
        let measured = Prediction {
            truncated: true,
            tokens: Some(7),
            ..prediction(1, "{\n")
        };
        let predictions = [prediction(0, "小樽"), measured];
        write_predictions(&path, &predictions).expect("written");
        assert_eq!(read_predictions(&path).expect("readable"), predictions);
        let text = fs::read_to_string(&path).expect("readable");
        assert_eq!(
            text.lines().next(),
            Some(r#"{"dataset":"set","index":0,"completion":"小樽"}"#)
        );
    }

    #[test]
    fn faults_are_named_with_their_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("predictions.jsonl");
        fs::write(
            &path,
            "\n{\"dataset\":\"set\",\"index\":-1,\"completion\":\"\"}\n",
        )
        .expect("written");
        let message = read_predictions(&path)
            .expect_err("a negative index")
            .to_string();
        assert!(
            message.contains(
                "predictions.jsonl:2: expected a prediction {dataset, index, completion}"
            ),
            "{message}"
        );
    }
}
