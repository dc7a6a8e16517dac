//! What can go wrong when a dataset is read or written.

use std::path::{Path, PathBuf};

use crate::fault::{Fault, FaultKind};

/// An error of this crate: which file and line, what was expected, what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted, such as "read", "write", "list".
        action: &'static str,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file is text, but not of the format.
    #[error("{path}:{line}: expected {expected}, found {found}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What the format asks for.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A file has no example.
    #[error("{path}: expected at least one example, found none")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A download failed.
    #[error("{url}: expected the file, found {found}")]
    Download {
        /// The address.
        url: String,
        /// What the server or the connection says.
        found: String,
    },
    /// A downloaded file is not the pinned one.
    #[error("{url}: expected SHA-256 {expected}, found {found} ({bytes} bytes)")]
    Hash {
        /// The address.
        url: String,
        /// The pinned hash.
        expected: String,
        /// The hash of what came.
        found: String,
        /// The size of what came.
        bytes: u64,
    },
    /// A dataset, a split or a list of labels is not where it should be.
    #[error("{path}: expected {expected}, found {found}")]
    Missing {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl From<atomic_files::Error> for Error {
    fn from(error: atomic_files::Error) -> Self {
        let path = error.path().to_owned();
        Self::io(&path, "write")(error.into_io())
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Empty => Error::Empty { path: fault.path },
            _ => Error::Format {
                path: fault.path,
                line: fault.line,
                expected: fault.expected,
                found: fault.found,
            },
        }
    }
}

impl Error {
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Io {
            path: path.into(),
            action,
            source,
        }
    }

    pub(crate) fn missing(
        path: &Path,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Error {
        Error::Missing {
            path: path.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// An error of `serde_json`, placed in its file; `first_line` is the line at which its input began.
    pub(crate) fn json(
        path: &Path,
        first_line: usize,
        expected: &str,
        error: &serde_json::Error,
    ) -> Error {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        Error::Format {
            path: path.into(),
            line: first_line + error.line().saturating_sub(1),
            expected: expected.into(),
            found: message
                .strip_suffix(&place)
                .map(String::from)
                .unwrap_or(message),
        }
    }
}
