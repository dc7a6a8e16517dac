//! A file that has no name until it is whole.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::durable;
use crate::error::Error;
use crate::fs::{self, File};
use crate::hidden::{self, PARTIAL};
use crate::keep;

/// Bytes gathered before they are written.
const BUFFER: usize = 1 << 18;

/// Writes a file that is complete and on the disk when its name appears. A file of that name is replaced.
///
/// # Errors
/// [`Error::Io`] if the folder does not exist, or the file cannot be written or renamed; an earlier file stays as it
/// was then. [`Error::NoName`] if the path does not end in a name.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("done.json");
/// atomic_files::write(&path, "{}\n")?;
/// assert_eq!(std::fs::read_to_string(path)?, "{}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    let mut file = AtomicFile::create(path)?;
    let written = file.write_all(bytes.as_ref());
    written.map_err(Error::io(path, "write"))?;
    file.commit()
}

/// A file under construction.
///
/// What is written goes to a hidden file in the same folder. [`commit`](Self::commit) gives it the name; dropping it
/// without that removes it, and an earlier file of that name stays as it was. A kill leaves at most the hidden file,
/// which nobody reads.
///
/// Several may be under construction for one name: each is whole, and the last commit stays. The file is made with the
/// permissions of any new file, and a symbolic link of its name is replaced, not followed.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    is_broken: bool,
    // Declared before the file's name, and so closed before the file is removed.
    out: BufWriter<File>,
    partial: Partial,
}

impl AtomicFile {
    /// Begins the file that will be `target`. Its folder must exist.
    ///
    /// # Errors
    /// [`Error::Io`] if no file can be made in the folder, [`Error::NoName`] if `target` does not end in a name.
    pub fn create(target: &Path) -> Result<Self, Error> {
        let (file, path) = create_beside(target)?;
        Ok(Self {
            target: target.to_path_buf(),
            is_broken: false,
            out: BufWriter::with_capacity(BUFFER, file),
            partial: Partial(path),
        })
    }

    /// The name that the file will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The file itself, for a writer that has a buffer of its own. Write through it or through `self`, not through
    /// both: what `self` has in its buffer comes later.
    pub fn file(&self) -> &File {
        self.out.get_ref()
    }

    /// Forces everything to the disk and gives the file its name, in place of an earlier one.
    ///
    /// # Errors
    /// [`Error::Io`] if that fails or a write has failed before: then the file is removed and an earlier one stays.
    /// Only if the very last step fails, that of forcing the rename to the disk, the new file has the name all the
    /// same. [`Error::Exists`] if a file of that name is [kept](crate::Keep).
    pub fn commit(mut self) -> Result<(), Error> {
        let written = self.finish();
        written.map_err(Error::io(&self.target, "write"))?;
        if keep::is_there(&self.partial.0, &self.target)? {
            return Ok(());
        }
        durable::rename(&self.partial.0, &self.target)
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("an earlier write to it has failed"));
        }
        self.out.flush()?;
        self.out.get_ref().sync_all()
    }

    /// After a failure nobody knows what has reached the file, so it must not get the name.
    fn watch<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        let is_failure = |error: &io::Error| error.kind() != io::ErrorKind::Interrupted;
        self.is_broken |= result.as_ref().is_err_and(is_failure);
        result
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.watch(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.watch(flushed)
    }
}

/// A hidden file that is removed at the end. After a commit its name is gone, and there is nothing to remove.
#[derive(Debug)]
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A new file under a fresh name: another process's file is never opened, so that no two mix their bytes.
fn create_beside(target: &Path) -> Result<(File, PathBuf), Error> {
    loop {
        let path = hidden::fresh(target, PARTIAL)?;
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(target, "write")(error)),
            Ok(file) => {
                // Tells other processes that it is no leftover. Where files cannot be locked, its name does.
                let _ = file.try_lock();
                return Ok((file, path));
            }
        }
    }
}
