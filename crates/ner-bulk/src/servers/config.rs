//! Where the servers are and how they are asked.

use std::time::Duration;

use chat_client::{Endpoint, KeySource, Retry, Sampling, Timeouts};

/// Where a model is served, and how it is asked.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Base addresses: `http://host:port`, `https://host/v1`.
    pub urls: Vec<String>,
    /// The model's name, the same on all of them.
    pub model: String,
    /// Where the API key is found, if one is needed.
    pub key: KeySource,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Most requests in flight at each server; one that is busy gets fewer.
    pub concurrency: usize,
    /// Longest time for an answer.
    pub timeout: Duration,
    /// How a failed request is tried again.
    pub retry: Retry,
    /// After so many requests that failed for good, without an answer in between, a server is left out.
    pub give_up_after: usize,
}

impl ServerConfig {
    /// Servers without a key, asked as they like: 16 requests at each, ten minutes for an answer; left out after 8
    /// failures in a row.
    pub fn new(urls: Vec<String>, model: impl Into<String>) -> Self {
        Self {
            urls,
            model: model.into(),
            key: KeySource::None,
            sampling: Sampling::default(),
            concurrency: 16,
            timeout: Duration::from_secs(600),
            retry: Retry::default(),
            give_up_after: 8,
        }
    }

    pub(super) fn endpoint(&self, url: &str) -> Endpoint {
        Endpoint {
            key: self.key.clone(),
            concurrency: self.concurrency,
            timeouts: Timeouts {
                first_byte: self.timeout,
                idle: self.timeout,
                total: self.timeout,
                ..Timeouts::default()
            },
            retry: self.retry,
            ..Endpoint::new(url, &self.model)
        }
    }
}
