//! Folders that appear under their name only when they are complete.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::disk;
use crate::durable::{parent, sync_dir, sync_tree};
use crate::error::Error;
use crate::fs;
use crate::hidden::{self, PARTIAL};
use crate::remove::absent_is_removed;

/// A folder under construction.
///
/// Files are written to [`path`](Self::path), a hidden folder beside the target. [`commit`](Self::commit) forces them
/// to the disk and gives the folder its name; dropping it without that removes it. A kill leaves at most a hidden
/// folder, which the next [`create`](Self::create) of the same target clears.
///
/// An older folder of that name is replaced in one step on Linux, where the file system can exchange names. Elsewhere
/// it is set aside before the new one takes its place; a kill in between leaves it aside, and the next
/// [`create`](Self::create) puts it back.
#[derive(Debug)]
pub struct AtomicDir {
    target: PathBuf,
    partial: Partial,
}

impl AtomicDir {
    /// Starts the folder that will be `target`, creating its parents.
    ///
    /// # Errors
    /// [`Error::NoName`] if `target` does not end in a name, [`Error::Io`] naming what could not be created.
    pub fn create(target: &Path) -> Result<Self, Error> {
        let aside = aside(target)?;
        let parent = parent(target);
        fs::create_dir_all(parent).map_err(Error::io(parent, "create"))?;
        hidden::clear_partial(target);
        hidden::clear_removed(parent);
        put_back(&aside, target);
        let target = target.to_path_buf();
        let partial = create_beside(&target)?;
        Ok(Self { target, partial })
    }

    /// Where to write the files.
    pub fn path(&self) -> &Path {
        &self.partial.path
    }

    /// Forces every file to the disk and gives the folder its name, replacing an older one of that name. Returns the
    /// name.
    ///
    /// # Errors
    /// [`Error::Io`] naming what could not be synchronised or renamed, or the target if it is a file.
    pub fn commit(self) -> Result<PathBuf, Error> {
        sync_tree(self.path())?;
        let placed = take_place(self.path(), &self.target);
        placed.map_err(Error::io(&self.target, "rename to"))?;
        sync_dir(parent(&self.target))?;
        Ok(self.target)
    }
}

/// A hidden folder that is removed at the end. After a commit there is nothing of that name, or the older folder.
#[derive(Debug)]
struct Partial {
    path: PathBuf,
    /// Tells other processes that the folder is not a leftover.
    _lock: Option<File>,
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What cannot be removed is cleared by the next attempt.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn create_beside(target: &Path) -> Result<Partial, Error> {
    loop {
        let path = hidden::fresh(target, PARTIAL)?;
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            created => created.map_err(Error::io(target, "create"))?,
        }
        let lock = hidden::hold(&path);
        // Another process may have taken the folder for a leftover before it was locked.
        if path.is_dir() {
            return Ok(Partial { path, _lock: lock });
        }
    }
}

/// Gives the folder `from` the name `to`; an older folder is at `from` afterwards, or nowhere.
///
/// Another process may give the name at the same time. What it then finds changed, it looks at again.
fn take_place(from: &Path, to: &Path) -> io::Result<()> {
    loop {
        let is_there = is_folder(to)?;
        let placed = if is_there {
            replace(from, to)
        } else {
            fs::rename(from, to)
        };
        match placed {
            Err(error) if has_changed(error.kind(), is_there) && from.is_dir() => {}
            placed => return placed,
        }
    }
}

/// Whether an attempt failed because the target has appeared or disappeared meanwhile.
fn has_changed(found: io::ErrorKind, was_there: bool) -> bool {
    match found {
        io::ErrorKind::NotFound => was_there,
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => true,
        _ => false,
    }
}

/// Whether a folder has that name, or a symbolic link, which is replaced and not followed. A file is refused.
fn is_folder(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Ok(metadata) if metadata.is_file() => Err(io::ErrorKind::NotADirectory.into()),
        metadata => metadata.map(|_| true),
    }
}

fn replace(from: &Path, to: &Path) -> io::Result<()> {
    match disk().exchange(from, to) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => set_aside_and_rename(from, to),
        exchanged => exchanged,
    }
}

/// A folder that is not empty cannot be renamed over. Moving it aside instead of removing it keeps its content on the
/// disk whatever happens before the new one has the name.
fn set_aside_and_rename(from: &Path, to: &Path) -> io::Result<()> {
    let aside = aside(to).map_err(Error::into_io)?;
    remove_if_present(&aside)?;
    fs::rename(to, &aside)?;
    fs::rename(from, to)?;
    // The new folder is in place, so that a failure to remove the older one can wait.
    let _ = sync_dir(parent(to)).map(|()| remove_if_present(&aside));
    Ok(())
}

/// Where an older folder of the target's name goes while the new one takes its place.
fn aside(target: &Path) -> Result<PathBuf, Error> {
    hidden::beside(target, "replaced")
}

/// Ends what a kill has interrupted in [`set_aside_and_rename`]. As a rule there is nothing to do.
fn put_back(aside: &Path, target: &Path) {
    let _ = if target.symlink_metadata().is_ok() {
        remove_if_present(aside)
    } else {
        fs::rename(aside, target)
    };
}

fn remove_if_present(dir: &Path) -> io::Result<()> {
    fs::remove_dir_all(dir).or_else(absent_is_removed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(path: &Path, file: &str) {
        fs::create_dir(path).expect("made");
        fs::write(path.join(file), file).expect("written");
    }

    #[test]
    fn without_exchange_the_older_folder_is_replaced_all_the_same() {
        let root = tempfile::tempdir().expect("a folder");
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        folder(&to, "old");
        folder(&from, "new");
        set_aside_and_rename(&from, &to).expect("replaced");
        assert!(to.join("new").exists() && !to.join("old").exists());
        assert_eq!(fs::read_dir(root.path()).expect("listed").count(), 1);
    }

    #[test]
    fn what_a_kill_left_aside_is_put_back() {
        let root = tempfile::tempdir().expect("a folder");
        let target = root.path().join("best");
        folder(&root.path().join(".best.replaced"), "old");
        drop(AtomicDir::create(&target).expect("created"));
        assert!(target.join("old").exists());
        folder(&root.path().join(".best.replaced"), "older");
        drop(AtomicDir::create(&target).expect("created"));
        assert_eq!(fs::read_dir(root.path()).expect("listed").count(), 1);
    }

    #[test]
    fn an_exchange_keeps_both_or_says_that_it_cannot() {
        let root = tempfile::tempdir().expect("a folder");
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        folder(&from, "new");
        folder(&to, "old");
        match disk().exchange(&from, &to) {
            Ok(()) => assert!(to.join("new").exists() && from.join("old").exists()),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::Unsupported);
                assert!(from.join("new").exists() && to.join("old").exists());
            }
        }
    }

    #[test]
    fn the_name_is_never_missing_where_names_can_be_exchanged() {
        let root = tempfile::tempdir().expect("a folder");
        let target = root.path().join("best");
        let [a, b] = ["a", "b"].map(|name| root.path().join(name));
        folder(&a, "a");
        folder(&b, "b");
        if disk().exchange(&a, &b).is_err() {
            eprintln!("skipped: this file system cannot exchange names");
            return;
        }
        let commit = || AtomicDir::create(&target).and_then(AtomicDir::commit);
        commit().expect("committed");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..50).try_for_each(|_| commit().map(drop)));
            while !writer.is_finished() {
                assert!(target.symlink_metadata().is_ok());
            }
            writer.join().expect("no panic").expect("committed");
        });
    }
}
