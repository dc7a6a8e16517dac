//! What the system remembers of a file beside the disk.

use std::fs::File;

/// Lets the system forget what it has of a file in memory, so that the next reader sees what is on the disk.
///
/// After a failed `fsync` the two may differ: Linux keeps a page that it could not write in memory and takes it for
/// written. Does nothing where the system has no such call; what is not written yet stays.
pub fn forget_cached(file: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}
