//! The operations by which files change, as a trait, so that a test can let each of them fail.
//!
//! Reading is not part of it: what fails there changes nothing.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Everything that changes files. The default bodies are the system's own operations, one each.
///
/// Programs use [`RealDisk`]. A test that wants to see a full disk, or a process that dies at a certain operation,
/// overrides what it needs and [installs](install) its own, or hands it to what takes one.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file that will be changed, creating, emptying or locking nothing beyond what the options say.
    ///
    /// # Errors
    /// As the system's.
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        options.open(path)
    }

    /// Writes all bytes where the file stands; at its end, if it is open for appending.
    ///
    /// # Errors
    /// If not all of them could be written; some may have been.
    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Cuts a file off behind `length` bytes.
    ///
    /// # Errors
    /// As the system's.
    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    /// Forces what was written to a file to the disk.
    ///
    /// # Errors
    /// As the system's; what has reached the disk is then unknown.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Forces the entries of a folder to the disk. Does nothing on systems that do not let a folder be opened, and on
    /// file systems that have no such operation.
    ///
    /// # Errors
    /// As the system's.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if cfg!(not(unix)) {
            return Ok(());
        }
        match File::open(dir).and_then(|dir| dir.sync_all()) {
            Err(error) if is_without_operation(&error) => Ok(()),
            synced => synced,
        }
    }

    /// Creates a folder, whose parent must exist.
    ///
    /// # Errors
    /// As the system's.
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    /// Creates a folder and its parents where they are missing.
    ///
    /// # Errors
    /// As the system's.
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    /// Gives a file or a folder another name, in place of a file that has it, and forces nothing to the disk: that is
    /// what [`rename`](crate::rename) adds.
    ///
    /// # Errors
    /// As the system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Exchanges two names in one step.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] if the system or the file system cannot; else as the system's.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        exchange(one, other)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As the system's.
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Removes a folder that must be empty.
    ///
    /// # Errors
    /// As the system's.
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    /// Removes a folder with all that is in it, one file after the other.
    ///
    /// # Errors
    /// As the system's.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    /// Copies the content of a file into another, which may be new. Returns its bytes.
    ///
    /// # Errors
    /// As the system's.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<u64> {
        fs::copy(from, to)
    }

    /// Makes a symbolic link to a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] where there are none; else as the system's.
    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        symlink(target, link)
    }
}

/// The disk as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}

static REAL: LazyLock<Arc<dyn Disk>> = LazyLock::new(|| Arc::new(RealDisk));

static INSTALLED: RwLock<Option<Arc<dyn Disk>>> = RwLock::new(None);

/// The disk that this process writes to: the one that is [installed](install), else the real one.
///
/// Everything in this crate goes through it. Without one the look costs some nanoseconds, an operation on a file some
/// microseconds.
pub fn disk() -> Arc<dyn Disk> {
    let installed = INSTALLED.read().unwrap_or_else(PoisonError::into_inner);
    installed.as_ref().unwrap_or(&REAL).clone()
}

/// Lets the whole process write to another disk until the guard is dropped. For tests that run alone in their process:
/// other threads write to it too.
pub fn install(disk: Arc<dyn Disk>) -> Installed {
    Installed(replace_installed(Some(disk)))
}

fn replace_installed(disk: Option<Arc<dyn Disk>>) -> Option<Arc<dyn Disk>> {
    let mut installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut installed, disk)
}

/// Keeps a disk [installed](install); then the one before it is the process's again.
#[derive(Debug)]
#[must_use = "dropping it takes the disk away again"]
pub struct Installed(Option<Arc<dyn Disk>>);

impl Drop for Installed {
    fn drop(&mut self) {
        drop(replace_installed(self.0.take()));
    }
}

/// What fsync(2) answers where a file system cannot synchronise folders.
fn is_without_operation(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];
    kinds.contains(&error.kind())
}

#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::XDEV) => {
            Err(io::ErrorKind::Unsupported.into())
        }
        exchanged => exchanged.map_err(io::Error::from),
    }
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
