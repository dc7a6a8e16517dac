//! Writing files so that a crash leaves either the old or the new one under its name.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `path` through `write`, which is given the name of a file beside it: then the data is
/// synchronised, renamed to `path`, and the rename is synchronised.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let written = write(&beside).and_then(|()| publish(&beside, path));
    if written.is_err() {
        // The first error is the one to report, so a failure to clean up is let go.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn publish(beside: &Path, path: &Path) -> Result<()> {
    let file = File::options().write(true).open(beside);
    file.and_then(|file| file.sync_all())
        .map_err(Error::io(beside, "synchronise"))?;
    std::fs::rename(beside, path).map_err(Error::io(path, "rename to"))?;
    sync_directory(path)
}

/// Makes the rename itself survive a power failure. Only Unix opens directories as files.
fn sync_directory(path: &Path) -> Result<()> {
    match path.parent() {
        Some(dir) if cfg!(unix) && !dir.as_os_str().is_empty() => {
            let synced = File::open(dir).and_then(|dir| dir.sync_all());
            synced.map_err(Error::io(dir, "synchronise"))
        }
        _ => Ok(()),
    }
}

/// Writes a value as indented JSON with a final newline.
pub(crate) fn replace_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(Error::json(path))?;
    text.push('\n');
    replace(path, |beside| {
        std::fs::write(beside, text).map_err(Error::io(beside, "write"))
    })
}

/// Creates a directory and its parents.
pub(crate) fn create_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(Error::io(dir, "create"))
}
