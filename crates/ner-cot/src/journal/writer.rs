//! The thread that appends to a journal.
//!
//! Answers come from many tasks at once, and forcing one line to the disk takes as long as forcing a hundred. The
//! thread takes all lines that have come while it was busy, writes them at once, forces them to the disk
//! once, and only then lets their tasks go on ("group commit").

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::disk::Disk;
use super::scan::Slot;

/// Most bytes that are written at once.
const BATCH_BYTES: usize = 4 << 20;

/// Where the lines of the answers stand, by the first half of their keys.
pub(super) type Index = Arc<Mutex<HashMap<u128, Slot>>>;

/// When lines are forced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before an answer is used: a power failure loses nothing.
    PowerFailure,
    /// After so many lines: a killed process loses nothing, a power failure up to as many answers.
    Every(usize),
}

impl Default for Durability {
    /// Nothing is lost by a power failure either.
    fn default() -> Self {
        Self::PowerFailure
    }
}

/// Why a line is not on the disk, and how many share its fate.
pub(super) struct Unwritten {
    pub(super) unsaved: usize,
    pub(super) source: Arc<io::Error>,
}

/// What is asked of the thread.
pub(super) enum Order {
    /// Append a line, and tell when it is there.
    Append {
        key: u128,
        line: Vec<u8>,
        done: Option<oneshot::Sender<Result<(), Unwritten>>>,
    },
    /// Force everything to the disk, lines that failed before included.
    Finish(SyncSender<Result<(), Unwritten>>),
}

/// The sending half of the thread's channel.
pub(super) type Orders = Sender<Order>;

struct Waiting {
    key: u128,
    line: Vec<u8>,
    done: Option<oneshot::Sender<Result<(), Unwritten>>>,
}

/// The thread's own things.
pub(super) struct Writer {
    pub(super) file: File,
    /// Length of the sound part of the file, in bytes.
    pub(super) end: u64,
    pub(super) index: Index,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) durability: Durability,
}

impl Writer {
    /// Works until the other side of the channel is gone.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut unsynced = 0;
        while let Ok(first) = orders.recv() {
            let mut finishing = None;
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(order) = next {
                match order {
                    Order::Append { key, line, done } => {
                        bytes += line.len();
                        waiting.push(Waiting { key, line, done });
                    }
                    Order::Finish(done) => finishing = Some(done),
                }
                let full = bytes >= BATCH_BYTES || finishing.is_some();
                next = (!full).then(|| orders.try_recv().ok()).flatten();
            }
            let written = self.write(&mut waiting, &mut unsynced, finishing.is_some());
            if let Some(done) = finishing {
                let _ = done.send(written);
            }
        }
        // The journal is dropped: what could not be written until now has its last chance.
        let _ = self.write(&mut waiting, &mut unsynced, true);
    }

    /// Writes all lines and lets their tasks go on. Lines that fail stay, for the next time.
    fn write(
        &mut self,
        waiting: &mut Vec<Waiting>,
        unsynced: &mut usize,
        finish: bool,
    ) -> Result<(), Unwritten> {
        let written = self.append_all(waiting);
        let count = match &written {
            Ok(()) => waiting.len(),
            Err((count, _)) => *count,
        };
        *unsynced += count;
        let due = match self.durability {
            Durability::PowerFailure => *unsynced > 0,
            Durability::Every(lines) => *unsynced >= lines.max(1),
        };
        let mut fault = written.err().map(|(_, error)| Arc::new(error));
        if due || (finish && *unsynced > 0) {
            match self.disk.sync(&self.file) {
                Ok(()) => *unsynced = 0,
                Err(error) => fault = Some(Arc::new(error)),
            }
        }
        let unsaved = waiting.len() - count;
        let result = |fault: &Option<Arc<io::Error>>| match fault {
            None => Ok(()),
            Some(source) => Err(Unwritten {
                unsaved,
                source: source.clone(),
            }),
        };
        for line in waiting.iter_mut() {
            if let Some(done) = line.done.take() {
                // A task that was given up no longer listens.
                let _ = done.send(result(&fault));
            }
        }
        waiting.drain(..count);
        result(&fault)
    }

    /// Appends the lines at once or, where that fails, as many as go.
    ///
    /// The error says how many lines have been written.
    fn append_all(&mut self, lines: &[Waiting]) -> Result<(), (usize, io::Error)> {
        if lines.is_empty() {
            return Ok(());
        }
        let n_bytes = lines.iter().map(|w| w.line.len()).sum();
        let mut all = Vec::with_capacity(n_bytes);
        lines.iter().for_each(|w| all.extend_from_slice(&w.line));
        if self.disk.append(&mut self.file, &all).is_ok() {
            lines.iter().for_each(|line| self.remember(line));
            return Ok(());
        }
        self.cut();
        for (written, line) in lines.iter().enumerate() {
            if let Err(error) = self.disk.append(&mut self.file, &line.line) {
                self.cut();
                return Err((written, error));
            }
            self.remember(line);
        }
        Ok(())
    }

    /// Takes half a line away, which must not stay in front of the next one. Should this fail too, the next opening
    /// sees the line as damaged.
    fn cut(&self) {
        let _ = self.disk.truncate(&self.file, self.end);
    }

    fn remember(&mut self, written: &Waiting) {
        let slot = Slot {
            offset: self.end,
            // A body of 4 GiB is beyond every limit of the client.
            length: u32::try_from(written.line.len()).unwrap_or(u32::MAX),
        };
        self.end += written.line.len() as u64;
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.insert(written.key, slot);
    }
}
