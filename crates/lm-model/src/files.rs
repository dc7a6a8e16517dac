//! Writing files so that a crash leaves either the old or the new one under its name.

use std::path::Path;

use atomic_files::AtomicFile;

use crate::error::{Error, Result};

/// Writes `path` through `write`; the file appears under its name when it is complete and on the disk.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut AtomicFile) -> Result<()>,
) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    write(&mut file)?;
    Ok(file.commit()?)
}

/// Writes a value as indented JSON with a final newline.
pub(crate) fn replace_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(Error::json(path))?;
    text.push('\n');
    Ok(atomic_files::write(path, text)?)
}

/// Creates a directory and its parents.
pub(crate) fn create_dir(dir: &Path) -> Result<()> {
    atomic_files::fs::create_dir_all(dir).map_err(Error::io(dir, "create"))
}
