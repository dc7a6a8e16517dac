//! All files of a commit that a model consists of, downloaded by a few threads.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use reqwest::Response;

use super::cache::{self, RepoCache};
use super::client::Client;
use super::failure::Failure;
use super::listing::RepoFile;
use super::proof::Proof;

/// Files on their way at the same time.
const WORKERS: usize = 8;

/// A commit on its way into the cache.
pub(super) struct Snapshot<'a, F> {
    client: &'a Client,
    cache: &'a RepoCache,
    commit: &'a str,
    report: F,
    /// A file failed, so the others need not go on.
    stopped: AtomicBool,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    done: u64,
    all: u64,
}

impl<'a, F: Fn(u64, u64) + Sync> Snapshot<'a, F> {
    pub(super) fn new(
        client: &'a Client,
        cache: &'a RepoCache,
        commit: &'a str,
        report: F,
    ) -> Self {
        Self {
            client,
            cache,
            commit,
            report,
            stopped: AtomicBool::new(false),
            progress: Mutex::default(),
        }
    }

    /// Downloads those of `files` that are not in the cache.
    pub(super) fn fetch(&self, mut files: Vec<RepoFile>) -> Result<(), Failure> {
        let dir = self.cache.snapshot(self.commit);
        files.retain(|file| !is_here(&dir.join(&file.path), file.bytes));
        let all = files.iter().filter_map(|file| file.bytes).sum();
        *lock(&self.progress) = Progress { done: 0, all };
        let workers = 0..WORKERS.min(files.len());
        let queue = Mutex::new(files.into_iter());
        let results: Vec<Result<(), Failure>> = std::thread::scope(|scope| {
            let workers: Vec<_> = workers.map(|_| scope.spawn(|| self.work(&queue))).collect();
            let results = workers.into_iter().map(|worker| worker.join());
            results
                .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        // Workers that only heard of a failure have no reason to tell; without a reason the caller stopped them all.
        let (stopped, told): (Vec<_>, Vec<_>) = results
            .into_iter()
            .partition(|result| matches!(result, Err(Failure::Stopped)));
        told.into_iter().chain(stopped).collect()
    }

    fn work(&self, queue: &Mutex<std::vec::IntoIter<RepoFile>>) -> Result<(), Failure> {
        loop {
            let next = lock(queue).next();
            let Some(file) = next.filter(|_| !self.stopped.load(Ordering::Relaxed)) else {
                return Ok(());
            };
            if let Err(failure) = self.fetch_file(&file) {
                self.stopped.store(true, Ordering::Relaxed);
                return Err(failure);
            }
        }
    }

    fn fetch_file(&self, file: &RepoFile) -> Result<(), Failure> {
        let proof = self.client.proof(self.commit, file)?;
        let blob = self.cache.blob(proof.name());
        let lock = self.cache.lock(proof.name(), &self.client.net)?;
        if is_here(&blob, Some(proof.bytes)) {
            self.moved(0, proof.bytes);
        } else {
            self.fetch_blob(file, &proof, &blob)?;
        }
        drop(lock);
        self.cache.link(self.commit, &file.path, proof.name())
    }

    /// Bytes with another hash are removed and asked for once more: the memory of a machine on the way may have failed.
    fn fetch_blob(&self, file: &RepoFile, proof: &Proof, blob: &Path) -> Result<(), Failure> {
        let mut part = blob.as_os_str().to_owned();
        part.push(".incomplete");
        let part = PathBuf::from(part);
        cache::create_parent(&part)?;
        let mut download = Download {
            file,
            proof,
            part: &part,
            counted: 0,
        };
        let Some(found) = self.fetch_part(&mut download)? else {
            return keep(&part, blob);
        };
        tracing::warn!(file = file.path, found, "other bytes than the Hub states");
        match self.fetch_part(&mut download)? {
            None => keep(&part, blob),
            Some(found) => Err(Failure::last(format!(
                "{}: expected bytes with the hash {}, found {found}, twice; they were removed",
                file.path,
                proof.name()
            ))),
        }
    }

    /// Completes the part; removes it and gives its hash if that is another one than stated.
    fn fetch_part(&self, download: &mut Download<'_>) -> Result<Option<String>, Failure> {
        self.client.retry(|| self.fetch_rest(download))?;
        let part = download.part;
        let found = download.proof.other_hash(part);
        let found = found.map_err(Failure::io(part, "read"))?;
        if found.is_some() {
            fs::remove_file(part).map_err(Failure::io(part, "remove"))?;
        }
        Ok(found)
    }

    /// Asks for what the part lacks.
    fn fetch_rest(&self, download: &mut Download<'_>) -> Result<(), Failure> {
        let (file, all) = (download.file, download.proof.bytes);
        let here = fs::metadata(download.part).map_or(0, |metadata| metadata.len());
        if here == all && here > 0 {
            self.moved(download.counted, here);
            download.counted = here;
            return Ok(());
        }
        // More than the whole cannot be a beginning of it.
        let here = if here < all { here } else { 0 };
        let (start, response) = self.client.bytes(self.commit, file, here)?;
        self.moved(download.counted, start);
        download.counted = start;
        self.receive(response, download)?;
        if download.counted == all {
            return Ok(());
        }
        Err(Failure::again(format!(
            "{}: expected {all} bytes, found {}",
            file.path, download.counted
        )))
    }

    /// Writes the body behind the bytes of the part that are counted, and no more than the file has.
    fn receive(&self, mut response: Response, to: &mut Download<'_>) -> Result<(), Failure> {
        let (part, net) = (to.part, &self.client.net);
        let mut out = open_at(part, to.counted).map_err(Failure::io(part, "write"))?;
        loop {
            if self.stopped.load(Ordering::Relaxed) || net.is_stopped() {
                return Err(Failure::Stopped);
            }
            let chunk = net.hear(response.chunk())?;
            let chunk = chunk.map_err(|error| Failure::broken(&to.file.path, &error))?;
            let Some(chunk) = chunk else {
                return Ok(());
            };
            let now = to.counted + chunk.len() as u64;
            if now > to.proof.bytes {
                drop(out);
                return Err(to.too_long());
            }
            out.write_all(&chunk).map_err(Failure::io(part, "write"))?;
            self.moved(to.counted, now);
            to.counted = now;
        }
    }

    /// Reports that a file of which `from` bytes were counted is at `to`.
    fn moved(&self, from: u64, to: u64) {
        let mut progress = lock(&self.progress);
        // A file whose size only its own headers state is not in the sum.
        progress.done = (progress.done + to).saturating_sub(from);
        progress.all = progress.all.max(progress.done);
        (self.report)(progress.done, progress.all);
    }
}

/// A panic elsewhere leaves numbers that are still fit to show.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One file on its way.
struct Download<'a> {
    file: &'a RepoFile,
    proof: &'a Proof,
    /// Where its bytes are until they are complete.
    part: &'a Path,
    /// Bytes of it that were reported.
    counted: u64,
}

impl Download<'_> {
    /// The server sends more than it states, so that nothing of it can be believed.
    fn too_long(&self) -> Failure {
        // What cannot be removed is longer than the next download allows, which begins anew then.
        let _ = fs::remove_file(self.part);
        Failure::last(format!(
            "{}: expected {} bytes, found more; they were removed",
            self.file.path, self.proof.bytes
        ))
    }
}

/// Whether a file is in the cache. A link whose blob is gone does not count, and neither does a file of another length,
/// as a download of another program may have left it.
fn is_here(path: &Path, bytes: Option<u64>) -> bool {
    let Ok(metadata) = fs::metadata(path) else {
        return false;
    };
    let is_whole = bytes.is_none_or(|bytes| bytes == metadata.len());
    if !is_whole {
        let (path, found) = (path.display(), metadata.len());
        tracing::warn!(%path, found, expected = bytes, "a file of another length is replaced");
    }
    is_whole
}

/// Forces the part to the disk and gives it its name.
fn keep(part: &Path, blob: &Path) -> Result<(), Failure> {
    let file = File::options().append(true).open(part);
    let synced = file.and_then(|file| file.sync_all());
    synced.map_err(Failure::io(part, "synchronise"))?;
    atomic_files::rename(part, blob).map_err(|error| Failure::last(error.to_string()))
}

fn open_at(part: &Path, start: u64) -> std::io::Result<File> {
    let mut options = File::options();
    if start > 0 {
        return options.append(true).open(part);
    }
    options.write(true).create(true).truncate(true).open(part)
}
