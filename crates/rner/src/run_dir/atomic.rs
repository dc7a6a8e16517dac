//! Files that appear under their name only when they are complete.

use super::RunDirError;
use serde::Serialize;
use std::io;
use std::path::Path;

/// Creates the folder where it is missing and writes the file.
///
/// A reader sees the old content or the new one, never a part, and after a
/// failure no half-written file is left.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), RunDirError> {
    replace(path, bytes).map_err(|e| RunDirError::write(path, e))
}

/// Writes a value as indented JSON, atomically.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), RunDirError> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|e| RunDirError::write(path, io::Error::other(e)))?;
    write_atomic(path, &text)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        atomic_files::fs::create_dir_all(parent)?;
    }
    atomic_files::write(path, bytes).map_err(atomic_files::Error::into_io)
}
