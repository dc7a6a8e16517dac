//! The part of [`std::fs`] that changes files, under the same names, by way of the process's [`disk`](crate::disk()).
//!
//! For what has to be written under a name of its own: a log that grows, a download that goes on where it stopped.
//! Everything else is better written with [`write`](crate::write()), [`AtomicFile`](crate::AtomicFile) and
//! [`AtomicDir`](crate::AtomicDir).

use std::fs::{Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::disk::disk;

/// A file that is open for writing.
#[derive(Debug)]
pub struct File(std::fs::File);

impl File {
    /// Creates a file, or empties one.
    ///
    /// # Errors
    /// As [`std::fs::File::create`].
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        Self::open_with(path, options.write(true).create(true).truncate(true))
    }

    /// Creates a file that must be new.
    ///
    /// # Errors
    /// As [`std::fs::File::create_new`].
    pub fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        Self::open_with(path, options.read(true).write(true).create_new(true))
    }

    /// Opens a file in another way.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &OpenOptions) -> io::Result<Self> {
        disk().open(path.as_ref(), options).map(Self)
    }

    /// Cuts the file off.
    ///
    /// # Errors
    /// As [`std::fs::File::set_len`].
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        disk().truncate(&self.0, length)
    }

    /// Forces content and attributes to the disk.
    ///
    /// # Errors
    /// As [`std::fs::File::sync_all`].
    pub fn sync_all(&self) -> io::Result<()> {
        disk().sync(&self.0)
    }

    /// Forces the content to the disk. The same as [`sync_all`](Self::sync_all): the file's length, without which
    /// nothing new can be read, belongs to both.
    ///
    /// # Errors
    /// As [`std::fs::File::sync_data`].
    pub fn sync_data(&self) -> io::Result<()> {
        self.sync_all()
    }

    /// A second handle of the same file.
    ///
    /// # Errors
    /// As [`std::fs::File::try_clone`].
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// What the system knows of the file.
    ///
    /// # Errors
    /// As [`std::fs::File::metadata`].
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    /// Takes the file's lock, or says that another has it.
    ///
    /// # Errors
    /// As [`std::fs::File::try_lock`].
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.0.try_lock()
    }

    /// Waits for the file's lock.
    ///
    /// # Errors
    /// As [`std::fs::File::lock`].
    pub fn lock(&self) -> io::Result<()> {
        self.0.lock()
    }

    /// The system's handle. What is written to it does not go through the process's disk.
    pub fn std(&self) -> &std::fs::File {
        &self.0
    }

    /// The system's handle, as [`std`](Self::std).
    pub fn into_std(self) -> std::fs::File {
        self.0
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        disk().append(&self.0, bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// As [`std::fs::write`]: under its own name, so that a kill may leave a part.
///
/// # Errors
/// As [`std::fs::write`].
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    File::create(path)?.write_all(bytes.as_ref())
}

/// As [`std::fs::create_dir`].
///
/// # Errors
/// As [`std::fs::create_dir`].
pub fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    disk().create_dir(path.as_ref())
}

/// As [`std::fs::create_dir_all`].
///
/// # Errors
/// As [`std::fs::create_dir_all`].
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    disk().create_dir_all(path.as_ref())
}

/// As [`std::fs::rename`]; [`rename`](crate::rename()) also forces the new name to the disk.
///
/// # Errors
/// As [`std::fs::rename`].
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    disk().rename(from.as_ref(), to.as_ref())
}

/// As [`std::fs::remove_file`].
///
/// # Errors
/// As [`std::fs::remove_file`].
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    disk().remove_file(path.as_ref())
}

/// As [`std::fs::remove_dir`]: the folder must be empty.
///
/// # Errors
/// As [`std::fs::remove_dir`].
pub fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    disk().remove_dir(path.as_ref())
}

/// As [`std::fs::remove_dir_all`]; [`remove_dir`](crate::remove_dir()) lets the folder disappear as a whole.
///
/// # Errors
/// As [`std::fs::remove_dir_all`].
pub fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    disk().remove_dir_all(path.as_ref())
}

/// As [`std::fs::copy`].
///
/// # Errors
/// As [`std::fs::copy`].
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    disk().copy(from.as_ref(), to.as_ref())
}

/// A symbolic link to a file.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] where there are none; else as the system's.
pub fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    disk().symlink(target.as_ref(), link.as_ref())
}
