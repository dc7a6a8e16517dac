//! The layout of the cache, which is that of `huggingface_hub`:
//!
//! ```text
//! models--owner--name/
//!   blobs/<etag>                the bytes of a file; <etag>.incomplete while they arrive
//!   refs/<revision>             the commit that a branch or tag stood for
//!   snapshots/<commit>/<file>   links to blobs
//! .locks/models--owner--name/<etag>.lock
//! ```

use std::fs;
use std::path::{Component, Path, PathBuf};

use atomic_files::fs::File;

use super::HubModel;
use super::failure::Failure;

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

    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.dir.join("blobs").join(etag)
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.dir.join("refs").join(revision)
    }

    /// The commit that a branch or tag stood for when it was last asked for.
    pub(super) fn read_ref(&self, revision: &str) -> Option<String> {
        let commit = fs::read_to_string(self.reference(revision)).ok()?;
        Some(commit.trim().to_owned())
    }

    pub(super) fn write_ref(&self, revision: &str, commit: &str) -> Result<(), Failure> {
        let path = self.reference(revision);
        create_parent(&path)?;
        atomic_files::fs::write(&path, commit).map_err(Failure::io(&path, "write"))
    }

    /// Waits until no other process writes the blob, and keeps the others waiting as long as the result lives.
    pub(super) fn lock(&self, etag: &str) -> Result<File, Failure> {
        let path = self.locks.join(format!("{etag}.lock"));
        create_parent(&path)?;
        let file = File::create(&path).and_then(|file| file.lock().map(|()| file));
        file.map_err(Failure::io(&path, "lock"))
    }

    /// Makes the blob the content of `name` in a snapshot.
    pub(super) fn link(&self, commit: &str, name: &str, etag: &str) -> Result<(), Failure> {
        let path = self.snapshot(commit).join(name);
        create_parent(&path)?;
        // It may be a link to a blob that is no longer there, or not exist.
        let _ = atomic_files::fs::remove_file(&path);
        let placed = place(&self.blob(etag), &relative_blob(name, etag), &path);
        placed.map_err(Failure::io(&path, "write"))
    }
}

/// The way from a file in a snapshot to its blob. It leaves the cache nowhere, so that the whole can be moved.
fn relative_blob(name: &str, etag: &str) -> PathBuf {
    let up = Path::new(name).components().count() + 1;
    let root: PathBuf = std::iter::repeat_n("..", up).collect();
    root.join("blobs").join(etag)
}

/// Whether a name that a server gave stays in the folder that it is joined to.
pub(super) fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

pub(super) fn create_parent(path: &Path) -> Result<(), Failure> {
    match path.parent() {
        Some(dir) => atomic_files::fs::create_dir_all(dir).map_err(Failure::io(dir, "create")),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn place(_blob: &Path, relative: &Path, path: &Path) -> std::io::Result<()> {
    atomic_files::fs::symlink(relative, path)
}

/// Symbolic links need rights on Windows that few accounts have.
#[cfg(not(unix))]
fn place(blob: &Path, _relative: &Path, path: &Path) -> std::io::Result<()> {
    atomic_files::fs::copy(blob, path).map(|_| ())
}
