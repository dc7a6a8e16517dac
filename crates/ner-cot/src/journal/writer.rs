//! The threads that append to a journal.
//!
//! Answers come from many tasks at once, and forcing one line to the disk takes as long as forcing a hundred. One
//! thread writes lines as they come, so that a killed process loses nothing that has arrived. Another forces to the
//! disk what was written while it was busy, once for all of it, and only then lets the tasks go on ("group commit").

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
#[derive(Clone)]
pub(super) struct Unwritten {
    pub(super) unsaved: usize,
    /// Whether lines are written but could not be forced to the disk.
    pub(super) unforced: bool,
    pub(super) source: Arc<io::Error>,
}

/// The first failure to force lines to the disk.
///
/// After it the next attempt may succeed although the lines are gone: the system forgets pages that it could not write.
/// So there is no next attempt, and nothing is written any more.
#[derive(Clone, Default)]
pub(super) struct Poison(Arc<OnceLock<Unwritten>>);

impl Poison {
    fn check(&self) -> Result<(), Unwritten> {
        self.0.get().map_or(Ok(()), |first| Err(first.clone()))
    }
}

/// What is asked of the thread.
pub(super) enum Order {
    /// Append a line, and tell when it is there. One without a key is found by no request.
    Append {
        key: Option<u128>,
        line: Vec<u8>,
        done: Option<Done>,
    },
    /// Force everything to the disk, lines that failed before included.
    Finish(SyncSender<Result<(), Unwritten>>),
}

/// The sending half of the thread's channel.
pub(super) type Orders = Sender<Order>;

/// Who waits for a line.
type Done = oneshot::Sender<Result<(), Unwritten>>;

struct Waiting {
    key: Option<u128>,
    line: Vec<u8>,
    done: Option<Done>,
}

/// What the thread that writes tells the one that forces to the disk.
pub(super) enum Written {
    /// So many lines are written; these wait for them.
    Lines(usize, Vec<Done>),
    /// Force everything to the disk and answer, with what went wrong while writing if something did.
    Finish(SyncSender<Result<(), Unwritten>>, Result<(), Unwritten>),
}

/// The thread's own things.
pub(super) struct Writer {
    pub(super) file: File,
    /// Length of the sound part of the file, in bytes.
    pub(super) end: u64,
    pub(super) index: Index,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) poison: Poison,
}

/// The things of the thread that forces to the disk.
pub(super) struct Syncer {
    pub(super) file: File,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) durability: Durability,
    pub(super) poison: Poison,
}

impl Syncer {
    /// Works until the thread that writes is gone.
    pub(super) fn run(self, written: &Receiver<Written>) {
        let mut unsynced = 0;
        while let Ok(first) = written.recv() {
            let (mut tasks, mut finishing) = (Vec::new(), Vec::new());
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Written::Lines(lines, done) => {
                        unsynced += lines;
                        tasks.extend(done);
                    }
                    Written::Finish(done, outcome) => finishing.push((done, outcome)),
                }
                next = written.try_recv().ok();
            }
            let outcome = self.sync(&mut unsynced, !finishing.is_empty());
            for done in tasks {
                // A task that was given up no longer listens.
                let _ = done.send(outcome.clone());
            }
            for (done, before) in finishing {
                let _ = done.send(before.and(outcome.clone()));
            }
        }
        let _ = self.sync(&mut unsynced, true);
    }

    /// Forces what was written to the disk, if it is time.
    fn sync(&self, unsynced: &mut usize, finish: bool) -> Result<(), Unwritten> {
        let due = match self.durability {
            Durability::PowerFailure => *unsynced > 0,
            Durability::Every(lines) => *unsynced >= lines.max(1),
        };
        self.poison.check()?;
        if !(due || finish && *unsynced > 0) {
            return Ok(());
        }
        let synced = self.disk.sync(&self.file);
        synced.map_err(|source| self.fail(*unsynced, source))?;
        *unsynced = 0;
        Ok(())
    }

    /// Remembers the failure for good.
    fn fail(&self, unsaved: usize, source: io::Error) -> Unwritten {
        // Who opens the journal next is to see what the disk has, not what was meant to be there.
        atomic_files::forget_cached(&self.file);
        let first = || Unwritten {
            unsaved,
            unforced: true,
            source: Arc::new(source),
        };
        self.poison.0.get_or_init(first).clone()
    }
}

impl Writer {
    /// Works until the other side of the channel is gone.
    pub(super) fn run(mut self, orders: &Receiver<Order>, written: &Sender<Written>) {
        let mut waiting: Vec<Waiting> = Vec::new();
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
            let outcome = self.write(&mut waiting, written);
            if let Some(done) = finishing {
                // The other thread lives as long as this one's half of the channel.
                let _ = written.send(Written::Finish(done, outcome));
            }
        }
        // The journal is dropped: what could not be written until now has its last chance.
        let _ = self.write(&mut waiting, written);
    }

    /// Writes all lines and hands their tasks on. Lines that fail stay, for the next time; their tasks are told at
    /// once.
    fn write(
        &mut self,
        waiting: &mut Vec<Waiting>,
        written: &Sender<Written>,
    ) -> Result<(), Unwritten> {
        if let Err(first) = self.poison.check() {
            tell(waiting, &first);
            waiting.clear();
            return Err(first);
        }
        let outcome = self.append_all(waiting);
        let count = match &outcome {
            Ok(()) => waiting.len(),
            Err((count, _)) => *count,
        };
        let done: Vec<Done> = waiting
            .drain(..count)
            .filter_map(|line| line.done)
            .collect();
        if count > 0 {
            let _ = written.send(Written::Lines(count, done));
        }
        let Err((_, source)) = outcome else {
            return Ok(());
        };
        let unwritten = Unwritten {
            unsaved: waiting.iter().filter(|line| line.key.is_some()).count(),
            unforced: false,
            source: Arc::new(source),
        };
        tell(waiting, &unwritten);
        Err(unwritten)
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
        if let Some(key) = written.key {
            index.insert(key, slot);
        }
    }
}

/// Tells the tasks that wait for these lines.
fn tell(waiting: &mut [Waiting], unwritten: &Unwritten) {
    for line in waiting {
        if let Some(done) = line.done.take() {
            // A task that was given up no longer listens.
            let _ = done.send(Err(unwritten.clone()));
        }
    }
}
