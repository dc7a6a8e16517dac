//! The settings of a server.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::backoff::Retry;
use crate::error::Error;
use crate::key::KeySource;

/// Where a model is served, and how patiently to ask it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `http://host:port`, `https://host/v1` or the full path of the method.
    pub base_url: String,
    /// The model's name on that server.
    pub model: String,
    /// Where the API key is found, if one is needed.
    pub key: KeySource,
    /// Most requests in flight at once, at least 1.
    pub concurrency: usize,
    /// Whether the number in flight follows what the server can take, up to
    /// [`concurrency`](Self::concurrency). Otherwise it is always that.
    pub adaptive: bool,
    /// With how many in flight an adaptive client starts; `None` for at most 8.
    pub start: Option<usize>,
    /// Requests sent per minute, repeated ones included.
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute, of prompts and answers together.
    pub tokens_per_minute: Option<u32>,
    /// Whether answers come in pieces. Servers then keep the connection alive
    /// during long answers; what is archived is the raw stream.
    pub stream: bool,
    /// How long each part of a request may take.
    pub timeouts: Timeouts,
    /// Largest body of an answer in bytes.
    pub max_body_bytes: usize,
    /// How failures are tried again.
    pub retry: Retry,
}

impl Endpoint {
    /// An endpoint without a key, with up to 16 requests in flight as the server
    /// permits, no other limits, whole answers of up to 16 MiB, and the default
    /// timeouts and retries.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            key: KeySource::None,
            concurrency: 16,
            adaptive: true,
            start: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            stream: false,
            timeouts: Timeouts::default(),
            max_body_bytes: 16 << 20,
            retry: Retry::default(),
        }
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let setting = |field, expected, found: String| {
            Err(Error::Setting {
                field,
                expected,
                found,
            })
        };
        if !(1..=Semaphore::MAX_PERMITS).contains(&self.concurrency) {
            let found = self.concurrency.to_string();
            return setting("concurrency", "at least one request in flight", found);
        }
        if self.start == Some(0) {
            return setting("start", "at least one request in flight", "0".into());
        }
        for (field, rate) in [
            ("requests_per_minute", self.requests_per_minute),
            ("tokens_per_minute", self.tokens_per_minute),
        ] {
            if rate == Some(0) {
                return setting(field, "at least 1 per minute", "0".into());
            }
        }
        if self.max_body_bytes == 0 {
            return setting("max_body_bytes", "at least one byte", "0".into());
        }
        Ok(())
    }
}

/// How long each part of a request may take. A part that takes longer is a
/// failure that is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To establish a connection, TLS included.
    pub connect: Duration,
    /// From sending until the head of the response. Servers that do not stream
    /// often send it only once the answer is complete.
    pub first_byte: Duration,
    /// Between two pieces of the body; comments that keep the connection alive count.
    pub idle: Duration,
    /// From sending to the last byte.
    pub total: Duration,
}

impl Default for Timeouts {
    /// 10 seconds, 10 minutes, 2 minutes, 30 minutes.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(600),
            idle: Duration::from_secs(120),
            total: Duration::from_secs(1800),
        }
    }
}
