//! What can go wrong in an evaluation.

use std::path::PathBuf;

use crate::BoxError;

/// An error of this crate. What a model answers is never an error: it is scored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The completer failed; answers of earlier batches were already handed to the progress callback.
    #[error("the model failed on the prompts of sentences {first} to {last} of {total}: {source}")]
    Completer {
        /// First sentence of the batch, from 1, among those that were to be answered.
        first: usize,
        /// Last sentence of the batch.
        last: usize,
        /// Sentences that were to be answered.
        total: usize,
        /// What the completer says.
        source: BoxError,
    },
    /// The completer gave a different number of answers than there were prompts.
    #[error("expected {expected} answers from the model, one a prompt, found {found}")]
    AnswerCount {
        /// Prompts of the batch.
        expected: usize,
        /// Answers to it.
        found: usize,
    },
    /// Two sets of a suite have one name, so that predictions could not be told apart.
    #[error("suite {suite:?}: expected sets of different names, found {set:?} twice")]
    DuplicateSet {
        /// Name of the suite.
        suite: String,
        /// Name of both sets.
        set: String,
    },
    /// A prediction belongs to no sentence of the suite.
    #[error("prediction for {dataset:?}, index {index}: expected {expected}")]
    UnknownSentence {
        /// Dataset that the prediction names.
        dataset: String,
        /// Index that it gives, from 0.
        index: usize,
        /// What the suite has.
        expected: String,
    },
    /// Two predictions belong to one sentence.
    #[error("prediction for {dataset:?}, index {index}: expected one, found a second one")]
    DuplicatePrediction {
        /// Name of the dataset.
        dataset: String,
        /// Index of the sentence, from 0.
        index: usize,
    },
    /// Two systems are to be compared, but a sentence is answered by one of them only.
    #[error("{dataset:?}, index {index}: expected an answer of both systems, found one")]
    Unpaired {
        /// Name of the dataset.
        dataset: String,
        /// Index of the sentence, from 0.
        index: usize,
    },
    /// A file of predictions cannot be read.
    #[error("{path}: cannot read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A line of a file of predictions is not one.
    #[error("{path}:{line}: expected a prediction {{dataset, index, completion}}, found {found}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        found: String,
    },
    /// A dataset cannot be read, or a file not written.
    #[error(transparent)]
    Data(#[from] ner_datasets::Error),
    /// Two systems cannot be compared.
    #[error(transparent)]
    Score(#[from] ner_score::Error),
}
