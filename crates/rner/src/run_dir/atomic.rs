//! Files that appear under their name only when they are complete.

use super::RunDirError;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes beside the path, flushes to the disk, then renames.
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
    let parent = parent_of(path);
    std::fs::create_dir_all(parent)?;
    // The temporary file removes itself unless it is renamed.
    let mut file = tempfile::Builder::new()
        .prefix(".writing-")
        .tempfile_in(parent)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let file = file.persist(path).map_err(|e| e.error)?;
    make_readable(&file)?;
    // Without this the name itself may be lost in a power cut.
    sync_directory(parent)
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Temporary files are private to their owner; results are ordinary files.
#[cfg(unix)]
fn make_readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_dir: &Path) -> io::Result<()> {
    Ok(())
}
