//! All files of a commit that a model consists of, downloaded by a few threads.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use atomic_files::fs::File;
use reqwest::blocking::Response;

use super::cache::{self, RepoCache};
use super::client::{Client, RepoFile};
use super::failure::Failure;

/// Files on their way at the same time.
const WORKERS: usize = 8;

/// What a model consists of; weights in other formats stay where they are.
const NAMES: [&str; 5] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "adapter_config.json",
];
const SUFFIXES: [&str; 2] = [".safetensors", ".safetensors.index.json"];

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

    /// Downloads those of `files` that are wanted and not in the cache.
    pub(super) fn fetch(&self, mut files: Vec<RepoFile>) -> Result<(), Failure> {
        let dir = self.cache.snapshot(self.commit);
        // A link whose blob is gone does not count as existing.
        files.retain(|file| is_wanted(&file.path) && !dir.join(&file.path).exists());
        let all = files.iter().map(|file| file.bytes).sum();
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
        // Workers that only heard of a failure have no reason to tell.
        let mut results = results.into_iter();
        let reason = results.find(|result| !matches!(result, Ok(()) | Err(Failure::Stopped)));
        reason.unwrap_or(Ok(()))
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
        let etag = self.client.etag(self.commit, file)?;
        let blob = self.cache.blob(&etag);
        let lock = self.cache.lock(&etag)?;
        if blob.exists() {
            self.moved(0, file.bytes);
        } else {
            self.fetch_blob(file, &blob)?;
        }
        drop(lock);
        self.cache.link(self.commit, &file.path, &etag)
    }

    fn fetch_blob(&self, file: &RepoFile, blob: &Path) -> Result<(), Failure> {
        let mut part = blob.as_os_str().to_owned();
        part.push(".incomplete");
        let part = PathBuf::from(part);
        cache::create_parent(&part)?;
        let mut counted = 0;
        self.client
            .retry(|| self.fetch_rest(file, &part, &mut counted))?;
        atomic_files::fs::rename(&part, blob).map_err(Failure::io(blob, "write"))
    }

    /// Asks for what the part lacks. `counted` are the bytes of the file that were reported.
    fn fetch_rest(&self, file: &RepoFile, part: &Path, counted: &mut u64) -> Result<(), Failure> {
        let here = fs::metadata(part).map_or(0, |metadata| metadata.len());
        if here == file.bytes && here > 0 {
            self.moved(*counted, here);
            return Ok(());
        }
        // More than the whole cannot be a beginning of it.
        let here = if here < file.bytes { here } else { 0 };
        let (start, response) = self.client.bytes(self.commit, file, here)?;
        self.moved(*counted, start);
        *counted = start;
        self.receive(response, part, file, counted)?;
        if *counted == file.bytes {
            return Ok(());
        }
        Err(Failure::Again(format!(
            "{}: expected {} bytes, found {counted}",
            file.path, file.bytes
        )))
    }

    /// Writes the body behind the first `counted` bytes of the part.
    fn receive(
        &self,
        mut response: Response,
        part: &Path,
        file: &RepoFile,
        counted: &mut u64,
    ) -> Result<(), Failure> {
        let mut out = open_at(part, *counted).map_err(Failure::io(part, "write"))?;
        let mut block = vec![0; 1 << 16];
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(Failure::Stopped);
            }
            let read = response.read(&mut block);
            let read = read.map_err(|error| Failure::broken(&file.path, &error))?;
            if read == 0 {
                return out.sync_all().map_err(Failure::io(part, "write"));
            }
            let written = out.write_all(&block[..read]);
            written.map_err(Failure::io(part, "write"))?;
            self.moved(*counted, *counted + read as u64);
            *counted += read as u64;
        }
    }

    /// Reports that a file of which `from` bytes were counted is at `to`.
    fn moved(&self, from: u64, to: u64) {
        let mut progress = lock(&self.progress);
        progress.done = progress.done + to - from;
        (self.report)(progress.done, progress.all);
    }
}

/// A panic elsewhere leaves numbers that are still fit to show.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_wanted(path: &str) -> bool {
    let wanted = NAMES.contains(&path) || SUFFIXES.iter().any(|suffix| path.ends_with(suffix));
    wanted && cache::is_inside(path)
}

fn open_at(part: &Path, start: u64) -> std::io::Result<File> {
    if start > 0 {
        return File::open_with(part, fs::OpenOptions::new().append(true));
    }
    File::create(part)
}
