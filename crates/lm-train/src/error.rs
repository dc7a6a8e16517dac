//! The one error type of this crate.

use std::path::{Path, PathBuf};

use crate::resume::SetAside;

/// What can go wrong while preparing, running, saving or resuming a training run.
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

    /// A sample cannot be trained on.
    #[error("sample {index}: {problem}")]
    Sample {
        /// Position in the slice given to the trainer, from 0.
        index: usize,
        /// What was expected and what was found.
        problem: String,
    },

    /// No sample is left to train on.
    #[error("no samples to train on ({skipped} were skipped as longer than max_length)")]
    NoSamples {
        /// How many samples the over-length policy removed.
        skipped: usize,
    },

    /// Every parameter of the model is frozen.
    #[error("nothing to train: all {parameters} parameters are frozen")]
    NothingToTrain {
        /// Parameters of the model.
        parameters: usize,
    },

    /// The loss or the gradient norm became infinite or NaN. The weights are those before this step.
    #[error("step {step}: {quantity} is {value}; the step was not applied{}", kept(.checkpoint.as_deref()))]
    NonFinite {
        /// The step that failed, counted from 1 as in the metrics.
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

    /// A checkpoint says too little about its run to go on from it.
    #[error(
        "{}: cannot resume: an older version wrote this checkpoint, with no more of its configuration than a hash; \
         end the run with that version, or remove its checkpoints to begin anew",
        .path.display()
    )]
    Outdated {
        /// The checkpoint directory.
        path: PathBuf,
    },

    /// A newer program wrote the checkpoint.
    #[error(
        "{}: a newer version wrote this checkpoint (format {format}); go on with that version, or remove the \
         checkpoint",
        .path.display()
    )]
    NewerCheckpoint {
        /// The list of its files.
        path: PathBuf,
        /// The form of the list.
        format: u32,
    },

    /// There are checkpoints, and none of them is whole. Nothing is begun anew without a word.
    #[error(
        "{}: no checkpoint of this run is whole, and all were set aside: {}; the same command begins anew; to go on \
         instead, put an intact copy back as `step-<number>` first",
        .root.display(), all(.set_aside)
    )]
    AllDamaged {
        /// The folder of the checkpoints.
        root: PathBuf,
        /// Where they are now, and what is wrong with them.
        set_aside: Vec<SetAside>,
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

    /// A worker of a data-parallel run waited for another that has failed. That one's error is what the run returns.
    #[error("worker {rank} waits for another one, which has failed")]
    LeftAlone {
        /// The worker, from 0.
        rank: usize,
    },

    /// Loading or saving the model failed.
    #[error(transparent)]
    Model(#[from] lm_model::Error),
}

impl Error {
    /// Attaches `path` to an input/output error; made for `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_path_buf(),
            source,
        }
    }

    /// A [`Error::Corrupt`] for `path`.
    pub(crate) fn corrupt(path: &Path, problem: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_path_buf(),
            problem: problem.into(),
        }
    }
}

impl From<atomic_files::Error> for Error {
    fn from(error: atomic_files::Error) -> Self {
        let path = error.path().to_owned();
        Self::io(&path)(error.into_io())
    }
}

fn all(set_aside: &[SetAside]) -> String {
    let all: Vec<String> = set_aside.iter().map(SetAside::to_string).collect();
    all.join("; ")
}

fn kept(checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => format!(" and the last good state is in {}", path.display()),
        None => String::new(),
    }
}
