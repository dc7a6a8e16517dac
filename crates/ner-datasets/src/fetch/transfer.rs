//! One file over HTTP: attempts, ranges, the part beside the file.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use atomic_files::fs::File;
use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode, Url};

use super::hub::{self, Stated};
use super::{FetchOptions, Progress, address, hash_file, refused};
use crate::catalogue::CatalogueFile;
use crate::error::Error;

/// Most bytes of a file whose size nobody states; no dataset here is nearly as long.
const MAX_BYTES: u64 = 16 << 30;

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
    let client = Client::builder()
        .connect_timeout(options.timeout)
        .read_timeout(options.timeout)
        .redirect(address::redirects())
        .build();
    let url = hub::at_commit(&file.url, stated.commit.as_deref());
    let address = address::checked(options.endpoints.address(&url), file)?;
    let token = options.endpoints.token_for(&url);
    let is_secret = Url::parse(&address).is_ok_and(|address| address::is_safe(&address));
    let question = Question {
        client: client.map_err(|error| failed(file, error))?,
        path,
        file,
        address,
        token: token.filter(|_| is_secret),
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
    is_in_the_way: bool,
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
    if is_in_the_way {
        let old = atomic_files::set_aside(path)?;
        tracing::warn!(old = %old.display(), "the file that was there has another hash, and another name now");
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
        let mut here = fs::metadata(&part).map_or(0, |metadata| metadata.len());
        if self.bytes.is_some_and(|bytes| bytes == here) {
            return Ok(());
        }
        if self.is_too_long(here) {
            // A longer part is no beginning of the file.
            forget(path);
            here = 0;
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
        let received = self.receive(&part, start, response, progress).await?;
        match self.bytes {
            Some(bytes) if received < bytes => {
                let found = format!("{received} of {bytes} bytes");
                Err(Failure::Again(refused(file, &found)))
            }
            _ => Ok(()),
        }
    }

    /// Writes the body behind the first `start` bytes of the part; gives the length of the part. It never becomes
    /// longer than the file is.
    async fn receive(
        &self,
        part: &Path,
        start: u64,
        mut response: Response,
        progress: &mut impl FnMut(Progress),
    ) -> Result<u64, Failure> {
        let io = |source| Failure::Final(Error::io(part, "write")(source));
        let broken = |error| Failure::Again(failed(self.file, error));
        let announced = response.content_length();
        let announced = announced.map(|rest| start.saturating_add(rest));
        if announced.is_some_and(|bytes| self.is_too_long(bytes)) {
            return Err(self.too_long());
        }
        let mut out = open_at(part, start).map_err(io)?;
        let total = announced.or(self.bytes);
        let mut bytes = start;
        progress(Progress { bytes, total });
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if self.is_too_long(bytes + chunk.len() as u64) {
                return Err(self.too_long());
            }
            out.write_all(&chunk).map_err(io)?;
            bytes += chunk.len() as u64;
            progress(Progress { bytes, total });
        }
        out.sync_all().map_err(io)?;
        Ok(bytes)
    }

    fn is_too_long(&self, bytes: u64) -> bool {
        bytes > self.bytes.unwrap_or(MAX_BYTES)
    }

    /// What a server sends that does not keep to the length is nothing that another attempt could complete.
    fn too_long(&self) -> Failure {
        forget(self.path);
        let bytes = self.bytes.unwrap_or(MAX_BYTES);
        Failure::Final(refused(
            self.file,
            &format!("more than the {bytes} bytes expected"),
        ))
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

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(extension);
    name.into()
}
