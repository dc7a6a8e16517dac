//! Predictions as they are made, each written at once, so that a run that ended early can be taken up again.

mod line;

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use atomic_files::fs::File;

use crate::error::Error;
use crate::prediction::Prediction;
use crate::run_identity::RunIdentity;

/// Predictions that are forced to the disk together at the latest: what a power failure can cost. A killed program
/// loses none.
const SYNC_EVERY: usize = 64;

/// Time after which they are, however few they are.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// A file of predictions that grows.
///
/// A failure to write it, or to force it to the disk, is final: the next attempt could succeed although lines are gone.
/// Every later call gives the first error.
#[derive(Debug)]
pub struct PredictionLog {
    path: PathBuf,
    file: File,
    /// Lines that were written since they were last forced to the disk, and when that was.
    unsynced: usize,
    synced: Instant,
    /// The first failure.
    failed: Option<(io::ErrorKind, String)>,
    /// How the file is forced to the disk.
    sync: fn(&File) -> io::Result<()>,
}

impl PredictionLog {
    /// Opens the log of this run, or begins it. A last line that was cut off in the middle is removed.
    ///
    /// Beside it lies `<name>.run.json` with the identity of the run that began it. A log of another run, and one that
    /// does not say whose it is, stays as it is and is refused.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, or the log belongs to another run or to none that is known.
    pub fn open(path: &Path, identity: &RunIdentity) -> Result<PredictionLog, Error> {
        check_identity(path, identity)?;
        let write = |source| Error::Write {
            path: path.into(),
            source,
        };
        let mut options = fs::OpenOptions::new();
        let options = options.create(true).append(true).read(true);
        let mut file = File::open_with(path, options).map_err(write)?;
        drop_torn_lines(&mut file).map_err(write)?;
        Ok(PredictionLog {
            path: path.into(),
            file,
            unsynced: 0,
            synced: Instant::now(),
            failed: None,
            sync: File::sync_data,
        })
    }

    /// The predictions that are in it. A line that is not what was written is left out, so that its sentence is asked
    /// again, and so is one that is there twice; the log of the program says how many are damaged.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn read(&self) -> Result<Vec<Prediction>, Error> {
        let found = line::read_all(&self.path)?;
        if found.damaged > 0 {
            let (path, damaged) = (self.path.display(), found.damaged);
            tracing::warn!(%path, damaged, "damaged answers; their sentences will be asked again");
        }
        Ok(found.predictions)
    }

    /// Adds a batch and waits until it is on disk.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn append(&mut self, batch: &[Prediction]) -> Result<(), Error> {
        batch.iter().try_for_each(|made| self.keep(made))?;
        self.sync()
    }

    /// Adds one prediction. It survives the end of the program at once, and a power failure after a second, or after
    /// some tens of predictions.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or earlier ones could not.
    pub fn keep(&mut self, prediction: &Prediction) -> Result<(), Error> {
        self.guard(|log| {
            log.file.write_all(&line::written(prediction)?)?;
            log.unsynced += 1;
            if log.unsynced >= SYNC_EVERY || log.synced.elapsed() >= SYNC_AFTER {
                log.force()?;
            }
            Ok(())
        })
    }

    /// Waits until all predictions are on disk.
    ///
    /// # Errors
    ///
    /// If that fails or has failed before.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.guard(Self::force)
    }

    fn force(&mut self) -> io::Result<()> {
        if self.unsynced > 0 {
            (self.sync)(&self.file).map_err(|error| {
                let words = "the last answers, up to";
                io::Error::new(
                    error.kind(),
                    format!("{error}; {words} {}, may not be on the disk", self.unsynced),
                )
            })?;
        }
        self.unsynced = 0;
        self.synced = Instant::now();
        Ok(())
    }

    /// Does something unless an earlier failure forbids it, and remembers the first failure.
    fn guard(&mut self, act: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), Error> {
        if self.failed.is_none()
            && let Err(error) = act(self)
        {
            self.failed = Some((error.kind(), error.to_string()));
        }
        let Some((kind, words)) = &self.failed else {
            return Ok(());
        };
        Err(Error::Write {
            path: self.path.clone(),
            source: io::Error::new(*kind, words.clone()),
        })
    }

    /// Removes the log and its identity, once the predictions are kept elsewhere.
    ///
    /// # Errors
    ///
    /// If a file cannot be removed.
    pub fn remove(self) -> Result<(), Error> {
        PredictionLog::clear(&self.path)
    }

    /// Removes the log at a path and its identity, if they are there.
    ///
    /// # Errors
    ///
    /// If a file cannot be removed.
    pub fn clear(path: &Path) -> Result<(), Error> {
        for path in [path, &identity_path(path)] {
            match atomic_files::fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|source| Error::Write {
                    path: path.into(),
                    source,
                })?,
            }
        }
        Ok(())
    }
}

fn identity_path(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(".run.json");
    path.with_file_name(name)
}

/// Writes the identity where a log begins, else compares. A log without an answer is nobody's: the run that began it
/// has failed before there was one.
fn check_identity(path: &Path, identity: &RunIdentity) -> Result<(), Error> {
    let place = identity_path(path);
    if !path.metadata().is_ok_and(|file| file.len() > 0) {
        return write_identity(&place, identity);
    }
    match fs::read(&place) {
        Ok(bytes) => read_identity(&place, &bytes).and_then(|found| identity.check(&found, &place)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::UnknownRun { path: path.into() })
        }
        Err(source) => Err(Error::Read {
            path: place,
            source,
        }),
    }
}

fn read_identity(place: &Path, bytes: &[u8]) -> Result<RunIdentity, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Format {
        path: place.into(),
        line: error.line(),
        found: error.to_string(),
    })
}

fn write_identity(place: &Path, identity: &RunIdentity) -> Result<(), Error> {
    ner_datasets::write_atomic(place, |out| {
        serde_json::to_writer_pretty(&mut *out, identity)?;
        out.write_all(b"\n")
    })?;
    Ok(())
}

/// A program that was killed while it wrote leaves half a line, a power failure perhaps several lines that never
/// reached the disk. What follows the last sound line is cut off.
fn drop_torn_lines(file: &mut File) -> io::Result<()> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let (mut at, mut whole) = (0, 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        at += line.len();
        let is_sound = line.ends_with(b"\n") && line::read(line).is_some();
        whole = if is_sound { at } else { whole };
    }
    if whole < bytes.len() {
        file.set_len(whole as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
