//! The operations by which a journal reaches the disk, as a trait, so that tests can let each of them fail.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// What a journal does with files when it changes them.
///
/// Programs use [`RealDisk`]. A test that wants to see a full disk or a crash at a
/// certain call implements its own.
pub trait Disk: Send + Sync + Debug {
    /// Writes all bytes at the end of a file that is open for appending.
    ///
    /// # Errors
    /// If not all of them could be written; some may have been.
    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Forces what was written to the disk.
    ///
    /// # Errors
    /// If that fails; what has reached the disk is then unknown.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Cuts a file off behind `length` bytes.
    ///
    /// # Errors
    /// If that fails.
    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    /// Gives a complete file its final name, in place of what had it before, and forces the name to the disk.
    ///
    /// # Errors
    /// If that fails; then both files are as they were, or the new one has the name and a power failure may undo it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        atomic_files::rename(from, to).map_err(atomic_files::Error::into_io)
    }
}

/// The disk as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}

/// Forces the entries of a directory to the disk, where the system can.
///
/// Without this a power failure can take away a file that was just created, though its contents are safe. A
/// directory that may be written to but not be opened is no reason to refuse the work.
pub(crate) fn sync_dir(dir: &Path) {
    let _ = atomic_files::sync_dir(dir);
}
