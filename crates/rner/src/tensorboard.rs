//! Event files that TensorBoard reads: scalars by tag and step.
//!
//! The format is TFRecord (length, data, and a masked CRC-32C of each) around protocol-buffer messages
//! `tensorflow.Event`, of which the fields below are those that a scalar needs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use atomic_files::fs::File;
use prost::Message;
use serde_json::{Map, Value};

use crate::run_dir::RunDirError;

/// Folder of the event files in a run's folder.
pub const FOLDER: &str = "tensorboard";
/// What the first event of a file says.
const VERSION: &str = "brain.Event:2";

/// `tensorflow.Event`.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

/// `tensorflow.SessionLog`: that a training began or went on at a step. Readers forget what an older file of the folder
/// has of this step and of later ones.
#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `SessionLog.SessionStatus.START`.
const START: i32 = 1;

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

/// `tensorflow.Summary.Value` with a number.
#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// One event file, open for appending. A resumed stage writes another one beside it; TensorBoard shows both
/// as one curve.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Creates a file in `dir`, named as TensorBoard expects.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn create(dir: &Path) -> Result<Self, RunDirError> {
        atomic_files::fs::create_dir_all(dir).map_err(|e| RunDirError::write(dir, e))?;
        let name = format!(
            "events.out.tfevents.{}.{}.rner",
            now().floor(),
            std::process::id()
        );
        let path = dir.join(name);
        let file = File::create(&path).map_err(|e| RunDirError::write(&path, e))?;
        let mut events = Self { path, file };
        events.write(&Event {
            wall_time: now(),
            file_version: Some(VERSION.into()),
            ..Event::default()
        })?;
        Ok(events)
    }

    /// Says that what follows replaces this step and later ones of older files.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin_at(&mut self, step: usize) -> Result<(), RunDirError> {
        self.write(&Event {
            wall_time: now(),
            step: step as i64,
            session_log: Some(SessionLog { status: START }),
            ..Event::default()
        })
    }

    /// Appends every number of `metrics` as a scalar of `step`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn scalars(
        &mut self,
        step: usize,
        metrics: &Map<String, Value>,
    ) -> Result<(), RunDirError> {
        let scalar = |(tag, value): (&String, &Value)| {
            Some(Scalar {
                tag: tag.clone(),
                simple_value: Some(value.as_f64()? as f32),
            })
        };
        let value = metrics.iter().filter_map(scalar).collect();
        self.write(&Event {
            wall_time: now(),
            step: step as i64,
            summary: Some(Summary { value }),
            ..Event::default()
        })
    }

    fn write(&mut self, event: &Event) -> Result<(), RunDirError> {
        let record = record(&event.encode_to_vec());
        let written = self.file.write_all(&record);
        written.map_err(|e| RunDirError::write(&self.path, e))
    }
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// A TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// A CRC that is itself checksummed would be weak, so TFRecord rotates it and adds a constant.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a file, by the format's description, checksums verified.
    fn read(path: &Path) -> Vec<Event> {
        let bytes = std::fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let mut events = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<8>() {
            let n = u64::from_le_bytes(*length) as usize;
            let (crc, tail) = tail.split_first_chunk::<4>().unwrap();
            assert_eq!(u32::from_le_bytes(*crc), masked_crc(length));
            let (data, tail) = tail.split_at(n);
            let (crc, tail) = tail.split_first_chunk::<4>().unwrap();
            assert_eq!(u32::from_le_bytes(*crc), masked_crc(data));
            events.push(Event::decode(data).unwrap());
            rest = tail;
        }
        assert!(rest.is_empty());
        events
    }

    #[test]
    fn numbers_come_back_and_words_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(dir.path()).unwrap();
        let metrics = serde_json::json!({"loss": 0.5, "stage": "sft", "lr": 1e-3});
        file.scalars(7, metrics.as_object().unwrap()).unwrap();
        let events = read(&file.path);
        assert_eq!(events[0].file_version.as_deref(), Some(VERSION));
        assert_eq!(events[1].step, 7);
        let summary = events[1].summary.clone().unwrap();
        let tags: Vec<(&str, f32)> = summary
            .value
            .iter()
            .map(|scalar| (&*scalar.tag, scalar.simple_value.unwrap()))
            .collect();
        assert_eq!(tags, [("loss", 0.5), ("lr", 1e-3)]);
    }

    #[test]
    fn the_checksum_is_that_of_the_format() {
        // CRC-32C of "123456789" is e3069283 (RFC 3720, appendix B.4 uses the same polynomial).
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        // Masked by hand.
        assert_eq!(masked_crc(b"123456789"), 0xc78a_b0e5);
    }
}
