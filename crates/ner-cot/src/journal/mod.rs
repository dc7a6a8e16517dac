//! The journal: every answer on disk before anybody reads it, none paid twice.
//!
//! One line of JSON per answer, appended and never changed. A record is found by
//! the hash of everything that shapes the answer, so that a rerun, a changed
//! rule or a changed threshold costs no request. A crash leaves at most one torn
//! last line, which the next opening cuts off.

mod lock;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use chat_client::ChatRequest;
use chat_client::excerpt;

const VERSION: u32 = 1;
const FILE: &str = "journal.jsonl";
const LOCK: &str = "journal.lock";

/// Records between two `fsync` calls. A killed process loses nothing; only a
/// power failure can lose up to this many.
const SYNC_EVERY: usize = 64;

/// The first line of a journal.
#[derive(Serialize, Deserialize)]
struct Header {
    journal: String,
    version: u32,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// An annotation with reasoning.
    Teacher,
    /// A score of an annotation.
    Judge,
}

/// The identity of a request: BLAKE3 over all that shapes its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(blake3::Hash);

impl Key {
    /// Hashes part, model, prompt version, sampling, messages and the number of
    /// the attempt. The server's address is not part of it: the same model
    /// behind another address gives the same work.
    pub fn new(part: Part, prompt: &str, request: &ChatRequest, attempt: u32) -> Self {
        // JSON keeps the fields apart, whatever their texts contain.
        let identity = serde_json::json!([part, prompt, request, attempt]);
        Self(blake3::hash(identity.to_string().as_bytes()))
    }
}

/// One line of the journal.
#[derive(Serialize, Deserialize)]
struct Record {
    key: String,
    part: Part,
    model: String,
    prompt: String,
    attempt: u32,
    /// First 16 hexadecimal digits of the hash of key and body.
    check: String,
    /// The body of the answer, as received.
    body: String,
}

impl Record {
    fn is_sound(&self) -> bool {
        self.check == checksum(&self.key, &self.body)
    }
}

fn checksum(key: &str, body: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes()).update(body.as_bytes());
    hasher.finalize().to_hex()[..16].into()
}

#[derive(Clone, Copy)]
struct Slot {
    offset: u64,
    length: usize,
}

struct State {
    file: File,
    /// Length of the sound part of the file, in bytes.
    end: u64,
    index: HashMap<Key, Slot>,
    /// Lines that could not be written, kept for a last try.
    pending: Vec<(Key, String)>,
    unsynced: usize,
}

/// An open journal. Only one process at a time can have one per directory.
pub struct Journal {
    path: PathBuf,
    state: Mutex<State>,
    damaged: usize,
    /// Held for its lock, which the system drops with the process.
    _lock: File,
}

impl Journal {
    /// Opens or creates the journal of `dir`, and the directory if need be.
    ///
    /// # Errors
    /// If another process holds it, the files cannot be used, or `journal.jsonl`
    /// was written by something else.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(dir)
            .map_err(|source| Error::io("create the directory", dir, source))?;
        let lock = lock::take(&dir.join(LOCK))?;
        let path = dir.join(FILE);
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|source| Error::io("open the journal", &path, source))?;
        let mut state = State {
            file,
            end: 0,
            index: HashMap::new(),
            pending: Vec::new(),
            unsynced: 0,
        };
        let damaged = state.load(&path)?;
        if damaged > 0 {
            tracing::warn!(path = %path.display(), damaged, "damaged journal lines; their requests will be sent again");
        }
        Ok(Self {
            path,
            state: Mutex::new(state),
            damaged,
            _lock: lock,
        })
    }

    /// Number of different requests that have an answer here.
    pub fn len(&self) -> usize {
        self.state().index.len()
    }

    /// Whether no request has an answer here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lines that were found damaged on opening, a torn last one not counted.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// The body recorded for a request, if there is one.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn get(&self, key: &Key) -> Result<Option<String>, Error> {
        let mut state = self.state();
        let Some(slot) = state.index.get(key).copied() else {
            return Ok(None);
        };
        let line = state
            .read(slot)
            .map_err(|source| Error::io("read the journal", &self.path, source))?;
        let record: Option<Record> = serde_json::from_slice(&line).ok();
        Ok(record.map(|record| record.body))
    }

    /// Appends one answer and hands it to the operating system.
    ///
    /// # Errors
    /// If it cannot be written; the answer then stays in memory, and later calls
    /// and [`Journal::finish`] try to write it again.
    pub fn append(
        &self,
        key: &Key,
        part: Part,
        request: &ChatRequest,
        prompt: &str,
        attempt: u32,
        body: &str,
    ) -> Result<(), Error> {
        let hex = key.0.to_hex().to_string();
        let record = Record {
            check: checksum(&hex, body),
            key: hex,
            part,
            model: request.model.clone(),
            prompt: prompt.into(),
            attempt,
            body: body.into(),
        };
        let line = serde_json::json!(record).to_string() + "\n";
        let mut state = self.state();
        state.pending.push((*key, line));
        self.written(&mut state, false)
    }

    /// Writes what is still waiting and forces everything to the disk.
    ///
    /// # Errors
    /// If that fails; the message says how many answers are lost with the process.
    pub fn finish(&self) -> Result<(), Error> {
        self.written(&mut self.state(), true)
    }

    fn written(&self, state: &mut State, sync: bool) -> Result<(), Error> {
        state.flush(sync).map_err(|source| Error::JournalWrite {
            path: self.path.clone(),
            unsaved: state.pending.len(),
            source,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Reads what is there, cuts off a torn end and returns the damaged lines.
    fn load(&mut self, path: &Path) -> Result<usize, Error> {
        let io = |source| Error::io("read the journal", path, source);
        let handle = self.file.try_clone().map_err(io)?;
        let length = handle.metadata().map_err(io)?.len();
        let mut reader = BufReader::new(handle);
        let mut line = Vec::new();
        let mut damaged = 0;
        while reader.read_until(b'\n', &mut line).map_err(io)? > 0 {
            let torn = line.last() != Some(&b'\n');
            if self.end == 0 {
                check_header(path, &line, torn)?;
            }
            if torn {
                break;
            }
            if self.end > 0 && !self.remember(&line) {
                damaged += 1;
            }
            self.end += line.len() as u64;
            line.clear();
        }
        self.prepare(length)
            .map_err(|source| Error::io("write the journal", path, source))?;
        Ok(damaged)
    }

    /// Makes the file end after its last sound line, the header at least.
    fn prepare(&mut self, length: u64) -> std::io::Result<()> {
        if length > self.end {
            self.file.set_len(self.end)?;
        }
        if self.end == 0 {
            let header = header_line();
            self.file.write_all(header.as_bytes())?;
            self.file.sync_all()?;
            self.end = header.len() as u64;
        }
        Ok(())
    }

    /// Indexes one complete line; false if it is damaged.
    fn remember(&mut self, line: &[u8]) -> bool {
        let record: Option<Record> = serde_json::from_slice(line).ok();
        let Some(record) = record.filter(Record::is_sound) else {
            return false;
        };
        let Ok(hash) = blake3::Hash::from_hex(&record.key) else {
            return false;
        };
        let slot = Slot {
            offset: self.end,
            length: line.len(),
        };
        // A request is sent again only if its answer could not be read, so the
        // last record is the good one.
        self.index.insert(Key(hash), slot);
        true
    }

    fn read(&mut self, slot: Slot) -> std::io::Result<Vec<u8>> {
        let mut line = vec![0; slot.length];
        self.file.seek(SeekFrom::Start(slot.offset))?;
        self.file.read_exact(&mut line)?;
        Ok(line)
    }

    fn flush(&mut self, sync: bool) -> std::io::Result<()> {
        while let Some((key, line)) = self.pending.first() {
            let slot = Slot {
                offset: self.end,
                length: line.len(),
            };
            if let Err(error) = self.file.write_all(line.as_bytes()) {
                // Half a line must not stay in front of the next one. Should
                // this fail too, the next opening sees the line as damaged.
                let _ = self.file.set_len(self.end);
                return Err(error);
            }
            self.end += slot.length as u64;
            self.index.insert(*key, slot);
            self.pending.remove(0);
            self.unsynced += 1;
        }
        if self.unsynced >= SYNC_EVERY || (sync && self.unsynced > 0) {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

fn header_line() -> String {
    let header = Header {
        journal: "ner-cot".into(),
        version: VERSION,
    };
    serde_json::json!(header).to_string() + "\n"
}

/// Refuses a file that is not a journal. A torn header is the start of ours.
fn check_header(path: &Path, line: &[u8], torn: bool) -> Result<(), Error> {
    if torn && header_line().as_bytes().starts_with(line) {
        return Ok(());
    }
    let header: Option<Header> = serde_json::from_slice(line).ok();
    let found = match header {
        Some(header) if header.journal == "ner-cot" && header.version == VERSION => return Ok(()),
        Some(header) if header.journal == "ner-cot" => format!("version {}", header.version),
        _ => format!("{:?}", excerpt(&String::from_utf8_lossy(line))),
    };
    Err(Error::NotAJournal {
        path: path.into(),
        expected: VERSION,
        found,
    })
}

#[cfg(test)]
mod tests;
