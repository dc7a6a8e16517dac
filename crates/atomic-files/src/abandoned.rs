//! What killed processes left under hidden names, found and removed.
//!
//! A file or folder under construction is locked by its owner and has the number of its process in its name. It is
//! removed when neither is there any more: a process of that number may run on another machine.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::disk::disk;
use crate::hidden::{PARTIAL, REMOVED, parts, process_of};

/// Levels of folders that are looked through.
const DEPTH: usize = 4;

/// Removes what killed processes left in a folder, down to a few levels below it: hidden files and folders of this
/// crate whose owner is gone.
///
/// [`crate::Lock::folder`] does it too; this is for folders that are locked in another way.
pub fn clear_below(dir: &Path) {
    clear(dir, None, DEPTH);
}

/// Removes what is left in a folder of files with this name.
pub(crate) fn clear_of(dir: &Path, name: Option<&OsStr>) {
    clear(dir, name, 0);
}

/// What cannot be read or removed is let go: it is in nobody's way, and the next call tries again.
fn clear(dir: &Path, name: Option<&OsStr>, depth: usize) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, is_dir) = (
            entry.path(),
            entry.file_type().is_ok_and(|kind| kind.is_dir()),
        );
        let found = parts(&path, PARTIAL).or_else(|| parts(&path, REMOVED));
        match found {
            Some(found) => {
                let is_wanted = name.is_none_or(|name| name.as_encoded_bytes() == found);
                if is_wanted && is_abandoned(&path) {
                    let removed = if is_dir {
                        disk().remove_dir_all(&path)
                    } else {
                        disk().remove_file(&path)
                    };
                    drop(removed);
                }
            }
            None if is_dir && depth > 0 => clear(&path, name, depth - 1),
            None => {}
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    let is_locked =
        File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
    !is_locked && !process_of(path).is_some_and(is_alive)
}

/// Whether a process of this number runs here; where that cannot be told, the locks alone decide.
fn is_alive(process: u32) -> bool {
    cfg!(target_os = "linux") && Path::new("/proc").join(process.to_string()).exists()
}
