//! Predictions as they are made, on disk after every batch, so that a run that ended early can be taken up again.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Prediction, Suite, read_predictions};

/// What makes two runs the same, so that the predictions of one may go on with the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunIdentity {
    /// The suite.
    pub suite: String,
    /// Set and number of sentences, in order.
    pub sentences: Vec<(String, usize)>,
    /// What answers: a model's path or name and its address.
    pub source: String,
    /// The text of the prompt template.
    pub prompt: String,
}

impl RunIdentity {
    /// The identity of a run of `source` on `suite` with a prompt.
    pub fn new(
        suite: &Suite,
        source: impl Into<String>,
        template: &ner_types::PromptTemplate,
    ) -> RunIdentity {
        let sets = suite.sets.iter();
        RunIdentity {
            suite: suite.name.clone(),
            sentences: sets
                .map(|set| (set.name.clone(), set.examples.len()))
                .collect(),
            source: source.into(),
            prompt: template.text().into(),
        }
    }

    fn check(&self, other: &RunIdentity, path: &Path) -> Result<(), Error> {
        let fields = [
            ("suite", self.suite.clone(), other.suite.clone()),
            (
                "number of sentences",
                format!("{:?}", self.sentences),
                format!("{:?}", other.sentences),
            ),
            ("source", self.source.clone(), other.source.clone()),
            ("prompt", self.prompt.clone(), other.prompt.clone()),
        ];
        match fields.into_iter().find(|(_, a, b)| a != b) {
            Some((field, expected, found)) => Err(Error::OtherRun {
                path: path.into(),
                field,
                expected,
                found,
            }),
            None => Ok(()),
        }
    }
}

/// A file of predictions that grows.
#[derive(Debug)]
pub struct PredictionLog {
    path: PathBuf,
    file: File,
}

impl PredictionLog {
    /// Opens the log and gives the predictions that are in it. A last line that was cut off in the middle is removed.
    ///
    /// Beside it lies `<name>.run.json` with the identity of the run that began it.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, a line is not a prediction, or the log belongs to another run.
    pub fn open(
        path: &Path,
        identity: &RunIdentity,
    ) -> Result<(PredictionLog, Vec<Prediction>), Error> {
        check_identity(path, identity)?;
        let write = |source| Error::Write {
            path: path.into(),
            source,
        };
        let mut file = File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(path)
            .map_err(write)?;
        drop_torn_line(&mut file).map_err(write)?;
        let log = PredictionLog {
            path: path.into(),
            file,
        };
        Ok((log, read_predictions(path)?))
    }

    /// Adds a batch and waits until it is on disk.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn append(&mut self, batch: &[Prediction]) -> Result<(), Error> {
        self.write(batch).map_err(|source| Error::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn write(&mut self, batch: &[Prediction]) -> std::io::Result<()> {
        let mut text = Vec::new();
        for prediction in batch {
            serde_json::to_writer(&mut text, prediction)?;
            text.push(b'\n');
        }
        self.file.write_all(&text)?;
        self.file.sync_data()
    }

    /// Removes the log and its identity, once the predictions are kept elsewhere.
    ///
    /// # Errors
    ///
    /// If a file cannot be removed.
    pub fn remove(self) -> Result<(), Error> {
        let identity = identity_path(&self.path);
        for path in [&self.path, &identity] {
            fs::remove_file(path).map_err(|source| Error::Write {
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

/// Writes the identity where there is none yet, else compares.
fn check_identity(path: &Path, identity: &RunIdentity) -> Result<(), Error> {
    let place = identity_path(path);
    match fs::read(&place) {
        Ok(bytes) => {
            let found: RunIdentity =
                serde_json::from_slice(&bytes).map_err(|error| Error::Format {
                    path: place.clone(),
                    line: error.line(),
                    found: error.to_string(),
                })?;
            identity.check(&found, &place)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ner_datasets::write_atomic(&place, |out| {
                serde_json::to_writer_pretty(&mut *out, identity)?;
                out.write_all(b"\n")
            })?;
            Ok(())
        }
        Err(source) => Err(Error::Read {
            path: place,
            source,
        }),
    }
}

/// A program that was killed while it wrote leaves half a line.
fn drop_torn_line(file: &mut File) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let whole = bytes
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    if whole < bytes.len() {
        file.set_len(whole as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ner_types::PromptTemplate;

    use super::*;

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
        let (mut log, earlier) = PredictionLog::open(&path, &identity("m")).expect("new");
        assert!(earlier.is_empty());
        log.append(&[prediction(0), prediction(1)])
            .expect("written");
        log.file.write_all(b"{\"dataset\": \"no").expect("torn");
        let (mut log, earlier) = PredictionLog::open(&path, &identity("m")).expect("again");
        assert_eq!(earlier, [prediction(0), prediction(1)]);
        log.append(&[prediction(2)]).expect("written");
        assert_eq!(read_predictions(&path).expect("readable").len(), 3);
        log.remove().expect("removed");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
    }

    #[test]
    fn the_log_of_another_run_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.jsonl");
        PredictionLog::open(&path, &identity("small")).expect("new");
        let message = PredictionLog::open(&path, &identity("large"))
            .expect_err("another model")
            .to_string();
        assert!(message.contains("log.run.json"), "{message}");
        assert!(
            message.contains("another source: expected \"large\", found \"small\""),
            "{message}"
        );
    }
}
