//! An offline run of Weights & Biases, which `wandb sync` sends: `wandb/offline-run-TIME-ID/run-ID.wandb`.
//!
//! The file has LevelDB's log format with a head of its own, and in it messages of `wandb_internal.proto`, of which the
//! fields below are those that a run with settings and numbers needs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atomic_files::fs::File;
use prost::Message;
use serde_json::Value;

use super::{Curves, Numbers, Tracked, id, now, numbers};
use crate::run_dir::RunDirError;

/// Folder of the runs in a run's folder.
pub(super) const FOLDER: &str = "wandb";

/// The project that `wandb sync` sends to unless it is told another.
const PROJECT: &str = "rner";

/// `:W&B`, the magic number 0xBEE1 and version 0.
const HEAD: [u8; 7] = [b':', b'W', b'&', b'B', 0xe1, 0xbe, 0];

/// Bytes of a block; no head of a record crosses its end.
const BLOCK: usize = 32_768;

/// Bytes in front of a record: CRC-32 of kind and data, length, kind.
const RECORD_HEAD: usize = 7;

/// The oldest version of `wandb` that reads what is written here.
const MIN_CONSUMER: &str = "0.70.0";

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(int64, tag = "1")]
    num: i64,
    #[prost(message, optional, tag = "2")]
    history: Option<History>,
    #[prost(message, optional, tag = "3")]
    summary: Option<Items>,
    #[prost(message, optional, tag = "17")]
    run: Option<Run>,
    #[prost(message, optional, tag = "18")]
    exit: Option<Exit>,
    #[prost(message, optional, tag = "21")]
    header: Option<Header>,
}

/// `HistoryRecord`.
#[derive(Clone, PartialEq, Message)]
struct History {
    #[prost(message, repeated, tag = "1")]
    item: Vec<Item>,
    #[prost(message, optional, tag = "2")]
    step: Option<Step>,
}

#[derive(Clone, PartialEq, Message)]
struct Step {
    #[prost(int64, tag = "1")]
    num: i64,
}

/// `SummaryRecord` and `ConfigRecord`: what changes, by key.
#[derive(Clone, PartialEq, Message)]
struct Items {
    #[prost(message, repeated, tag = "1")]
    update: Vec<Item>,
}

/// `HistoryItem`, `SummaryItem` and `ConfigItem`; a name with slashes is one key.
#[derive(Clone, PartialEq, Message)]
struct Item {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, repeated, tag = "2")]
    nested_key: Vec<String>,
    #[prost(string, tag = "16")]
    value_json: String,
}

/// `RunRecord`.
#[derive(Clone, PartialEq, Message)]
struct Run {
    #[prost(string, tag = "1")]
    run_id: String,
    #[prost(string, tag = "3")]
    project: String,
    #[prost(message, optional, tag = "4")]
    config: Option<Items>,
    #[prost(string, tag = "8")]
    display_name: String,
    #[prost(message, optional, tag = "17")]
    start_time: Option<Time>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// `RunExitRecord`.
#[derive(Clone, PartialEq, Message)]
struct Exit {
    #[prost(int32, tag = "1")]
    exit_code: i32,
    #[prost(int32, tag = "2")]
    runtime: i32,
}

/// `HeaderRecord`.
#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(message, optional, tag = "1")]
    version_info: Option<Version>,
}

/// `VersionInfo`.
#[derive(Clone, PartialEq, Message)]
struct Version {
    #[prost(string, tag = "1")]
    producer: String,
    #[prost(string, tag = "2")]
    min_consumer: String,
}

/// One offline run, open for appending.
#[derive(Debug)]
pub(super) struct Offline {
    path: PathBuf,
    file: File,
    /// Bytes that the file has.
    written: usize,
    records: i64,
    begun: Duration,
    /// The last step, which an evaluation may add to: a step is one row there.
    last: Option<(usize, Numbers)>,
}

impl Offline {
    /// Makes the run with its settings, in place of what this training wrote of it before.
    pub(super) fn create(tracked: &Tracked) -> Result<Self, RunDirError> {
        let id = id(tracked, FOLDER, 8)?;
        let (folder, begun) = (tracked.run.join(FOLDER), now());
        let dir = folder.join(format!("offline-run-{}-{id}", digits(begun)));
        remove_older(&folder, &id)?;
        let files = dir.join("files");
        atomic_files::fs::create_dir_all(&files).map_err(|e| RunDirError::write(&files, e))?;
        let path = dir.join(format!("run-{id}.wandb"));
        let file = File::create(&path).map_err(|e| RunDirError::write(&path, e))?;
        let mut run = Self {
            path,
            file,
            written: 0,
            records: 0,
            begun,
            last: None,
        };
        run.put(&HEAD)?;
        run.describe(id, tracked)?;
        Ok(run)
    }

    /// The first records: the versions, and the run with its settings.
    fn describe(&mut self, id: String, tracked: &Tracked) -> Result<(), RunDirError> {
        self.record(Record {
            header: Some(Header {
                version_info: Some(Version {
                    producer: format!("rner {}", env!("CARGO_PKG_VERSION")),
                    min_consumer: MIN_CONSUMER.to_owned(),
                }),
            }),
            ..Record::default()
        })?;
        let setting = |(key, value): (&String, &String)| item(key, json_of(value));
        self.record(Record {
            run: Some(Run {
                run_id: id,
                project: PROJECT.to_owned(),
                config: Some(Items {
                    update: tracked.settings.iter().map(setting).collect(),
                }),
                display_name: tracked.name.clone(),
                start_time: Some(Time {
                    seconds: self.begun.as_secs() as i64,
                    nanos: self.begun.subsec_nanos() as i32,
                }),
            }),
            ..Record::default()
        })
    }

    fn record(&mut self, mut record: Record) -> Result<(), RunDirError> {
        self.records += 1;
        record.num = self.records;
        let bytes = framed(&record.encode_to_vec(), self.written);
        self.put(&bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), RunDirError> {
        self.written += bytes.len();
        let written = self.file.write_all(bytes);
        written.map_err(|e| RunDirError::write(&self.path, e))
    }
}

impl Offline {
    /// Writes the last step.
    fn row(&mut self) -> Result<(), RunDirError> {
        let Some((step, values)) = self.last.take() else {
            return Ok(());
        };
        let values = &values;
        let runtime = now().saturating_sub(self.begun).as_secs_f64();
        let mut all: Vec<Item> = numbers(values)
            .map(|(name, value)| nested(name, value.to_string()))
            .collect();
        all.push(nested("_timestamp", now().as_secs_f64().to_string()));
        all.push(nested("_runtime", runtime.to_string()));
        all.push(nested("_step", step.to_string()));
        self.record(Record {
            summary: Some(Items {
                update: all.clone(),
            }),
            ..Record::default()
        })?;
        self.record(Record {
            history: Some(History {
                item: all,
                step: Some(Step { num: step as i64 }),
            }),
            ..Record::default()
        })
    }
}

impl Curves for Offline {
    fn add(&mut self, step: usize, values: &Numbers) -> Result<(), RunDirError> {
        match &mut self.last {
            Some((last, known)) if *last == step => {
                known.extend(values.clone());
                Ok(())
            }
            _ => {
                self.row()?;
                self.last = Some((step, values.clone()));
                Ok(())
            }
        }
    }

    fn end(&mut self, is_done: bool) -> Result<(), RunDirError> {
        self.row()?;
        let runtime = now().saturating_sub(self.begun).as_secs();
        self.record(Record {
            exit: Some(Exit {
                exit_code: i32::from(!is_done),
                runtime: i32::try_from(runtime).unwrap_or(i32::MAX),
            }),
            ..Record::default()
        })
    }
}

/// What this training wrote before it was broken off.
fn remove_older(folder: &Path, id: &str) -> Result<(), RunDirError> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("offline-run-") && name.ends_with(&format!("-{id}")) {
            let removed = atomic_files::remove_dir(&path);
            removed.map_err(|e| RunDirError::write(&path, e.into_io()))?;
        }
    }
    Ok(())
}

fn item(key: &str, value_json: String) -> Item {
    Item {
        key: key.to_owned(),
        value_json,
        ..Item::default()
    }
}

fn nested(key: &str, value_json: String) -> Item {
    Item {
        nested_key: vec![key.to_owned()],
        value_json,
        ..Item::default()
    }
}

/// A setting as JSON: the numbers, truth values, strings and lists of TOML are JSON too, but for `inf` and `nan`.
fn json_of(value: &str) -> String {
    let is_json = serde_json::from_str::<Value>(value).is_ok();
    if is_json {
        return value.to_owned();
    }
    Value::from(value).to_string()
}

/// The bytes of a record that begins at this place of the file: in pieces, none of which crosses the end of a block.
fn framed(mut data: &[u8], at: usize) -> Vec<u8> {
    const FULL: u8 = 1;
    const FIRST: u8 = 2;
    const MIDDLE: u8 = 3;
    const LAST: u8 = 4;
    let (mut out, mut is_first) = (Vec::with_capacity(data.len() + RECORD_HEAD), true);
    loop {
        let mut left = BLOCK - (at + out.len()) % BLOCK;
        if left < RECORD_HEAD {
            out.resize(out.len() + left, 0);
            left = BLOCK;
        }
        let (piece, rest) = data.split_at(data.len().min(left - RECORD_HEAD));
        let kind = match (is_first, rest.is_empty()) {
            (true, true) => FULL,
            (true, false) => FIRST,
            (false, false) => MIDDLE,
            (false, true) => LAST,
        };
        let mut crc = crc32fast::Hasher::new();
        crc.update(&[kind]);
        crc.update(piece);
        out.extend(crc.finalize().to_le_bytes());
        out.extend((piece.len() as u16).to_le_bytes());
        out.push(kind);
        out.extend(piece);
        (data, is_first) = (rest, false);
        if rest.is_empty() {
            return out;
        }
    }
}

/// A time as `YYYYMMDD_HHMMSS`.
fn digits(time: Duration) -> String {
    let (date, clock) = crate::report::utc_digits(time.as_secs());
    format!("{date}_{clock}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The records of a file, by the format's description, checksums verified.
    fn read(path: &Path) -> Vec<Record> {
        let bytes = std::fs::read(path).expect("a file");
        assert_eq!(bytes[..7], HEAD);
        let (mut at, mut whole, mut records) = (7, Vec::new(), Vec::new());
        while at < bytes.len() {
            if BLOCK - at % BLOCK < RECORD_HEAD {
                at += BLOCK - at % BLOCK;
                continue;
            }
            let head = &bytes[at..at + RECORD_HEAD];
            let length = usize::from(u16::from_le_bytes([head[4], head[5]]));
            let data = &bytes[at + RECORD_HEAD..at + RECORD_HEAD + length];
            let mut crc = crc32fast::Hasher::new();
            crc.update(&head[6..7]);
            crc.update(data);
            assert_eq!(head[..4], crc.finalize().to_le_bytes());
            whole.extend(data);
            if matches!(head[6], 1 | 4) {
                records.push(Record::decode(whole.as_slice()).expect("a record"));
                whole.clear();
            }
            at += RECORD_HEAD + length;
        }
        records
    }

    fn tracked(run: &Path) -> Tracked {
        Tracked {
            run: run.to_owned(),
            name: "sft-seed-1".into(),
            settings: BTreeMap::from([
                ("sft.method".to_owned(), "\"full\"".to_owned()),
                ("long".to_owned(), "x".repeat(3 * BLOCK)),
            ]),
        }
    }

    fn path(run: &Path) -> PathBuf {
        let entries = std::fs::read_dir(run.join(FOLDER))
            .expect("listed")
            .flatten();
        let mut dirs = entries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir());
        let (dir, none) = (dirs.next().expect("a run"), dirs.next());
        assert_eq!(none, None, "one run");
        let mut files = std::fs::read_dir(dir).expect("listed").flatten();
        let is_run = |path: &PathBuf| path.extension().is_some_and(|end| end == "wandb");
        files
            .find_map(|entry| Some(entry.path()).filter(is_run))
            .expect("its file")
    }

    #[test]
    fn records_come_back_also_over_the_ends_of_blocks() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut run = Offline::create(&tracked(dir.path())).expect("made");
        let numbers = serde_json::json!({"loss": 0.5, "stage": "sft", "rewards/f1/mean": 1});
        for step in 1..=900 {
            run.add(step, numbers.as_object().expect("numbers"))
                .expect("added");
        }
        run.end(true).expect("ended");
        let records = read(&path(dir.path()));
        assert_eq!(records.len(), 2 + 2 * 900 + 1);
        assert!(records.iter().map(|record| record.num).eq(1..=1803));
        let config = &records[1].run.as_ref().expect("a run").config;
        let config = &config.as_ref().expect("settings").update;
        assert_eq!(config[0].value_json.len(), 3 * BLOCK + 2);
        assert_eq!(config[1].value_json, "\"full\"");
        let history = records[1801].history.as_ref().expect("the last step");
        assert_eq!(history.step, Some(Step { num: 900 }));
        assert_eq!(history.item[0], nested("loss", "0.5".into()));
        assert_eq!(history.item[1], nested("rewards/f1/mean", "1".into()));
        assert_eq!(
            records[1802].exit,
            Some(Exit {
                exit_code: 0,
                runtime: 0
            })
        );
    }

    #[test]
    fn a_training_that_goes_on_is_one_run() {
        let dir = tempfile::tempdir().expect("a folder");
        for _ in 0..2 {
            Offline::create(&tracked(dir.path())).expect("made");
            path(dir.path());
        }
        super::super::set_aside(dir.path(), "sft-seed-1").expect("set aside");
        Offline::create(&tracked(dir.path())).expect("made");
        let runs = std::fs::read_dir(dir.path().join(FOLDER))
            .expect("listed")
            .flatten();
        assert_eq!(runs.filter(|entry| entry.path().is_dir()).count(), 2);
    }
}
