//! The one error type of this crate.

use std::path::{Path, PathBuf};

use crate::BoxError;

/// What can go wrong while preparing, running, saving or resuming a GRPO run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the configuration has a value that no run can use.
    #[error("configuration field `{field}`: expected {expected}, found {found}")]
    Config {
        /// Name of the field.
        field: &'static str,
        /// Which values are accepted.
        expected: &'static str,
        /// The value that was given.
        found: String,
    },

    /// There is nothing to sample from.
    #[error("no prompts to train on; expected at least one")]
    NoPrompts,

    /// A KL penalty was asked for without a model to measure it against.
    #[error("configuration field `beta` is {beta}: expected a reference model, found none")]
    MissingReference {
        /// The weight of the penalty.
        beta: f64,
    },

    /// The rollout engine failed.
    #[error("step {step}: rollout: {source}")]
    Rollout {
        /// The step, counted from 1 as in the metrics.
        step: usize,
        /// The engine's reason.
        source: BoxError,
    },

    /// The rollout engine returned something else than a group of completions per prompt.
    #[error("step {step}: rollout: expected {expected}, found {found}")]
    RolloutShape {
        /// The step, counted from 1.
        step: usize,
        /// What was asked for.
        expected: String,
        /// What came back.
        found: String,
    },

    /// The reward returned another number of values than there are completions.
    #[error("step {step}: reward: expected {expected} values, one per completion, found {found}")]
    RewardCount {
        /// The step, counted from 1.
        step: usize,
        /// Completions scored.
        expected: usize,
        /// Values returned.
        found: usize,
    },

    /// A reward is NaN or infinite.
    #[error("step {step}: reward: expected a finite number for prompt {prompt}, found {value}")]
    RewardNotFinite {
        /// The step, counted from 1.
        step: usize,
        /// Index of the prompt.
        prompt: usize,
        /// The value.
        value: f64,
    },

    /// The loss or the gradient norm became infinite or NaN. The weights are those before this update.
    #[error("step {step}: {quantity} is {value}; the update was not applied{}", kept(.checkpoint.as_deref()))]
    NonFinite {
        /// The step, counted from 1.
        step: usize,
        /// `loss` or `grad_norm`.
        quantity: &'static str,
        /// The value found.
        value: f64,
        /// Where the last good state was saved, if the run has a checkpoint directory.
        checkpoint: Option<PathBuf>,
    },

    /// A checkpoint belongs to another run.
    #[error("{}: cannot resume: {what} differs (checkpoint {expected}, this run {found})", .path.display())]
    ResumeMismatch {
        /// The checkpoint directory.
        path: PathBuf,
        /// What differs.
        what: String,
        /// The value of the run that wrote the checkpoint.
        expected: String,
        /// The value of the run that tries to resume.
        found: String,
    },

    /// A file of a checkpoint does not hold what it must.
    #[error("{}: {problem}", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        problem: String,
    },

    /// A file or directory could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// Loading or saving the model failed.
    #[error(transparent)]
    Model(#[from] lm_model::Error),

    /// Loading or saving the optimizer failed.
    #[error(transparent)]
    Train(#[from] lm_train::Error),
}

impl Error {
    /// Attaches `path` to an input/output error; made for `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_path_buf(),
            source,
        }
    }

    /// An [`Error::Corrupt`] for `path`.
    pub(crate) fn corrupt(path: &Path, problem: impl ToString) -> Self {
        Self::Corrupt {
            path: path.to_path_buf(),
            problem: problem.to_string(),
        }
    }
}

fn kept(checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => format!(" and the last good state is in {}", path.display()),
        None => String::new(),
    }
}
