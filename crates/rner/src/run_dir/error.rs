//! What can go wrong with files of a run, always with the path and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why something in a run's folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The disk is full.
    #[error(
        "cannot write {}: the disk is full; free some space and run the same command again, \
         finished stages are kept", .path.display()
    )]
    Full {
        /// What was written.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The path is not writable.
    #[error(
        "cannot write {}: {source}; make the directory writable or choose another one",
        .path.display()
    )]
    NotWritable {
        /// What was written.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Any other failure of writing.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// What was written.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A failure of reading.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// What was read.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file that is not the JSON it should be.
    #[error("{}:{line}: expected {expected}, found {found}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Line number from 1.
        line: usize,
        /// What the file should hold.
        expected: &'static str,
        /// What the JSON reader says.
        found: String,
    },
    /// The folder has files that no run wrote.
    #[error(
        "{} is not the folder of a run: it has {} and no recipe.toml; name another one with --out",
        .path.display(), .file.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// One of the files.
        file: PathBuf,
    },
    /// The folder has files that this program did not write there.
    #[error(
        "{} has files of something else, such as {}; name another folder with --out",
        .path.display(), .file.display()
    )]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// One of the files.
        file: PathBuf,
    },
    /// The folder has work that was begun, or done, with something else.
    #[error(
        "{} has the work of another command (not the same: {what}); name another folder with --out, or have the old \
         work kept under another name with --force", .path.display()
    )]
    OtherWork {
        /// The folder.
        path: PathBuf,
        /// What is not the same.
        what: String,
    },
    /// Another process works in the folder.
    #[error(
        "{} is in use by another process ({owner}); wait for it to end or choose another name \
         with --set run.name=NAME", .path.display()
    )]
    Locked {
        /// The run's folder.
        path: PathBuf,
        /// Which process, as far as it is known.
        owner: String,
    },
}

impl RunDirError {
    /// Whether the folder has other work of this program, which may be set aside.
    pub fn is_other_work(&self) -> bool {
        matches!(self, Self::OtherWork { .. })
    }

    /// The error of a failed write, with the cause that the user can act upon.
    pub fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source }
            }
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory => Self::NotWritable { path, source },
            _ => Self::Write { path, source },
        }
    }

    /// The error of a failed read.
    pub fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}
