//! Directories that appear under their name only when they are complete.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::Error;

/// A directory under construction.
///
/// Files are written to [`path`](Self::path), a hidden sibling of the target. [`commit`](Self::commit)
/// syncs them and renames the directory; dropping it without that removes it. A crash leaves at most a
/// hidden directory, which the next [`create`](Self::create) of the same target clears.
#[derive(Debug)]
pub struct AtomicDir {
    target: PathBuf,
    partial: PathBuf,
    /// Where an older directory of the target's name goes while the new one takes its place.
    replaced: PathBuf,
}

impl AtomicDir {
    /// Starts the directory that will be `target`, creating its parents.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if `target` does not end in a name, [`Error::Io`] naming what could not be
    /// created.
    pub fn create(target: &Path) -> Result<Self, Error> {
        let partial = hidden_sibling(target, "partial")?;
        let replaced = hidden_sibling(target, "replaced")?;
        remove_if_present(&partial)?;
        fs::create_dir_all(&partial).map_err(Error::io(&partial))?;
        Ok(Self {
            target: target.to_path_buf(),
            partial,
            replaced,
        })
    }

    /// Where to write the files.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Syncs every file and gives the directory its name, replacing an older one of that name.
    ///
    /// # Errors
    /// [`Error::Io`] naming what could not be synced or renamed.
    pub fn commit(self) -> Result<PathBuf, Error> {
        sync_tree(&self.partial)?;
        self.set_aside_older()?;
        fs::rename(&self.partial, &self.target).map_err(Error::io(&self.target))?;
        sync(parent(&self.target))?;
        remove_if_present(&self.replaced)?;
        Ok(self.target.clone())
    }

    /// A directory that is not empty cannot be renamed over. Moving it aside instead of removing it keeps
    /// its content on disk whatever happens before the new one has the name.
    fn set_aside_older(&self) -> Result<(), Error> {
        if self.target.exists() {
            remove_if_present(&self.replaced)?;
            fs::rename(&self.target, &self.replaced).map_err(Error::io(&self.target))?;
        }
        Ok(())
    }
}

/// `.<name>.<suffix>` beside `target`.
fn hidden_sibling(target: &Path, suffix: &str) -> Result<PathBuf, Error> {
    let name = target
        .file_name()
        .ok_or_else(|| Error::corrupt(target, "expected a path that ends in a name"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden.push(suffix);
    Ok(target.with_file_name(hidden))
}

impl Drop for AtomicDir {
    fn drop(&mut self) {
        // After a commit the directory has moved and this finds nothing. A failure leaves a hidden
        // directory that the next attempt clears.
        let _ = fs::remove_dir_all(&self.partial);
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn remove_if_present(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(dir)(error)),
        _ => Ok(()),
    }
}

fn sync_tree(dir: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let path = entry.map_err(Error::io(dir))?.path();
        if path.is_dir() {
            sync_tree(&path)?
        } else {
            sync(&path)?
        }
    }
    sync(dir)
}

fn sync(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_visible_before_the_commit() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("a/step-1");
        let dir = AtomicDir::create(&target).unwrap();
        fs::write(dir.path().join("file"), "new").unwrap();
        assert!(!target.exists());
        assert_eq!(dir.commit().unwrap(), target);
        assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "new");
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_dropped_directory_leaves_the_old_one() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("step-1");
        AtomicDir::create(&target).unwrap().commit().unwrap();
        let dir = AtomicDir::create(&target).unwrap();
        fs::write(dir.path().join("file"), "new").unwrap();
        drop(dir);
        assert!(target.is_dir() && !target.join("file").exists());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_commit_replaces_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("step-1");
        for name in ["old", "new"] {
            let dir = AtomicDir::create(&target).unwrap();
            fs::write(dir.path().join(name), name).unwrap();
            dir.commit().unwrap();
        }
        assert!(target.join("new").exists() && !target.join("old").exists());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
