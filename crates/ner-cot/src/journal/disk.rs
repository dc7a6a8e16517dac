//! How a journal reaches the disk: by way of [`atomic_files::Disk`], which a test lets fail.

use std::io;
use std::path::Path;

pub use atomic_files::{Disk, RealDisk};

/// Gives a complete file its final name, in place of what had it before, and forces the name to the disk.
pub(super) fn rename(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.rename(from, to)?;
    disk.sync_dir(to.parent().unwrap_or(Path::new(".")))
}

/// Forces the entries of a directory to the disk, where the system can.
///
/// Without this a power failure can take away a file that was just created, though its contents are safe. A
/// directory that may be written to but not be opened is no reason to refuse the work.
pub(crate) fn sync_dir(dir: &Path) {
    let _ = atomic_files::sync_dir(dir);
}
