//! The steps that make a change survive a power failure.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::disk::disk;
use crate::error::Error;

/// Renames a file or a folder that is complete and on the disk, and forces the rename to the disk.
///
/// The two names must be on one file system. A file that has the new name already is replaced.
///
/// # Errors
/// [`Error::Io`] with the new name, if the rename fails, or if it cannot be forced to the disk.
pub fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    disk()
        .rename(from, to)
        .map_err(Error::io(to, "rename to"))?;
    sync_dir(parent(to))?;
    if parent(from) == parent(to) {
        return Ok(());
    }
    sync_dir(parent(from))
}

/// Forces the entries of a folder to the disk: a file that was just created in it or renamed into it could otherwise
/// lose its name in a power failure, though its content is safe.
///
/// Does nothing on systems that do not let a folder be opened, and on file systems that have no such operation.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be opened or the disk fails.
pub fn sync_dir(dir: &Path) -> Result<(), Error> {
    disk().sync_dir(dir).map_err(Error::io(dir, "synchronise"))
}

/// Forces all files below a folder to the disk, and the folders themselves.
pub(crate) fn sync_tree(dir: &Path) -> Result<(), Error> {
    let list = Error::io(dir, "list");
    let entries: io::Result<Vec<_>> = fs::read_dir(dir).and_then(Iterator::collect);
    for entry in entries.map_err(list)? {
        let path = entry.path();
        let kind = entry.file_type().map_err(Error::io(&path, "read"))?;
        if kind.is_dir() {
            sync_tree(&path)?;
        } else if kind.is_file() {
            sync_file(&path).map_err(Error::io(&path, "synchronise"))?;
        }
    }
    sync_dir(dir)
}

/// Windows synchronises only what is open for writing; Unix lets read-only files be synchronised too.
fn sync_file(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    let file = options.read(true).write(cfg!(not(unix))).open(path)?;
    disk().sync(&file)
}

/// The folder that has the entry of `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
