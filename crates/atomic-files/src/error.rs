//! The one error type of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong, always with the path that it happened to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused an operation, such as a write to a full disk.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// The file or folder: the name that was asked for where there is one, not the hidden name beside it.
        path: PathBuf,
        /// What was attempted, as a verb.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Another process has the lock.
    #[error(
        "{} is in use by another process ({owner}); wait for it to end or choose another place",
        .path.display()
    )]
    InUse {
        /// The folder or file.
        path: PathBuf,
        /// Which process, as far as it is known.
        owner: String,
    },
    /// A file that is [kept](crate::Keep) would have been replaced by another one.
    #[error("{} is there already, with {OTHER_CONTENT}", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Nothing can be written beside the path, as it has no last part: `/` and `..` are such paths.
    #[error("{}: expected a path that ends in a name", .path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
}

/// Why a file is not written, and what to do.
const OTHER_CONTENT: &str =
    "another content; name another place, or have it kept under another name with --force";

impl Error {
    /// Attaches a path to an input/output error; made for `map_err`.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_path_buf(),
            action,
            source,
        }
    }

    /// The file or folder that it happened to.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::InUse { path, .. }
            | Self::Exists { path }
            | Self::NoName { path } => path,
        }
    }

    /// The reason without the path, for callers whose own errors name it.
    pub fn into_io(self) -> io::Error {
        match self {
            Self::Io { source, .. } => source,
            Self::InUse { owner, .. } => io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("in use by another process ({owner})"),
            ),
            Self::Exists { .. } => io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("it is there already, with {OTHER_CONTENT}"),
            ),
            Self::NoName { .. } => io::Error::new(
                io::ErrorKind::InvalidInput,
                "expected a path that ends in a name",
            ),
        }
    }
}
