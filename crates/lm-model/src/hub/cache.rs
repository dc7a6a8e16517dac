//! The layout of the cache, which is that of `huggingface_hub`:
//!
//! ```text
//! models--owner--name/
//!   blobs/<hash>                the bytes of a file; <hash>.incomplete while they arrive
//!   refs/<revision>             the commit that a branch or tag stood for
//!   snapshots/<commit>/<file>   links to blobs
//! .locks/models--owner--name/<hash>.lock
//! ```

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failure::Failure;
use super::net::Net;
use super::{HubModel, is_commit};

/// How often a lock that another process holds is tried.
const LOOK: Duration = Duration::from_millis(200);

/// The folder of one repository.
pub(super) struct RepoCache {
    dir: PathBuf,
    locks: PathBuf,
}

impl RepoCache {
    pub(super) fn new(cache: &Path, model: &HubModel) -> Self {
        let folder = format!("models--{}--{}", model.owner, model.name);
        Self {
            dir: cache.join(&folder),
            locks: cache.join(".locks").join(&folder),
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.dir.join("snapshots").join(commit)
    }

    pub(super) fn blob(&self, hash: &str) -> PathBuf {
        self.dir.join("blobs").join(hash)
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.dir.join("refs").join(revision)
    }

    /// The commit that a branch or tag stood for when it was last asked for.
    pub(super) fn read_ref(&self, revision: &str) -> Option<String> {
        let commit = fs::read_to_string(self.reference(revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    pub(super) fn write_ref(&self, revision: &str, commit: &str) -> Result<(), Failure> {
        let path = self.reference(revision);
        create_parent(&path)?;
        atomic_files::write(&path, commit).map_err(|error| Failure::last(error.to_string()))
    }

    /// Waits until no other process writes the blob, and keeps the others waiting as long as the result lives.
    pub(super) fn lock(&self, hash: &str, net: &Net) -> Result<File, Failure> {
        let path = self.locks.join(format!("{hash}.lock"));
        create_parent(&path)?;
        let file = File::create(&path).map_err(Failure::io(&path, "create"))?;
        loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => net.sleep(LOOK)?,
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(Failure::io(&path, "lock")(error)),
            }
        }
    }

    /// Makes the blob the content of `name` in a snapshot.
    pub(super) fn link(&self, commit: &str, name: &str, hash: &str) -> Result<(), Failure> {
        let path = self.snapshot(commit).join(name);
        create_parent(&path)?;
        // It may be a link to a blob that is no longer there, or not exist.
        let _ = fs::remove_file(&path);
        let placed = place(&self.blob(hash), &relative_blob(name, hash), &path);
        placed.map_err(Failure::io(&path, "write"))
    }
}

/// The way from a file in a snapshot to its blob. It leaves the cache nowhere, so that the whole can be moved.
fn relative_blob(name: &str, hash: &str) -> PathBuf {
    let up = Path::new(name).components().count() + 1;
    let root: PathBuf = std::iter::repeat_n("..", up).collect();
    root.join("blobs").join(hash)
}

pub(super) fn create_parent(path: &Path) -> Result<(), Failure> {
    match path.parent() {
        Some(dir) => fs::create_dir_all(dir).map_err(Failure::io(dir, "create")),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn place(_blob: &Path, relative: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(relative, path)
}

/// Symbolic links need rights on Windows that few accounts have.
#[cfg(not(unix))]
fn place(blob: &Path, _relative: &Path, path: &Path) -> std::io::Result<()> {
    fs::copy(blob, path).map(|_| ())
}
