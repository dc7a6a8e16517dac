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
        let identity = identity_path(&self.path);
        for path in [&self.path, &identity] {
            atomic_files::fs::remove_file(path).map_err(|source| Error::Write {
                path: path.clone(),
                source,
            })?;
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
mod tests {
    use ner_types::PromptTemplate;

    use super::*;
    use crate::prediction::read_predictions;
    use crate::suite::{EvalSet, Suite};

    fn prediction(index: usize) -> Prediction {
        Prediction {
            dataset: "north".into(),
            index,
            completion: "{}".into(),
            truncated: false,
            tokens: Some(1),
        }
    }

    fn identity(source: &str) -> RunIdentity {
        let suite = Suite {
            name: "made up".into(),
            sets: Vec::new(),
        };
        RunIdentity::new(&suite, source, &PromptTemplate::paper())
    }

    #[test]
    fn a_log_is_taken_up_again_without_its_torn_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.jsonl");
        let mut log = PredictionLog::open(&path, &identity("m")).expect("new");
        assert!(log.read().expect("empty").is_empty());
        log.append(&[prediction(0), prediction(1)])
            .expect("written");
        log.file
            .write_all(b"\0\0\0\n{\"dataset\": \"no")
            .expect("torn");
        let mut log = PredictionLog::open(&path, &identity("m")).expect("again");
        assert_eq!(log.read().expect("whole"), [prediction(0), prediction(1)]);
        log.append(&[prediction(2)]).expect("written");
        assert_eq!(read_predictions(&path).expect("readable").len(), 3);
        log.remove().expect("removed");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
    }

    #[test]
    fn every_flipped_bit_costs_an_answer_and_never_changes_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.jsonl");
        let made: Vec<Prediction> = (0..3).map(prediction).collect();
        let mut log = PredictionLog::open(&path, &identity("m")).expect("new");
        log.append(&made).expect("written");
        let sound = fs::read(&path).expect("readable");
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, damaged).expect("written");
            let log = PredictionLog::open(&path, &identity("m")).expect("it is a log");
            let found = log.read().expect("readable");
            assert!(!found.is_empty(), "bit {bit}");
            assert!(
                found.iter().all(|one| made.contains(one)),
                "bit {bit}: {found:?}"
            );
        }
    }

    #[test]
    fn a_line_that_is_there_twice_is_one_answer_and_an_older_program_wrote_no_hashes() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.jsonl");
        let mut log = PredictionLog::open(&path, &identity("m")).expect("new");
        log.append(&[prediction(0), prediction(0)])
            .expect("written");
        let old = serde_json::to_string(&prediction(1)).expect("written");
        let text = fs::read_to_string(&path).expect("readable");
        fs::write(&path, format!("{text}\nno answer\n{old}\n")).expect("written");
        let log = PredictionLog::open(&path, &identity("m")).expect("it is a log");
        assert_eq!(
            log.read().expect("readable"),
            [prediction(0), prediction(1)]
        );
    }

    #[test]
    fn a_failed_sync_is_not_tried_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.jsonl");
        let mut log = PredictionLog::open(&path, &identity("m")).expect("new");
        log.append(&[prediction(0)]).expect("written");
        log.sync = |_| Err(io::Error::other("pages are gone"));
        log.keep(&prediction(1)).expect("not forced yet");
        let first = log.sync().expect_err("forced").to_string();
        assert!(
            first.contains("pages are gone; the last answers, up to 1"),
            "{first}"
        );
        log.sync = File::sync_data;
        let length = path.metadata().expect("there").len();
        assert_eq!(
            log.keep(&prediction(2)).expect_err("no more").to_string(),
            first
        );
        assert_eq!(log.sync().expect_err("no more").to_string(), first);
        assert_eq!(path.metadata().expect("there").len(), length);
        let log = PredictionLog::open(&path, &identity("m")).expect("again");
        assert_eq!(log.read().expect("whole"), [prediction(0), prediction(1)]);
    }

    #[test]
    fn many_predictions_share_a_sync() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.jsonl");
        let mut log = PredictionLog::open(&path, &identity("m")).expect("new");
        log.sync = |_| Err(io::Error::other("now"));
        // Long after the last one only in a test that is stopped for a second, so the clock is set ahead.
        log.synced = Instant::now() + Duration::from_secs(3600);
        for index in 1..SYNC_EVERY {
            log.keep(&prediction(index)).expect("not yet");
        }
        log.keep(&prediction(SYNC_EVERY)).expect_err("now");
        assert_eq!(read_predictions(&path).expect("all").len(), SYNC_EVERY);
    }

    #[track_caller]
    fn check_refused(first: &RunIdentity, second: &RunIdentity, expected: &str) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.jsonl");
        let mut log = PredictionLog::open(&path, first).expect("new");
        log.append(&[prediction(0)]).expect("written");
        let message = PredictionLog::open(&path, second)
            .expect_err("another run")
            .to_string();
        assert!(message.contains("log.run.json"), "{message}");
        assert!(message.contains(expected), "{message}");
        assert_eq!(read_predictions(&path).expect("kept"), [prediction(0)]);
        PredictionLog::open(&path, first).expect("the first goes on");
    }

    #[test]
    fn the_log_of_another_run_is_refused() {
        check_refused(
            &identity("small"),
            &identity("large"),
            "another source: expected \"large\", found \"small\"",
        );
    }

    #[test]
    fn a_log_without_an_answer_is_nobodys() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.jsonl");
        PredictionLog::open(&path, &identity("small")).expect("new");
        let mut log = PredictionLog::open(&path, &identity("large")).expect("nobody's");
        log.append(&[prediction(0)]).expect("written");
        let refused = PredictionLog::open(&path, &identity("small"));
        assert!(refused.is_err(), "it is the second one's now");
    }

    #[test]
    fn a_model_is_known_by_its_files_and_not_by_its_folder() {
        let [one, two] = ["1111", "2222"].map(|hash| identity("model").with_files(hash));
        check_refused(&one, &two, "model (files 2222)");
        check_refused(&one, &identity("model"), "found \"model (files 1111)\"");
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.jsonl");
        let mut log = PredictionLog::open(&path, &one).expect("new");
        log.append(&[prediction(0)]).expect("written");
        let moved = identity("elsewhere/model").with_files("1111");
        PredictionLog::open(&path, &moved).expect("the same files");
    }

    #[test]
    fn limits_and_sentences_are_part_of_a_run() {
        let run = identity("m").with("max_new_tokens", 64);
        let longer = identity("m").with("max_new_tokens", 128);
        check_refused(
            &run,
            &longer,
            "another max_new_tokens: expected \"128\", found \"64\"",
        );
        check_refused(&run, &identity("m"), "expected \"none\", found \"64\"");
        let of = |sentence: &str| {
            let example = ner_types::Example {
                sentence: sentence.into(),
                ..Default::default()
            };
            let set = EvalSet {
                name: "north".into(),
                examples: vec![example],
            };
            let suite = Suite {
                name: "made up".into(),
                sets: vec![set],
            };
            RunIdentity::new(&suite, "m", &PromptTemplate::paper())
        };
        check_refused(
            &of("Brel sleeps"),
            &of("Brel wakes"),
            "text of the sentences",
        );
    }

    #[test]
    fn a_log_without_a_name_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.jsonl");
        crate::prediction::write_predictions(&path, &[prediction(0)]).expect("written");
        let message = PredictionLog::open(&path, &identity("m"))
            .expect_err("whose is it")
            .to_string();
        assert!(
            message.contains("do not say which run made them"),
            "{message}"
        );
        assert!(path.exists());
    }
}
