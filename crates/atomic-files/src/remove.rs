//! Folders that disappear as a whole.

use std::io;
use std::path::Path;

use crate::durable::{self, parent};
use crate::error::Error;
use crate::fs;
use crate::hidden::{self, REMOVED};

/// Removes a folder with all that is in it. It loses its name first, so that a kill leaves the whole folder or none of
/// that name, never a part. What a kill leaves is hidden, and the next removal in the same parent clears it.
///
/// A folder that does not exist is no error, and a symbolic link is removed, not followed.
///
/// # Errors
/// [`Error::Io`] if `path` is a file, or the folder cannot be renamed or something in it not be removed;
/// [`Error::NoName`] if `path` does not end in a name.
pub fn remove_dir(path: &Path) -> Result<(), Error> {
    let hidden = hidden::fresh(path, REMOVED)?;
    hidden::clear_removed(parent(path));
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => {
            let reason = io::ErrorKind::NotADirectory.into();
            Err(Error::io(path, "remove")(reason))
        }
        Ok(_) => remove_by(path, &hidden).map_err(Error::io(path, "remove")),
        Err(error) => absent_is_removed(error).map_err(Error::io(path, "remove")),
    }
}

fn remove_by(path: &Path, hidden: &Path) -> io::Result<()> {
    durable::rename(path, hidden)
        .map_err(Error::into_io)
        .and_then(|()| fs::remove_dir_all(hidden))
        .or_else(absent_is_removed)
}

/// What is not there needs no removal: another process may have been faster.
pub(crate) fn absent_is_removed(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}
