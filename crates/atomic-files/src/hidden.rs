//! Hidden names beside a target: `.<name>.<process>-<number>.<ending>`, and what killed processes left under them.
//!
//! They are in the target's own folder, as a rename must not cross file systems.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::durable::parent;
use crate::error::Error;

/// Ending of what is being written.
pub(crate) const PARTIAL: &str = "partial";

/// Ending of what is being removed.
pub(crate) const REMOVED: &str = "removed";

/// Sets apart what one process writes at the same time.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A name that this process gives only once. Another process may have left it, as process numbers return.
pub(crate) fn fresh(target: &Path, ending: &str) -> Result<PathBuf, Error> {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    beside(target, &format!("{}-{number}.{ending}", std::process::id()))
}

/// `.<name>.<ending>` in the folder of `target`.
pub(crate) fn beside(target: &Path, ending: &str) -> Result<PathBuf, Error> {
    let Some(name) = target.file_name() else {
        let path = target.to_path_buf();
        return Err(Error::NoName { path });
    };
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden.push(ending);
    Ok(target.with_file_name(hidden))
}

/// Removes the folders that killed processes left while they wrote `target`.
///
/// What cannot be removed is let go: it is in nobody's way, and the next call tries again.
pub(crate) fn clear_partial(target: &Path) {
    let name = target.file_name().unwrap_or_default();
    let of_target = |found: &Path| {
        let found = parts(found, PARTIAL);
        found.is_some_and(|found| found == name.as_encoded_bytes())
    };
    folders(parent(target), of_target).for_each(|path| remove_abandoned(&path));
}

/// Removes the folders whose removal a kill has interrupted, whatever their names were.
pub(crate) fn clear_removed(dir: &Path) {
    let removed = |found: &Path| parts(found, REMOVED).is_some();
    folders(dir, removed).for_each(|path| drop(crate::fs::remove_dir_all(path)));
}

fn folders(dir: &Path, wanted: impl Fn(&Path) -> bool) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(move |path| wanted(path) && path.is_dir())
}

/// The `<name>` of a path with a name made by [`fresh`].
pub(crate) fn parts<'a>(path: &'a Path, ending: &str) -> Option<&'a [u8]> {
    let name = path.file_name()?.as_encoded_bytes();
    let inner = name.strip_prefix(b".")?.strip_suffix(ending.as_bytes())?;
    let inner = inner.strip_suffix(b".")?;
    let dot = inner.iter().rposition(|&byte| byte == b'.')?;
    let is_id = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    let is_ours = dot > 0 && inner.len() > dot + 1 && inner[dot + 1..].iter().all(is_id);
    is_ours.then(|| &inner[..dot])
}

/// The number of the process in a name made by [`fresh`].
pub(crate) fn process_of(path: &Path) -> Option<u32> {
    let stem = Path::new(path.file_stem()?);
    let id = stem.extension()?.to_str()?;
    id.split('-').next()?.parse().ok()
}

/// A folder's owner holds its lock while it lives. Where folders cannot be locked, one writer at a time is presumed.
fn remove_abandoned(path: &Path) {
    let folder = File::open(path);
    let lock = folder.as_ref().map(File::try_lock);
    if matches!(lock, Ok(Err(TryLockError::WouldBlock))) {
        return;
    }
    // The lock is still held, so that an owner who has just created the folder waits and then sees that it is gone.
    let _ = crate::fs::remove_dir_all(path);
}

/// Marks a folder as being written until the handle is dropped; `None` where folders cannot be locked.
pub(crate) fn hold(path: &Path) -> Option<File> {
    let folder = File::open(path).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_crate_are_recognised() {
        let check = |path: &str, expected: Option<&str>| {
            let found = parts(Path::new(path), PARTIAL);
            assert_eq!(found, expected.map(str::as_bytes), "{path}");
        };
        check("runs/.step-1.77-0.partial", Some("step-1"));
        check(".a.b.77-12.partial", Some("a.b"));
        check("step-1.77-0.partial", None);
        check(".step-1.77-0.removed", None);
        check(".step-1.mine.partial", None);
        check(".step-1..partial", None);
        check(".77-0.partial", None);
        check(".partial", None);
        let fresh = fresh(Path::new("runs/step-1"), PARTIAL).expect("a name");
        assert_eq!(parts(&fresh, PARTIAL), Some(b"step-1".as_slice()));
    }
}
