//! What was asked for, and how much of it was sent.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// One body, or a part of it, that went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The first byte asked for.
    pub start: u64,
    /// Bytes that were given to the connection. A client that was killed may not have read the last of them.
    pub bytes: u64,
}

/// The requests for one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Its size.
    pub size: u64,
    /// Requests for its head alone.
    pub heads: usize,
    /// Requests that were refused.
    pub refused: usize,
    /// What was sent, in order.
    pub sent: Vec<Sent>,
}

impl Served {
    /// All bytes that were sent.
    pub fn bytes(&self) -> u64 {
        self.sent.iter().map(|sent| sent.bytes).sum()
    }

    /// Bytes that were sent beyond the file's size: what was sent twice.
    pub fn twice(&self) -> u64 {
        self.bytes().saturating_sub(self.size)
    }

    /// Whether it was asked for once more after it had been sent to its last byte.
    pub fn is_fetched_again(&self) -> bool {
        let is_end = |sent: &Sent| sent.start + sent.bytes >= self.size;
        let ends = self.sent.iter().position(is_end);
        ends.is_some_and(|end| end + 1 < self.sent.len())
    }
}

/// The requests for all files, by their names: `<host>/<path>`, `models/OWNER/NAME/PATH` and
/// `datasets/OWNER/NAME/PATH`; other requests, such as those for lists of files, by their path.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Files that were asked for.
    pub files: BTreeMap<String, Served>,
    /// How often everything else was asked for.
    pub other: BTreeMap<String, usize>,
}

impl Traffic {
    /// All bytes of files that were sent.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(Served::bytes).sum()
    }

    /// All bytes that were sent twice.
    pub fn twice(&self) -> u64 {
        self.files.values().map(Served::twice).sum()
    }
}

/// [`Traffic`] that many threads write.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Traffic>);

impl Log {
    pub(crate) fn file(&self, name: &str, size: usize, note: impl FnOnce(&mut Served)) {
        let mut traffic = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let served = traffic.files.entry(name.to_owned()).or_default();
        served.size = size as u64;
        note(served);
    }

    pub(crate) fn other(&self, path: &str) {
        let mut traffic = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *traffic.other.entry(path.to_owned()).or_default() += 1;
    }

    pub(crate) fn read(&self) -> Traffic {
        let traffic = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        traffic.clone()
    }
}
