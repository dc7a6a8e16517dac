//! One exchange with the server, in which every part has its time limit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use tokio::time::{Instant, timeout, timeout_at};

use crate::address;
use crate::backoff;
use crate::body::{self, LastEvent};
use crate::endpoint::{Endpoint, Timeouts};
use crate::error::Error;
use crate::key::Key;

/// How long the end of a connection may take once everything has come.
const LAST_WORD: Duration = Duration::from_millis(500);

/// The connections to one server.
pub(crate) struct Http {
    client: reqwest::Client,
    pub(crate) key: Option<Key>,
    timeouts: Timeouts,
    max_body_bytes: usize,
    /// Whether there ever was a connection.
    reached: AtomicBool,
}

/// What the server said.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// The server's own wish for the delay.
    pub(crate) after: Option<Duration>,
    pub(crate) body: String,
}

/// An exchange that did not come to its end.
pub(crate) struct Broken {
    pub(crate) cause: String,
    /// Whether no connection could be made.
    pub(crate) refused: bool,
}

impl Broken {
    fn new(cause: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            refused: false,
        }
    }

    fn late(phase: &str, limit: Duration) -> Self {
        Self::new(format!("{phase} took longer than {limit:?}"))
    }
}

impl Http {
    pub(crate) fn new(endpoint: &Endpoint, url: &Url) -> Result<Self, Error> {
        Ok(Self {
            client: build(endpoint, url)?,
            key: Key::read(&endpoint.key)?,
            timeouts: endpoint.timeouts,
            max_body_bytes: endpoint.max_body_bytes,
            reached: AtomicBool::new(false),
        })
    }

    /// Whether the server has been there at least once.
    pub(crate) fn reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// Cuts the key out of a text that is shown.
    pub(crate) fn mask(&self, text: String) -> String {
        match &self.key {
            Some(key) => key.mask(text),
            None => text,
        }
    }

    /// Cuts the key out of the body of an answer, which may be kept.
    pub(crate) fn mask_answer(&self, body: String) -> String {
        let Some(key) = self.key.as_ref().filter(|key| key.is_secret()) else {
            return body;
        };
        let length = body.len();
        let masked = key.mask(body);
        let masked = match body::rejoined(&masked, |text| key.mask(text)) {
            Some(rejoined) => rejoined,
            None => masked,
        };
        if masked.len() != length {
            tracing::warn!(
                "the server repeated the API key in an answer; it is kept without the key"
            );
        }
        masked
    }

    pub(crate) async fn post(&self, url: &Url, body: Vec<u8>) -> Result<Reply, Broken> {
        let call = self.client.post(url.clone()).body(body);
        self.exchange(call.header(CONTENT_TYPE, "application/json"))
            .await
    }

    pub(crate) async fn get(&self, url: &Url) -> Result<Reply, Broken> {
        self.exchange(self.client.get(url.clone())).await
    }

    async fn exchange(&self, mut call: RequestBuilder) -> Result<Reply, Broken> {
        if let Some(key) = &self.key {
            call = call.header(AUTHORIZATION, key.header.clone());
        }
        let deadline = Instant::now() + self.timeouts.total;
        let first_byte = self.timeouts.first_byte.min(self.timeouts.total);
        let response = match timeout(first_byte, call.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let broken = broken(error);
                // A server that is there but hangs up has been reached.
                self.reached.fetch_or(!broken.refused, Ordering::Relaxed);
                return Err(broken);
            }
            Err(_) => return Err(Broken::late("the first byte", first_byte)),
        };
        self.reached.store(true, Ordering::Relaxed);
        let status = response.status();
        let after = wish(response.headers());
        let mut body = Vec::with_capacity(expected_bytes(&response));
        let read = self.read(response, deadline, &mut body).await;
        if status == StatusCode::OK {
            read?;
        }
        // Of an error, what has come is enough.
        let body = String::from_utf8(body)
            .unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned());
        Ok(Reply {
            status,
            after,
            body,
        })
    }

    /// Reads the body piece by piece.
    async fn read(
        &self,
        mut response: Response,
        deadline: Instant,
        body: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let mut last = LastEvent::default();
        loop {
            let done = last.has_come();
            let idle = if done { LAST_WORD } else { self.timeouts.idle };
            let until = deadline.min(Instant::now() + idle);
            match timeout_at(until, response.chunk()).await {
                Ok(Ok(None)) => return Ok(()),
                // The connection is not ended as it should be, but nothing is missing.
                _ if done => return Ok(()),
                Ok(Ok(Some(piece))) => {
                    last.feed(&piece);
                    body.extend_from_slice(&piece);
                }
                Ok(Err(error)) => return Err(broken(error)),
                Err(_) if until == deadline => {
                    return Err(Broken::late("the answer", self.timeouts.total));
                }
                Err(_) => return Err(Broken::late("the next piece of the answer", idle)),
            }
            if body.len() > self.max_body_bytes {
                let limit = self.max_body_bytes;
                return Err(Broken::new(format!(
                    "the answer is longer than {limit} bytes"
                )));
            }
        }
    }
}

/// Room for the body, as far as the server's word about its length is to be believed.
fn expected_bytes(response: &Response) -> usize {
    let length = response.content_length().unwrap_or(0);
    usize::try_from(length).unwrap_or(0).min(1 << 16)
}

/// The causes of a failed exchange; the address is told elsewhere.
fn broken(error: reqwest::Error) -> Broken {
    let refused = error.is_connect();
    // The chain's lowest link says most ("connection refused").
    let error = error.without_url();
    let mut cause = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(link) = source {
        cause = format!("{cause}: {link}");
        source = link.source();
    }
    Broken { cause, refused }
}

/// The delay that the server asks for.
fn wish(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    // OpenAI and Azure say it more exactly than the standard can.
    let exact = text(HeaderName::from_static("retry-after-ms"))
        .and_then(|ms| ms.trim().parse::<u32>().ok());
    let exact = exact.map(|ms| Duration::from_millis(ms.into()));
    exact.or_else(|| backoff::parse_retry_after(text(RETRY_AFTER)?))
}

/// How many connections may wait for their next request.
///
/// At the beginning, requests open connections and then take one that has become free meanwhile, so that there are half
/// as many again as are ever in use, each with some 25 kB of buffers. In the middle of a run hardly any is free.
fn idle_connections(concurrency: usize) -> usize {
    concurrency.min(32.max(concurrency / 16))
}

fn build(endpoint: &Endpoint, url: &Url) -> Result<reqwest::Client, Error> {
    // reqwest is built without cryptography of its own. There may be another provider already, if the program chose
    // one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("chat-client/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(endpoint.timeouts.connect)
        .pool_max_idle_per_host(idle_connections(endpoint.concurrency))
        .redirect(reqwest::redirect::Policy::none());
    if url.scheme() == "http" {
        // Without this, a machine that has no certificates could not even talk
        // to a server of its own.
        builder = builder.tls_certs_only([]);
    }
    if address::is_loopback(url) {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| Error::HttpClient(error.to_string()))
}
