//! What can go wrong in an evaluation.

use std::path::PathBuf;

use crate::completer::BoxError;
use crate::faults::kind::Faults;

/// An error of this crate. What a model answers is never an error: it is scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The completer failed; answers of earlier batches were already handed to the observer.
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
    /// Predictions do not fit the suite; all faults that were found, the first of them by name.
    #[error("{0}")]
    Faults(Box<Faults>),
    /// A suite file is not one.
    #[error("{origin}: expected a suite (TOML), found {found}")]
    SuiteFile {
        /// Path of the file, or name of the shipped suite.
        origin: String,
        /// What is wrong, with the line.
        found: String,
    },
    /// There is neither a shipped suite nor a file of that name.
    #[error("suite {name:?}: expected {expected} or the path of a TOML file")]
    UnknownSuite {
        /// The name that was given.
        name: String,
        /// The shipped suites.
        expected: String,
    },
    /// A set of a suite is not where its data should be.
    #[error("{dir}: expected the {split} split of {set:?} as {expected}; found none of them")]
    SetAbsent {
        /// Folder of the data.
        dir: PathBuf,
        /// Name of the set.
        set: String,
        /// The split that is wanted.
        split: &'static str,
        /// Where it was looked for.
        expected: String,
    },
    /// Predictions on disk belong to another run, so going on would mix two.
    #[error(
        "{path}: these predictions were made with another {field}: expected {expected:?}, found {found:?}; \
         give another folder, or have this one kept under another name with --force"
    )]
    OtherRun {
        /// The file that says how they were made.
        path: PathBuf,
        /// What differs.
        field: String,
        /// What this run has.
        expected: String,
        /// What the earlier run had.
        found: String,
    },
    /// Predictions on disk do not say which run made them, so going on could mix two.
    #[error(
        "{path}: these predictions do not say which run made them; give another folder, or have this one kept \
         under another name with --force"
    )]
    UnknownRun {
        /// The predictions.
        path: PathBuf,
    },
    /// The folder has a finished evaluation that was made from something else.
    #[error(
        "{path}: the evaluation in this folder was made with another {field}: expected {expected:?}, found {found:?}; \
         name another folder with --out, or have the old one kept under another name with --force"
    )]
    OtherEvaluation {
        /// The folder.
        path: PathBuf,
        /// What differs.
        field: String,
        /// What this evaluation has.
        expected: String,
        /// What the finished one had.
        found: String,
    },
    /// Data are not those that an evaluation was made from.
    #[error(
        "{path}: the data are not those that this evaluation was made from; name the folder that has them with --data"
    )]
    OtherData {
        /// The folder of the evaluation.
        path: PathBuf,
    },
    /// There are results, and nothing says what they were made from.
    #[error(
        "{path}: nothing says what this result was made from, so it is not replaced; name another folder with --out, \
         or have this one kept under another name with --force"
    )]
    UnknownEvaluation {
        /// The result, or the damaged file that should say it.
        path: PathBuf,
    },
    /// The answers of a finished evaluation were changed afterwards.
    #[error(
        "{path}: these are not the answers that were written here; put them back, or name another folder with --out to \
         ask again, or have this one kept under another name with --force"
    )]
    ChangedAnswers {
        /// The answers.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("{path}: cannot write: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Two runs were scored against different gold, so that their difference would mean nothing.
    #[error(
        "{dataset:?}, index {index}: expected {expected} gold pairs in both runs, found {found} in the second; \
         were they scored on different copies of the data?"
    )]
    OtherGold {
        /// Name of the set.
        dataset: String,
        /// Index of the sentence, from 0.
        index: usize,
        /// Gold pairs of the first run.
        expected: usize,
        /// Gold pairs of the second run.
        found: usize,
    },
    /// A file of counts is not one.
    #[error("{path}: expected the counts of a run (scores.json), found {found}")]
    ScoresFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// Two runs were counted by different presets.
    #[error(
        "expected two runs scored by {expected}, found {found} in the second; --scorer counts both by one"
    )]
    OtherScorer {
        /// Preset of the first run.
        expected: &'static str,
        /// Preset of the second run.
        found: &'static str,
    },
    /// A set is in one of two runs only.
    #[error("expected the same sets in both runs, found {set:?} in one only")]
    UnpairedSet {
        /// Name of the set.
        set: String,
    },
    /// Two runs have no set in common.
    #[error("expected two runs that answered the same sets, found none that both did")]
    NothingInCommon,
    /// The page cannot be filled; a fault of the template, not of the data.
    #[error("the results page: {0}")]
    Page(#[from] minijinja::Error),
    /// A dataset cannot be read, or a file not written.
    #[error(transparent)]
    Data(#[from] ner_datasets::Error),
    /// Two systems cannot be compared.
    #[error(transparent)]
    Score(#[from] ner_score::Error),
}

impl Error {
    /// Whether a folder has an evaluation, or the answers of one, that was made from something else.
    pub fn is_other_work(&self) -> bool {
        matches!(
            self,
            Self::OtherEvaluation { .. }
                | Self::UnknownEvaluation { .. }
                | Self::ChangedAnswers { .. }
                | Self::OtherRun { .. }
                | Self::UnknownRun { .. }
        )
    }
}
