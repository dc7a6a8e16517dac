//! The requests that a download consists of, over HTTP.

use std::time::Duration;

use reqwest::blocking::{ClientBuilder, RequestBuilder, Response};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, LINK, RANGE};
use reqwest::{StatusCode, Url, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::settings::Settings;
use super::{HubModel, cache, is_commit};

/// Longest time without a byte.
const SILENCE: Duration = Duration::from_secs(60);
/// Pause before the second attempt; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(100);
const MAX_REDIRECTS: usize = 10;

/// A file of a repository.
#[derive(Clone, Debug)]
pub(super) struct RepoFile {
    pub(super) path: String,
    pub(super) bytes: u64,
}

/// Asks the Hub about one model.
pub(super) struct Client {
    repo: String,
    settings: Settings,
    endpoint: Url,
    http: reqwest::blocking::Client,
    /// Goes to no other host: the headers of a file are the Hub's own, its bytes may lie elsewhere.
    http_of_the_hub: reqwest::blocking::Client,
}

impl Client {
    pub(super) fn new(model: &HubModel, settings: Settings) -> Result<Self, Failure> {
        // reqwest is built without cryptography of its own. There may be another provider already, if the program chose
        // one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = Url::parse(&settings.endpoint).ok();
        let endpoint = endpoint.filter(|url| !url.cannot_be_a_base());
        let endpoint = endpoint.ok_or_else(|| {
            Failure::Final(format!(
                "HF_ENDPOINT is not an address: {}",
                settings.endpoint
            ))
        })?;
        Ok(Self {
            repo: format!("{}/{}", model.owner, model.name),
            endpoint,
            http: build(redirect::Policy::limited(MAX_REDIRECTS))?,
            http_of_the_hub: build(redirect::Policy::custom(stay_on_host))?,
            settings,
        })
    }

    /// The commit that a branch or tag stands for.
    pub(super) fn commit(&self, revision: &str) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Info {
            sha: String,
        }
        let url = self.url(&["api", "models", &self.repo, "revision"], revision);
        let what = format!("repository or revision `{revision}`");
        let (info, _) = self.json::<Info>(&url, &what)?;
        if is_commit(&info.sha) {
            Ok(info.sha)
        } else {
            Err(Failure::malformed(&what, "it names no commit"))
        }
    }

    /// All files of a commit, page by page.
    pub(super) fn files(&self, commit: &str) -> Result<Vec<RepoFile>, Failure> {
        #[derive(Deserialize)]
        struct Entry {
            r#type: String,
            path: String,
            #[serde(default)]
            size: u64,
        }
        let mut next = self.url(&["api", "models", &self.repo, "tree"], commit);
        next.set_query(Some("recursive=true"));
        let mut files = Vec::new();
        loop {
            let (entries, headers) = self.json::<Vec<Entry>>(&next, "list of files")?;
            let entries = entries.into_iter().filter(|entry| entry.r#type == "file");
            files.extend(entries.map(|entry| RepoFile {
                path: entry.path,
                bytes: entry.size,
            }));
            match next_page(&headers) {
                // Only the place in the list is taken: the token goes nowhere else, and a mirror may name the original.
                Some(page) => next.set_query(page.query()),
                None => return Ok(files),
            }
        }
    }

    /// The name of the file's bytes, which is the same wherever they are the same.
    pub(super) fn etag(&self, commit: &str, file: &RepoFile) -> Result<String, Failure> {
        let url = self.file_url(commit, file);
        let response = self.retry(|| {
            let request = self.http_of_the_hub.head(url.clone());
            let response = self.send(request)?;
            // A redirect that was not followed leads to the bytes.
            let is_answer = response.status().is_success() || response.status().is_redirection();
            checked(is_answer, response, &file.path)
        })?;
        let headers = response.headers();
        let tag = headers.get("x-linked-etag").or_else(|| headers.get(ETAG));
        let tag = tag.and_then(|tag| tag.to_str().ok()).unwrap_or_default();
        let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
        if cache::is_inside(tag) && !tag.contains('/') {
            Ok(tag.to_owned())
        } else {
            Err(Failure::malformed(&file.path, "it has no ETag"))
        }
    }

    /// The bytes of a file from `start` on, or from 0 if the server cannot do that; with the place of the first one.
    pub(super) fn bytes(
        &self,
        commit: &str,
        file: &RepoFile,
        start: u64,
    ) -> Result<(u64, Response), Failure> {
        let mut request = self.http.get(self.file_url(commit, file));
        if start > 0 {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        let response = self.send(request)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if content_start(response.headers()) == Some(start) => {
                Ok((start, response))
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if start > 0 => {
                self.bytes(commit, file, 0)
            }
            status => Ok((0, checked(status.is_success(), response, &file.path)?)),
        }
    }

    /// Repeats what failed for a reason that may pass, with growing pauses.
    pub(super) fn retry<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        for retry in 0..self.settings.retries {
            match attempt() {
                Err(Failure::Again(reason)) => {
                    tracing::debug!(reason, retry, "asking the Hub again");
                    std::thread::sleep(PAUSE * 2_u32.saturating_pow(retry));
                }
                result => return result,
            }
        }
        attempt()
    }

    fn json<T: DeserializeOwned>(&self, url: &Url, what: &str) -> Result<(T, HeaderMap), Failure> {
        self.retry(|| {
            let response = self.send(self.http.get(url.clone()))?;
            let response = checked(response.status().is_success(), response, what)?;
            let headers = response.headers().clone();
            let content = response.bytes().map_err(Failure::connection)?;
            let content = serde_json::from_slice(&content);
            let content = content.map_err(|error| Failure::malformed(what, error))?;
            Ok((content, headers))
        })
    }

    fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = match &self.settings.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().map_err(Failure::connection)
    }

    fn file_url(&self, commit: &str, file: &RepoFile) -> Url {
        let mut url = self.url(&[&self.repo, "resolve"], commit);
        extend(&mut url, file.path.split('/'));
        url
    }

    /// An address of the Hub. The slashes of a revision are no separators in it.
    fn url(&self, path: &[&str], revision: &str) -> Url {
        let mut url = self.endpoint.clone();
        extend(&mut url, path.iter().flat_map(|part| part.split('/')));
        extend(&mut url, [revision]);
        url
    }
}

fn build(redirects: redirect::Policy) -> Result<reqwest::blocking::Client, Failure> {
    ClientBuilder::new()
        .user_agent(concat!("lm-model/", env!("CARGO_PKG_VERSION")))
        .timeout(SILENCE)
        .redirect(redirects)
        .build()
        .map_err(Failure::connection)
}

fn stay_on_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let origin = attempt.previous().first().map(Url::origin);
    if origin != Some(attempt.url().origin()) {
        attempt.stop()
    } else if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}

fn extend<'a>(url: &mut Url, parts: impl IntoIterator<Item = &'a str>) {
    // An address that has no path was refused with the endpoint.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(parts);
    }
}

fn checked(is_answer: bool, response: Response, what: &str) -> Result<Response, Failure> {
    if is_answer {
        Ok(response)
    } else {
        Err(Failure::refusal(what, response))
    }
}

/// The address in `Link: <https://…>; rel="next"`.
fn next_page(headers: &HeaderMap) -> Option<Url> {
    let links = headers.get(LINK)?.to_str().ok()?;
    let next = links
        .split(',')
        .find(|link| link.contains("rel=\"next\""))?;
    let (_, address) = next.split_once('<')?;
    Url::parse(address.split_once('>')?.0).ok()
}

/// The first byte of `Content-Range: bytes 5-9/10`.
fn content_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (start, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    start.parse().ok()
}
