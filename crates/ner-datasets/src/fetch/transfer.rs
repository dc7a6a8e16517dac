//! One file over HTTP: attempts, ranges, the part beside the file.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use atomic_files::fs::File;
use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode};

use super::hub::{self, Stated};
use super::{FetchOptions, Progress, hash_file};
use crate::catalogue::CatalogueFile;
use crate::error::Error;

/// Why one attempt failed, and whether another may succeed.
enum Failure {
    Again(Error),
    Final(Error),
}

/// What is asked for, and from whom.
struct Question<'a> {
    client: Client,
    path: &'a Path,
    file: &'a CatalogueFile,
    /// The address that is asked.
    address: String,
    token: Option<&'a str>,
    /// Bytes of the whole file, if known.
    bytes: Option<u64>,
    /// Whether a hash tells afterwards whether two halves belong together.
    is_checked: bool,
}

/// Downloads the content into the part beside the file.
pub(super) async fn download(
    path: &Path,
    file: &CatalogueFile,
    stated: &Stated,
    options: &FetchOptions,
    progress: &mut impl FnMut(Progress),
) -> Result<(), Error> {
    let client = Client::builder().read_timeout(options.timeout).build();
    let url = hub::at_commit(&file.url, stated.commit.as_deref());
    let question = Question {
        client: client.map_err(|error| failed(file, error))?,
        path,
        file,
        address: options.endpoints.address(&url),
        token: options.endpoints.token_for(&url),
        bytes: file.bytes.or(stated.bytes),
        is_checked: file.sha256.is_some() || stated.sha256.is_some(),
    };
    let mut pause = options.pause;
    for attempt in 1.. {
        match question.attempt(progress).await {
            Ok(()) => break,
            Err(Failure::Again(error)) if attempt < options.attempts => {
                tracing::warn!(%error, attempt, "the download broke off");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(Failure::Again(error) | Failure::Final(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Compares the complete part with the hash and gives it its name; gives its hash and size.
pub(super) fn accept(
    path: &Path,
    file: &CatalogueFile,
    expected: Option<&str>,
) -> Result<(String, u64), Error> {
    let part = beside(path, "part");
    let (sha256, bytes) = hash_file(&part)?;
    if let Some(expected) = expected.filter(|expected| *expected != sha256) {
        forget(path);
        return Err(Error::Hash {
            url: file.url.clone(),
            expected: expected.into(),
            found: sha256,
            bytes,
        });
    }
    atomic_files::rename(&part, path)?;
    forget(path);
    Ok((sha256, bytes))
}

/// Removes what an unfinished download left. It may have left nothing.
fn forget(path: &Path) {
    let _ = atomic_files::fs::remove_file(beside(path, "part"));
    let _ = atomic_files::fs::remove_file(beside(path, "part.etag"));
}

impl Question<'_> {
    async fn attempt(&self, progress: &mut impl FnMut(Progress)) -> Result<(), Failure> {
        let (path, file) = (self.path, self.file);
        let part = beside(path, "part");
        let here = fs::metadata(&part).map_or(0, |metadata| metadata.len());
        if self.bytes.is_some_and(|bytes| bytes == here) {
            return Ok(());
        }
        let response = self.ask(here).await?;
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
    async fn ask(&self, here: u64) -> Result<Response, Failure> {
        let mut request = self.client.get(&self.address);
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        let tag = fs::read_to_string(beside(self.path, "part.etag")).ok();
        // Without a tag only a hash can tell whether the two halves belong together.
        if here > 0 && (tag.is_some() || self.is_checked) {
            request = request.header(RANGE, format!("bytes={here}-"));
            if let Some(tag) = tag {
                request = request.header(IF_RANGE, tag);
            }
        }
        let response = request.send().await;
        response.map_err(|error| Failure::Again(failed(self.file, error)))
    }
}

/// Stores the content's strong tag, by which the next attempt recognises it.
fn remember(path: &Path, response: &Response) -> Result<(), Error> {
    let tag = response
        .headers()
        .get(ETAG)
        .and_then(|tag| tag.to_str().ok());
    let store = beside(path, "part.etag");
    match tag.filter(|tag| !tag.starts_with("W/")) {
        Some(tag) => atomic_files::fs::write(&store, tag).map_err(Error::io(&store, "write")),
        None => {
            // It may not exist.
            let _ = atomic_files::fs::remove_file(&store);
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
    if start > 0 {
        return File::open_with(part, OpenOptions::new().append(true));
    }
    File::create(part)
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
