//! The journal: every answer on disk before anybody reads it, none paid twice.
//!
//! One line of JSON per answer, appended and never changed. A record is found by
//! the hash of everything that shapes the answer, so that a rerun, a changed
//! rule or a changed threshold costs no request. A crash leaves at most one torn
//! last line, which the next opening cuts off.
//!
//! In memory an answer takes about 50 bytes, those of its place in the index.

mod compact;
mod disk;
mod failed;
mod header;
mod in_flight;
mod lock;
mod lost;
mod record;
mod scan;
mod writer;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use tokio::sync::oneshot;

pub use compact::{Compacted, Merged, compact, merge};
pub(crate) use disk::sync_dir;
pub use disk::{Disk, RealDisk};
pub use failed::Failed;
pub use in_flight::{Amount, InFlight, LastWords};
pub use lost::Lost;
pub use record::{Key, Part, Record};
pub use scan::Line;
use scan::{Slot, scan};
pub use writer::Durability;
use writer::{Index, Order, Orders, Poison, Syncer, Unwritten, Writer};

use chat_client::money::Bound;
use in_flight::Book;

use crate::error::Error;

const FILE: &str = "journal.jsonl";
const LOCK: &str = "journal.lock";

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// When answers are forced to the disk.
    pub durability: Durability,
    /// How the disk is reached.
    pub disk: Arc<dyn Disk>,
}

impl Default for JournalOptions {
    /// The default durability on the process's disk.
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            disk: atomic_files::disk(),
        }
    }
}

/// An open journal. Only one process at a time can write one per directory.
pub struct Journal {
    path: PathBuf,
    index: Index,
    reader: Mutex<File>,
    damaged: usize,
    /// Requests that their servers did not answer, by key.
    failed: Mutex<HashMap<u128, Failed<'static>>>,
    in_flight: Mutex<Book>,
    /// `None` if the journal is open for reading only.
    orders: Option<Orders>,
    threads: Vec<std::thread::JoinHandle<()>>,
    /// Held for its lock, which the system drops with the process.
    _lock: Option<atomic_files::fs::File>,
}

/// Says whether a line has reached the disk.
type Awaited = oneshot::Receiver<Result<(), Unwritten>>;

impl Journal {
    /// Opens or creates the journal of `dir`, and the directory if need be.
    ///
    /// # Errors
    /// If another process holds it, the files cannot be used, or `journal.jsonl`
    /// was written by something else.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::open_with(dir, &JournalOptions::default())
    }

    /// As [`Journal::open`], with a choice of how careful it is.
    ///
    /// # Errors
    /// Those of [`Journal::open`].
    pub fn open_with(dir: &Path, options: &JournalOptions) -> Result<Self, Error> {
        atomic_files::fs::create_dir_all(dir)
            .map_err(|source| Error::io("create the directory", dir, source))?;
        let lock = lock::take(&dir.join(LOCK))?;
        let path = dir.join(FILE);
        let mut appending = OpenOptions::new();
        let appending = appending.read(true).append(true).create(true);
        let file = options
            .disk
            .open(&path, appending)
            .map_err(|source| Error::io("open the journal", &path, source))?;
        let (mut journal, end) = Self::load(&path)?;
        let end = prepare(&file, end, &*options.disk)
            .map_err(|source| Error::io("write the journal", &path, source))?;
        sync_dir(dir);
        let cannot = |source| Error::io("start the threads of the journal", &path, source);
        let poison = Poison::default();
        let syncer = Syncer {
            file: file.try_clone().map_err(cannot)?,
            disk: options.disk.clone(),
            durability: options.durability,
            poison: poison.clone(),
        };
        let writer = Writer {
            file,
            end,
            index: journal.index.clone(),
            disk: options.disk.clone(),
            poison,
        };
        let (orders, received) = mpsc::channel();
        let (written, to_sync) = mpsc::channel();
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let named = std::thread::Builder::new().name(name.into());
            named.spawn(work).map_err(cannot)
        };
        let threads = [
            spawn("journal", Box::new(move || writer.run(&received, &written)))?,
            spawn("journal-sync", Box::new(move || syncer.run(&to_sync)))?,
        ];
        journal.orders = Some(orders);
        journal.threads = threads.into();
        journal._lock = Some(lock);
        Ok(journal)
    }

    /// Opens a journal to look at it, also while another process writes to it. Answers that come later are not seen.
    ///
    /// # Errors
    /// If there is none, or it was written by something else.
    pub fn open_to_read(dir: &Path) -> Result<Self, Error> {
        Ok(Self::load(&dir.join(FILE))?.0)
    }

    /// Reads what is there, and tells where its sound part ends.
    fn load(path: &Path) -> Result<(Self, u64), Error> {
        let open = || File::open(path).map_err(|e| Error::io("open the journal", path, e));
        let (mut index, mut failed) = (HashMap::new(), HashMap::new());
        let scanned = scan(path, open()?, |slot, line| {
            match line {
                // A request is sent again only if its answer could not be read, so the
                // last record is the good one.
                Line::Answer(key, _) => drop(index.insert(key.short(), slot)),
                Line::Failed(line) => {
                    let key = line.key();
                    failed.extend(key.map(|key| (key.short(), line.into_owned())));
                }
                Line::Lost(_) | Line::InFlight(_) => {}
            }
            Ok(())
        })?;
        if scanned.damaged > 0 {
            tracing::warn!(path = %path.display(), damaged = scanned.damaged, "damaged journal lines; their requests will be sent again");
        }
        if scanned.has_damaged_head {
            tracing::warn!(path = %path.display(), "the journal's first line is damaged, its records are sound; `rner cot compact` writes a new one");
        }
        let journal = Self {
            path: path.into(),
            index: Arc::new(Mutex::new(index)),
            reader: Mutex::new(open()?),
            damaged: scanned.damaged,
            failed: Mutex::new(failed),
            in_flight: Mutex::new(Book::new()),
            orders: None,
            threads: Vec::new(),
            _lock: None,
        };
        Ok((journal, scanned.end))
    }

    /// Number of different requests that have an answer here.
    pub fn len(&self) -> usize {
        self.index().len()
    }

    /// Whether no request has an answer here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lines that were found damaged on opening; a torn last one and the first one are not counted.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// Whether there is an answer to a request.
    pub fn contains(&self, key: &Key) -> bool {
        self.index().contains_key(&key.short())
    }

    /// The body recorded for a request, if there is one.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn get(&self, key: &Key) -> Result<Option<String>, Error> {
        let Some(slot) = self.index().get(&key.short()).copied() else {
            return Ok(None);
        };
        let line = self.read(slot)?;
        Ok(Record::read(&line).map(|(_, record)| record.body.into_owned()))
    }

    /// Calls `each` with all records in the order in which they came, those that a later one replaces included.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn for_each(&self, mut each: impl FnMut(&Record<'_>)) -> Result<(), Error> {
        self.for_each_line(|line| {
            if let Line::Answer(_, record) = line {
                each(&record);
            }
        })
    }

    /// As [`Journal::for_each`], with the requests that may have been billed without an answer that tells so.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn for_each_line(&self, mut each: impl FnMut(Line<'_>)) -> Result<(), Error> {
        let open = File::open(&self.path);
        let file = open.map_err(|source| Error::io("open the journal", &self.path, source))?;
        scan(&self.path, file, |_, line| {
            each(line);
            Ok(())
        })?;
        Ok(())
    }

    /// Appends one answer, and returns when it is as safe as [`Durability`] says.
    ///
    /// # Errors
    /// If it cannot be written; the answer then stays in memory, and later calls
    /// and [`Journal::finish`] try to write it again. If it cannot be forced to the disk, that is not tried again:
    /// from then on every call gives this first error, and nothing more is written.
    pub async fn append(&self, key: &Key, record: &Record<'_>) -> Result<(), Error> {
        let (done, written) = oneshot::channel();
        self.order(Some(key), record.line(), Some(done))?;
        match written.await {
            Ok(written) => written.map_err(|unwritten| self.unwritten(unwritten)),
            Err(_) => Err(self.closed()),
        }
    }

    /// Hands one answer over without waiting for the disk; [`Journal::finish`] tells whether it got there.
    ///
    /// # Errors
    /// If the journal is open for reading only.
    pub fn append_later(&self, key: &Key, record: &Record<'_>) -> Result<(), Error> {
        self.order(Some(key), record.line(), None)
    }

    /// Notes a request that may have been billed, without waiting for the disk, as [`Journal::append_later`] does.
    ///
    /// # Errors
    /// If the journal is open for reading only.
    pub fn append_lost(&self, lost: &Lost<'_>) -> Result<(), Error> {
        self.append_line(lost.line())
    }

    /// What is known of a request that its server did not answer. An answer counts for more.
    pub fn failed(&self, key: &Key) -> Option<Failed<'static>> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(&key.short()).cloned()
    }

    /// Notes a request that its server does not answer, without waiting for the disk, as [`Journal::append_later`]
    /// does.
    ///
    /// # Errors
    /// If the journal is open for reading only.
    pub fn append_failed(&self, failed: &Failed<'_>) -> Result<(), Error> {
        self.append_line(failed.line())?;
        if let Some(key) = failed.key() {
            let mut known = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(key.short(), failed.clone().into_owned());
        }
        Ok(())
    }

    /// Appends a line that is no answer, without waiting for the disk.
    fn append_line(&self, line: Vec<u8>) -> Result<(), Error> {
        self.order(None, line, None)
    }

    /// Notes that a request will be sent, and returns when a kill cannot make that forgotten any more: until
    /// [`Journal::end`] it counts as one whose cost is unknown.
    ///
    /// # Errors
    /// If that cannot be written; the request must not be sent then.
    pub async fn begin(&self, part: Part, model: &str, bound: &Bound) -> Result<(), Error> {
        let Some((number, written)) = self.say_before(part, model, bound)? else {
            return Ok(());
        };
        match written.await {
            Ok(written) => written.map_err(|unwritten| self.unwritten(unwritten))?,
            Err(_) => return Err(self.closed()),
        }
        self.book().written(part, model, number);
        Ok(())
    }

    fn say_before(
        &self,
        part: Part,
        model: &str,
        bound: &Bound,
    ) -> Result<Option<(u64, Awaited)>, Error> {
        // Lines are ordered while the book is held, so that they come in its order.
        let mut book = self.book();
        let Some(before) = book.begin(part, model, bound) else {
            return Ok(None);
        };
        let (done, written) = oneshot::channel();
        self.order(None, before.line, Some(done))?;
        Ok(Some((before.number, written)))
    }

    /// A request of [`Journal::begin`] has ended, however it did. Does not wait for the disk.
    pub fn end(&self, part: Part, model: &str, bound: &Bound) {
        let mut book = self.book();
        if let Some(line) = book.end(part, model, bound) {
            // If it cannot be written, more counts as unknown than is.
            let _ = self.append_line(line);
        }
    }

    /// Says how much is in flight now, as a rule nothing.
    fn settle(&self) {
        let mut book = self.book();
        for line in book.settle() {
            let _ = self.append_line(line);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Every change of the book is complete before anything can panic.
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is still waiting and forces everything to the disk. Blocks until then.
    ///
    /// # Errors
    /// If that fails; the message says how many answers are lost with the process.
    pub fn finish(&self) -> Result<(), Error> {
        let Some(orders) = &self.orders else {
            return Ok(());
        };
        self.settle();
        let (done, finished) = mpsc::sync_channel(1);
        let sent = orders.send(Order::Finish(done)).is_ok();
        match finished.recv() {
            Ok(written) if sent => written.map_err(|unwritten| self.unwritten(unwritten)),
            _ => Err(self.closed()),
        }
    }

    fn order(
        &self,
        key: Option<&Key>,
        line: Vec<u8>,
        done: Option<oneshot::Sender<Result<(), Unwritten>>>,
    ) -> Result<(), Error> {
        let key = key.map(Key::short);
        let order = Order::Append { key, line, done };
        let orders = self.orders.as_ref().ok_or_else(|| self.closed())?;
        orders.send(order).map_err(|_| self.closed())
    }

    fn read(&self, slot: Slot) -> Result<Vec<u8>, Error> {
        let mut line = vec![0; slot.length as usize];
        let mut file = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(slot.offset));
        read.and_then(|_| file.read_exact(&mut line))
            .map_err(|source| Error::io("read the journal", &self.path, source))?;
        Ok(line)
    }

    fn unwritten(&self, unwritten: Unwritten) -> Error {
        let path = self.path.clone();
        let Unwritten {
            unsaved,
            unforced,
            source,
        } = unwritten;
        if unforced {
            return Error::JournalSync {
                path,
                unsaved,
                source,
            };
        }
        Error::JournalWrite {
            path,
            unsaved,
            source,
        }
    }

    fn closed(&self) -> Error {
        let closed = std::io::Error::other("it is not open for writing");
        Error::io("write the journal", &self.path, closed)
    }

    fn index(&self) -> MutexGuard<'_, HashMap<u128, Slot>> {
        // Every change of the index is complete before anything can panic.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // The threads end when nothing can be ordered any more; the lock must not go before them.
        self.settle();
        drop(self.orders.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Makes the file end after its last sound line, the header at least; returns its length.
fn prepare(file: &File, end: u64, disk: &dyn Disk) -> std::io::Result<u64> {
    if file.metadata()?.len() > end {
        disk.truncate(file, end)?;
    }
    if end > 0 {
        return Ok(end);
    }
    let header = header::header_line();
    disk.append(file, header.as_bytes())?;
    disk.sync(file)?;
    Ok(header.len() as u64)
}

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;
