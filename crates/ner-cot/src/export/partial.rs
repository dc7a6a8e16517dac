//! A file that has no name until it is whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// Bytes gathered before they are written.
const BUFFER: usize = 1 << 18;

/// Sets apart the files of one process that are to have the same name.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A file beside its final name; removed when dropped before [`PartialFile::commit`].
#[derive(Debug)]
pub(super) struct PartialFile {
    path: PathBuf,
    beside: PathBuf,
    /// `None` once it is committed.
    out: Option<BufWriter<File>>,
}

impl PartialFile {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let beside = beside(path);
        let file = File::create(&beside).map_err(|source| Error::io("write", path, source))?;
        Ok(Self {
            path: path.into(),
            beside,
            out: Some(BufWriter::with_capacity(BUFFER, file)),
        })
    }

    /// The file itself, for a writer that has a buffer of its own.
    #[cfg(feature = "parquet")]
    pub(super) fn file(&self) -> Result<File, Error> {
        let out = self.out.as_ref().ok_or_else(closed);
        let file = out.and_then(|out| out.get_ref().try_clone());
        file.map_err(|source| self.error(source))
    }

    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let out = self.out.as_mut().ok_or_else(closed);
        out.and_then(write).map_err(|source| self.error(source))
    }

    /// Forces everything to the disk and renames; then the rename itself is made durable.
    pub(super) fn commit(mut self) -> Result<(), Error> {
        let written = self.out.as_mut().ok_or_else(closed).and_then(|out| {
            out.flush()?;
            out.get_ref().sync_all()?;
            fs::rename(&self.beside, &self.path)
        });
        written.map_err(|source| self.error(source))?;
        self.out = None;
        sync_folder(&self.path).map_err(|source| self.error(source))
    }

    pub(super) fn error(&self, source: io::Error) -> Error {
        Error::io("write", &self.path, source)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if let Some(out) = self.out.take() {
            // What is in the buffer is of no use any more.
            drop(out.into_parts());
            let _ = fs::remove_file(&self.beside);
        }
    }
}

fn closed() -> io::Error {
    io::Error::other("the file is closed")
}

/// A hidden name in the same folder, as a rename must not cross file systems.
fn beside(path: &Path) -> PathBuf {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{number}.partial", std::process::id()));
    path.with_file_name(name)
}

/// Only Unix lets a folder be opened and synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
