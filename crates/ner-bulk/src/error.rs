//! What can go wrong with many texts.

use std::io;
use std::path::{Path, PathBuf};

/// The result of this library's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate: which file, what was expected, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was asked for makes no sense; the message says what to ask for instead.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted, as a verb.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is damaged at a place behind which nothing can be read.
    #[error("{}:{line}: {what}", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The folder has the answers to another question.
    #[error(
        "{} has other work, not the same: {differences}; name another folder, or have it kept under another name with \
         --force", .folder.display()
    )]
    OtherQuestion {
        /// The folder.
        folder: PathBuf,
        /// The fields that differ.
        differences: String,
    },
    /// A finished part is not what it should be.
    #[error("{}: {what}; to have it made anew, keep it under another name with --force", .path.display())]
    OtherPart {
        /// The part.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Files(#[from] atomic_files::Error),
    /// A dataset cannot be read.
    #[error(transparent)]
    Datasets(#[from] ner_datasets::Error),
    /// Whoever finds the entities has failed, for this text and every other.
    #[error("{0}")]
    Finder(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A server cannot be asked.
    #[error(transparent)]
    Client(#[from] chat_client::Error),
    /// No server is left.
    #[error("no server is left that answers; the last one: {0}")]
    NoServer(String),
    /// The token was cancelled. Finished parts stay.
    #[error("stopped; the same command goes on with the parts that are not finished")]
    Stopped,
}

impl Error {
    /// An error of the asking.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// Attaches a path; made for `map_err`.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }

    /// Whether the folder holds something else, which [`Claim::Aside`](crate::Claim) would set aside.
    pub fn is_other_work(&self) -> bool {
        matches!(self, Self::OtherQuestion { .. } | Self::OtherPart { .. })
    }

    /// Whether it concerns what one part reads, so that other parts may be worked on.
    pub(crate) fn is_of_one_part(&self) -> bool {
        matches!(
            self,
            Self::Io { action: "read", .. }
                | Self::Broken { .. }
                | Self::Datasets(_)
                | Self::OtherPart { .. }
        )
    }
}
