//! What is in the way of something new keeps its content under another name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::durable::{rename, sync_dir};
use crate::error::Error;
use crate::fs;
use crate::lock::LOCK;

/// What was set aside, with its new name, since somebody asked.
static ASIDE: Mutex<Vec<(PathBuf, PathBuf)>> = Mutex::new(Vec::new());

/// Gives a file or a folder the first free name of `NAME.old-1`, `NAME.old-2`, …, and returns that. Nothing has the old
/// name then, except a folder of which somebody holds the [lock](crate::Lock): the lock stays there, in an empty one.
///
/// # Errors
/// [`Error::Io`] if there is nothing of that name or it cannot be renamed, [`Error::NoName`] if the path does not end
/// in a name, as `.` does not.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("rows.jsonl");
/// atomic_files::write(&path, "mine\n")?;
/// assert_eq!(atomic_files::set_aside(&path)?, dir.path().join("rows.jsonl.old-1"));
/// assert!(!path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_aside(path: &Path) -> Result<PathBuf, Error> {
    let old = free_name(path)?;
    rename(path, &old)?;
    let lock = old.join(LOCK);
    if lock.is_file() {
        fs::create_dir(path).map_err(Error::io(path, "create"))?;
        let held = fs::rename(&lock, path.join(LOCK));
        held.map_err(Error::io(path, "lock"))?;
        sync_dir(&old)?;
    }
    noted(|all| all.push((path.to_owned(), old.clone())));
    Ok(old)
}

/// What this process has set aside since the last call, each with its new name.
pub fn take_set_aside() -> Vec<(PathBuf, PathBuf)> {
    noted(std::mem::take)
}

fn noted<T>(act: impl FnOnce(&mut Vec<(PathBuf, PathBuf)>) -> T) -> T {
    act(&mut ASIDE.lock().unwrap_or_else(PoisonError::into_inner))
}

fn free_name(path: &Path) -> Result<PathBuf, Error> {
    let name = path.file_name().ok_or_else(|| Error::NoName {
        path: path.to_owned(),
    })?;
    let numbered = |number: u32| {
        let mut old = OsString::from(name);
        old.push(format!(".old-{number}"));
        path.with_file_name(old)
    };
    let mut names = (1..=u32::MAX).map(numbered);
    let free = names.find(|old| old.symlink_metadata().is_err());
    Ok(free.unwrap_or_else(|| numbered(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lock, write};

    #[test]
    fn each_gets_a_name_of_its_own_and_a_lock_stays() {
        let root = tempfile::tempdir().expect("a folder");
        let dir = root.path().join("out");
        let lock = Lock::folder(&dir).expect("free");
        for number in 1..=2 {
            write(&dir.join("model"), format!("{number}")).expect("written");
            let old = set_aside(&dir).expect("renamed");
            assert_eq!(old, root.path().join(format!("out.old-{number}")));
            let found = std::fs::read_to_string(old.join("model")).expect("kept");
            assert_eq!(found, number.to_string());
            let count = |dir: &Path| std::fs::read_dir(dir).expect("listed").count();
            assert_eq!((count(&old), count(&dir)), (1, 1));
            let second = Lock::folder(&dir).expect_err("held");
            assert!(matches!(second, Error::InUse { .. }), "{second}");
        }
        let ours = take_set_aside().into_iter();
        assert_eq!(ours.filter(|(path, _)| *path == dir).count(), 2);
        drop(lock);
        Lock::folder(&dir).expect("free again");
        set_aside(&root.path().join("none")).expect_err("nothing there");
        assert!(matches!(
            set_aside(Path::new("..")),
            Err(Error::NoName { .. })
        ));
    }
}
