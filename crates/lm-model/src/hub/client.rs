//! The requests that a download consists of, over HTTP.

use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, LINK, RANGE};
use reqwest::{ClientBuilder, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::listing::{Entry, RepoFile};
use super::net::Net;
use super::proof::Proof;
use super::refusal::refusal;
use super::settings::Settings;
use super::{HubModel, address, is_commit};

/// Longest time until a connection stands.
const CONNECT: Duration = Duration::from_secs(20);
/// Pause before the second attempt; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest pause, whatever a server asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Most bytes of an answer in JSON, and pages of a list. A page of the Hub has 1,000 files and about 300 kB.
const MAX_JSON: usize = 64 << 20;
const MAX_PAGES: usize = 1_000;

/// Asks the Hub about one model.
pub(super) struct Client {
    repo: String,
    settings: Settings,
    endpoint: Url,
    http: reqwest::Client,
    http_of_the_hub: reqwest::Client,
    pub(super) net: Net,
}

impl Client {
    pub(super) fn new(model: &HubModel, settings: Settings, net: Net) -> Result<Self, Failure> {
        // reqwest is built without cryptography of its own. There may be another provider already, if the program chose
        // one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            repo: format!("{}/{}", model.owner, model.name),
            endpoint: address::endpoint(&settings.endpoint)?,
            http: build(address::to_any_host())?,
            http_of_the_hub: build(address::to_the_same_host())?,
            settings,
            net,
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

    /// The files of a commit that a model consists of, read page by page.
    pub(super) fn files(&self, commit: &str) -> Result<Vec<RepoFile>, Failure> {
        let what = "list of files";
        let mut next = self.url(&["api", "models", &self.repo, "tree"], commit);
        next.set_query(Some("recursive=true"));
        let mut files = Vec::new();
        for _ in 0..MAX_PAGES {
            let (entries, headers) = self.json::<Vec<Entry>>(&next, what)?;
            for entry in entries {
                files.extend(entry.wanted()?);
            }
            match next_page(&headers) {
                // Only the place in the list is taken: the token goes nowhere else, and a mirror may name the original.
                Some(page) => next.set_query(page.query()),
                None => return Ok(files),
            }
        }
        let fault = format!("it has more than {MAX_PAGES} pages");
        Err(Failure::malformed(what, fault))
    }

    /// What the bytes of a file must be.
    pub(super) fn proof(&self, commit: &str, file: &RepoFile) -> Result<Proof, Failure> {
        let url = self.file_url(commit, file);
        let response = self.retry(|| {
            let request = self.http_of_the_hub.head(url.clone());
            let response = self.send(request)?;
            // A redirect that was not followed leads to the bytes.
            let is_answer = response.status().is_success() || response.status().is_redirection();
            self.checked(is_answer, response, &file.path)
        })?;
        let mut headers = response.headers().clone();
        if response.status().is_redirection() {
            headers.remove(CONTENT_LENGTH);
        }
        Proof::new(file, &headers)
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
            status => Ok((0, self.checked(status.is_success(), response, &file.path)?)),
        }
    }

    /// Repeats what failed for a reason that may pass, with growing pauses.
    pub(super) fn retry<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        for retry in 0..self.settings.retries {
            match attempt() {
                Err(Failure::Again { reason, after }) => {
                    let pause = pause(retry, after);
                    tracing::warn!(reason, ?pause, "asking the Hub again");
                    self.net.sleep(pause)?;
                }
                result => return result,
            }
        }
        attempt()
    }

    fn json<T: DeserializeOwned>(&self, url: &Url, what: &str) -> Result<(T, HeaderMap), Failure> {
        self.retry(|| {
            let response = self.send(self.http.get(url.clone()))?;
            let response = self.checked(response.status().is_success(), response, what)?;
            let headers = response.headers().clone();
            let content = serde_json::from_slice(&self.net.body(response, MAX_JSON)?);
            let content = content.map_err(|error| Failure::malformed(what, error))?;
            Ok((content, headers))
        })
    }

    fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = match &self.settings.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        self.net.hear(request.send())?.map_err(Failure::connection)
    }

    fn checked(
        &self,
        is_answer: bool,
        response: Response,
        what: &str,
    ) -> Result<Response, Failure> {
        if is_answer {
            Ok(response)
        } else {
            Err(refusal(what, response, &self.net))
        }
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

/// How long to wait before an attempt: longer each time, and as long as the server asks, within bounds.
fn pause(retry: u32, asked: Option<Duration>) -> Duration {
    let own = PAUSE.saturating_mul(2_u32.saturating_pow(retry));
    own.max(asked.unwrap_or_default()).min(LONGEST_PAUSE)
}

fn build(redirects: redirect::Policy) -> Result<reqwest::Client, Failure> {
    ClientBuilder::new()
        .user_agent(concat!("lm-model/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(redirects)
        .build()
        .map_err(Failure::connection)
}

fn extend<'a>(url: &mut Url, parts: impl IntoIterator<Item = &'a str>) {
    // An address that has no path was refused with the endpoint.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(parts);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_as_long_as_asked_within_bounds() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (retry, asked, expected) in [
            (0, None, PAUSE),
            (3, None, PAUSE * 8),
            (0, seconds(7), Duration::from_secs(7)),
            (9, seconds(7), PAUSE * 512),
            (0, seconds(u64::MAX), LONGEST_PAUSE),
            (u32::MAX, None, LONGEST_PAUSE),
        ] {
            assert_eq!(pause(retry, asked), expected, "{retry} {asked:?}");
        }
    }
}
