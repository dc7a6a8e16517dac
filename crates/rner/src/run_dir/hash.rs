//! blake3 hashes of files and whole directories.

use super::RunDirError;
use std::io;
use std::path::{Path, PathBuf};

/// The hash (hex) of a file, or of a directory with everything in it.
///
/// A directory's hash covers the relative names and the contents of its files,
/// in the order of their names; hidden files are left out.
pub fn hash_path(path: &Path) -> Result<String, RunDirError> {
    let meta = std::fs::metadata(path).map_err(|e| RunDirError::read(path, e))?;
    let hash = if meta.is_dir() {
        hash_dir(path)?
    } else {
        hash_file(path)?
    };
    Ok(hash.to_hex().to_string())
}

fn hash_file(path: &Path) -> Result<blake3::Hash, RunDirError> {
    let read = || -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(std::fs::File::open(path)?)?;
        Ok(hasher.finalize())
    };
    read().map_err(|e| RunDirError::read(path, e))
}

fn hash_dir(dir: &Path) -> Result<blake3::Hash, RunDirError> {
    let mut hasher = blake3::Hasher::new();
    for path in files_below(dir)? {
        let name = path
            .strip_prefix(dir)
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        // The length keeps a name from running into the hash that follows it.
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(hash_file(&path)?.as_bytes());
    }
    Ok(hasher.finalize())
}

fn files_below(dir: &Path) -> Result<Vec<PathBuf>, RunDirError> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(dir).map_err(|e| RunDirError::read(dir, e))?;
    for entry in entries {
        let path = entry.map_err(|e| RunDirError::read(dir, e))?.path();
        let hidden = path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'));
        match (hidden, path.is_dir()) {
            (true, _) => {}
            (false, true) => files.extend(files_below(&path)?),
            (false, false) => files.push(path),
        }
    }
    files.sort();
    Ok(files)
}
