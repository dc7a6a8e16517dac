//! One process at a time: locks of folders and of files that are about to be written.

use std::fs::TryLockError;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::durable::parent;
use crate::error::Error;
use crate::fs::{self, File};
use crate::{abandoned, hidden};

/// Name of a folder's lock file.
pub(crate) const LOCK: &str = ".lock";

/// How often a folder is made again that another owner removes.
const ATTEMPTS: usize = 1_000;

/// A folder, or a file under construction, that belongs to one process while this value lives.
///
/// The system drops the lock with the process, however that ends. The lock file has the number of the process and is
/// removed at the end, and so is a folder that was made for it and in which nothing was written.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// The folder, if it was made for the lock.
    made: Option<PathBuf>,
    // Closed after the file is removed, so that nobody takes a lock whose file goes away.
    _file: File,
}

impl Lock {
    /// Locks a folder, which is created where it is missing, and removes from it what killed processes left there:
    /// hidden files and folders of this crate, down to a few levels below it.
    ///
    /// # Errors
    /// [`Error::InUse`] if another process has it, [`Error::Io`] if the folder or the lock file cannot be made.
    pub fn folder(dir: &Path) -> Result<Self, Error> {
        let is_new = !dir.exists();
        let mut lock = Self::take_in(dir)?;
        abandoned::clear_below(dir);
        lock.made = is_new.then(|| dir.to_owned());
        Ok(lock)
    }

    /// The one who had the lock before may remove the folder between the two steps.
    fn take_in(dir: &Path) -> Result<Self, Error> {
        let mut attempts = 0;
        loop {
            fs::create_dir_all(dir).map_err(Error::io(dir, "create"))?;
            match Self::take(dir, dir.join(LOCK)) {
                Err(Error::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS =>
                {
                    attempts += 1;
                }
                taken => return taken,
            }
        }
    }

    /// Locks a file that is going to be written, by a hidden file beside it, and removes what killed processes left
    /// beside it while they wrote it.
    ///
    /// # Errors
    /// As [`Lock::folder`], and [`Error::NoName`] if the path does not end in a name.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let lock = Self::take(path, hidden::beside(path, "lock")?)?;
        abandoned::clear_of(parent(path), path.file_name());
        Ok(lock)
    }

    fn take(what: &Path, path: PathBuf) -> Result<Self, Error> {
        loop {
            let mut options = std::fs::OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(false);
            let file = File::open_with(&path, options);
            let mut file = file.map_err(Error::io(what, "lock"))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(in_use(what, &mut file)),
                Err(TryLockError::Error(error)) => return Err(Error::io(what, "lock")(error)),
            }
            // The one who had it may have removed the file after it was opened here.
            if is_same(&file, &path) {
                // Only words for whoever is refused.
                let _ = file.set_len(0);
                let owner = format!("process {}\n", std::process::id());
                let _ = file.write_all(owner.as_bytes());
                return Ok(Self {
                    path,
                    made: None,
                    _file: file,
                });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        // Fails, as it should, where something was written.
        let _ = self.made.as_ref().map(fs::remove_dir);
    }
}

fn in_use(what: &Path, file: &mut File) -> Error {
    let mut owner = String::new();
    // Some systems forbid reading a locked file.
    let _ = file.take(64).read_to_string(&mut owner);
    let owner: String = owner
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .collect();
    let owner = if owner.is_empty() {
        "owner unknown".to_owned()
    } else {
        owner
    };
    Error::InUse {
        path: what.to_owned(),
        owner,
    }
}

/// Whether the name still stands for the open file.
#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (open, named) = (file.metadata().map(id), path.metadata().map(id));
    matches!((open, named), (Ok(open), Ok(named)) if open == named)
}

#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> bool {
    true
}
