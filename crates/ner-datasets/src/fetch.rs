//! Downloads over HTTP: resumed where they broke off, checked against their hash, and renamed when complete.
//!
//! Content goes to `<file>.part` beside the file. A later attempt asks for the rest of it (`Range`), on the condition
//! that the content behind the address is the same (`If-Range` with the stored `ETag`); a server that does not know
//! ranges sends everything, and the part begins anew. Only content whose SHA-256 is the pinned one gets the file's
//! name.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::catalogue::CatalogueFile;
use crate::error::Error;

/// How a file is downloaded.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Attempts in all; each goes on where the one before broke off.
    pub attempts: usize,
    /// Pause before the second attempt; doubled for each further one.
    pub pause: Duration,
    /// Longest time without a byte.
    pub timeout: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        FetchOptions {
            attempts: 5,
            pause: Duration::from_secs(1),
            timeout: Duration::from_secs(60),
        }
    }
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file that are here.
    pub bytes: u64,
    /// Bytes of the whole file, if the server says.
    pub total: Option<u64>,
}

/// A file that is complete.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fetched {
    /// Where it lies.
    pub path: PathBuf,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Whether it was here before, with the pinned hash.
    pub was_here: bool,
    /// Whether its hash was compared with a pinned one.
    pub is_pinned: bool,
}

/// Why one attempt failed, and whether another may succeed.
enum Failure {
    Again(Error),
    Final(Error),
}

/// Downloads a file of the catalogue under `root`, unless it is there already with the pinned hash. A file that is
/// there without a pinned hash is downloaded again.
///
/// # Errors
///
/// If the server refuses, the connection fails in every attempt, the content does not have the pinned hash, or the file
/// cannot be written. What was downloaded stays for the next call, unless its hash is wrong.
pub async fn fetch(
    root: &Path,
    file: &CatalogueFile,
    options: &FetchOptions,
    mut progress: impl FnMut(Progress),
) -> Result<Fetched, Error> {
    let path = root.join(&file.path);
    if let Some(found) = present(&path, file)? {
        return Ok(found);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
    }
    // reqwest is built without cryptography of its own. There may be another provider already, if the program chose
    // one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().read_timeout(options.timeout).build();
    let client = client.map_err(|error| failed(file, error))?;
    let mut pause = options.pause;
    for attempt in 1.. {
        match attempt_once(&client, &path, file, &mut progress).await {
            Ok(()) => break,
            Err(Failure::Again(error)) if attempt < options.attempts => {
                tracing::warn!(%error, attempt, "the download broke off");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(Failure::Again(error) | Failure::Final(error)) => return Err(error),
        }
    }
    accept(&path, file)
}

/// The file, if it lies there with the pinned hash.
fn present(path: &Path, file: &CatalogueFile) -> Result<Option<Fetched>, Error> {
    let Some(pinned) = &file.sha256 else {
        return Ok(None);
    };
    if !path.is_file() {
        return Ok(None);
    }
    let (sha256, bytes) = hash_file(path)?;
    Ok((sha256 == *pinned).then(|| Fetched {
        path: path.into(),
        sha256,
        bytes,
        was_here: true,
        is_pinned: true,
    }))
}

/// Compares the complete part with the pinned hash and gives it its name.
fn accept(path: &Path, file: &CatalogueFile) -> Result<Fetched, Error> {
    let part = beside(path, "part");
    let (sha256, bytes) = hash_file(&part)?;
    if let Some(pinned) = file.sha256.as_ref().filter(|pinned| **pinned != sha256) {
        forget(path);
        return Err(Error::Hash {
            url: file.url.clone(),
            expected: pinned.clone(),
            found: sha256,
            bytes,
        });
    }
    atomic_files::rename(&part, path)?;
    forget(path);
    Ok(Fetched {
        path: path.into(),
        sha256,
        bytes,
        was_here: false,
        is_pinned: file.sha256.is_some(),
    })
}

/// Removes what an unfinished download left. It may have left nothing.
fn forget(path: &Path) {
    let _ = fs::remove_file(beside(path, "part"));
    let _ = fs::remove_file(beside(path, "part.etag"));
}

async fn attempt_once(
    client: &Client,
    path: &Path,
    file: &CatalogueFile,
    progress: &mut impl FnMut(Progress),
) -> Result<(), Failure> {
    let part = beside(path, "part");
    let here = fs::metadata(&part).map_or(0, |metadata| metadata.len());
    if file.bytes.is_some_and(|bytes| bytes == here) {
        return Ok(());
    }
    let response = ask(client, path, file, here).await?;
    let start = match response.status() {
        StatusCode::PARTIAL_CONTENT if content_start(&response) == Some(here) => here,
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            // The part is not a beginning of what the server has now.
            forget(path);
            let found = "other bytes than those asked for";
            return Err(Failure::Again(refused(file, found)));
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Failure::Again(refused(file, &status.to_string())));
        }
        status => return Err(Failure::Final(refused(file, &status.to_string()))),
    };
    remember(path, &response).map_err(Failure::Final)?;
    receive(&part, start, response, file, progress).await
}

/// Asks for the content from byte `here` on, if it is still that of the part.
async fn ask(
    client: &Client,
    path: &Path,
    file: &CatalogueFile,
    here: u64,
) -> Result<Response, Failure> {
    let mut request = client.get(&file.url);
    let tag = fs::read_to_string(beside(path, "part.etag")).ok();
    // Without a tag only a pinned hash can tell whether the two halves belong together.
    if here > 0 && (tag.is_some() || file.sha256.is_some()) {
        request = request.header(RANGE, format!("bytes={here}-"));
        if let Some(tag) = tag {
            request = request.header(IF_RANGE, tag);
        }
    }
    let response = request.send().await;
    response.map_err(|error| Failure::Again(failed(file, error)))
}

/// Stores the content's strong tag, by which the next attempt recognises it.
fn remember(path: &Path, response: &Response) -> Result<(), Error> {
    let tag = response
        .headers()
        .get(ETAG)
        .and_then(|tag| tag.to_str().ok());
    let store = beside(path, "part.etag");
    match tag.filter(|tag| !tag.starts_with("W/")) {
        Some(tag) => fs::write(&store, tag).map_err(Error::io(&store, "write")),
        None => {
            // It may not exist.
            let _ = fs::remove_file(&store);
            Ok(())
        }
    }
}

/// The first byte of `Content-Range: bytes 5-9/10`.
fn content_start(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (start, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    start.parse().ok()
}

async fn receive(
    part: &Path,
    start: u64,
    mut response: Response,
    file: &CatalogueFile,
    progress: &mut impl FnMut(Progress),
) -> Result<(), Failure> {
    let io = |source| Failure::Final(Error::io(part, "write")(source));
    let total = response.content_length().map(|rest| start + rest);
    let mut out = open_at(part, start).map_err(io)?;
    let mut bytes = start;
    progress(Progress { bytes, total });
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                out.write_all(&chunk).map_err(io)?;
                bytes += chunk.len() as u64;
                progress(Progress { bytes, total });
            }
            Ok(None) => break,
            Err(error) => return Err(Failure::Again(failed(file, error))),
        }
    }
    out.sync_all().map_err(io)
}

/// Opens the part behind its first `start` bytes.
fn open_at(part: &Path, start: u64) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    if start > 0 {
        return options.append(true).open(part);
    }
    options.write(true).create(true).truncate(true).open(part)
}

fn failed(file: &CatalogueFile, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut found = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        found = format!("{found}: {inner}");
        cause = inner.source();
    }
    refused(file, &found)
}

fn refused(file: &CatalogueFile, found: &str) -> Error {
    Error::Download {
        url: file.url.clone(),
        found: found.into(),
    }
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(extension);
    name.into()
}

/// SHA-256 of a file in hexadecimal, and its size.
///
/// # Errors
///
/// If the file cannot be read.
pub fn hash_file(path: &Path) -> Result<(String, u64), Error> {
    let mut file = File::open(path).map_err(Error::io(path, "read"))?;
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut block = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut block).map_err(Error::io(path, "read"))?;
        if read == 0 {
            let hash = hasher.finalize();
            let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((hash, bytes));
        }
        hasher.update(&block[..read]);
        bytes += read as u64;
    }
}
