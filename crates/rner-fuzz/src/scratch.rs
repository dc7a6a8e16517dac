//! Files for readers that want a path.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A file system in memory, where there is one: waiting for a disk would be most of the time.
const IN_MEMORY: &str = "/dev/shm";

/// A folder of this thread, which is removed with it.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir_in(IN_MEMORY).or_else(|_| tempfile::tempdir());
        Self(dir.expect("a folder for scratch files"))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, in the place of one that is there.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).expect("a scratch file is written");
        path
    }
}

thread_local! {
    static SCRATCH: Scratch = Scratch::new();
}

/// Calls `work` with a folder that this thread uses again and again.
pub(crate) fn with<T>(work: impl FnOnce(&Scratch) -> T) -> T {
    SCRATCH.with(work)
}
