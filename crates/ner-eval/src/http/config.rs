//! The settings of a server: checked before anything is sent.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::Retry;

/// Where a model is served and how it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UrlConfig {
    /// `http://host:port`, `https://host/v1` or the full path of the method `chat/completions`.
    pub url: String,
    /// Name of the model on that server.
    pub model: String,
    /// Name of the environment variable that holds the API key, if one is needed.
    pub api_key_env: Option<String>,
    /// Most new tokens of an answer, reasoning included.
    pub max_tokens: u32,
    /// Softmax temperature; 0 is greedy, as the paper evaluates.
    pub temperature: f64,
    /// Requests in flight at once, at least 1.
    pub concurrency: usize,
    /// Longest time from sending a request to the last byte of its answer, in seconds.
    pub timeout_seconds: u64,
    /// How a failed request is tried again.
    pub retry: Retry,
    /// After so many requests that failed for good, without an answer in between, the evaluation stops.
    pub give_up_after: usize,
}

impl Default for UrlConfig {
    /// The paper's 4,096 new tokens, greedy; 16 requests at once, ten minutes each; stops after 20 failures in a row.
    fn default() -> Self {
        UrlConfig {
            url: String::new(),
            model: String::new(),
            api_key_env: None,
            max_tokens: 4096,
            temperature: 0.0,
            concurrency: 16,
            timeout_seconds: 600,
            retry: Retry::default(),
            give_up_after: 20,
        }
    }
}

/// Why a server cannot be asked, or no longer. A message never contains the key.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// The address is not one.
    #[error(
        "address {url:?}: expected http://host or https://host without user, query and fragment, found {found}"
    )]
    Address {
        /// The address; hidden where it contains a password.
        url: String,
        /// What is wrong.
        found: String,
    },
    /// A setting is out of range.
    #[error("{field}: expected {expected}, found {found}")]
    Setting {
        /// Name of the setting.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// The key is not in the environment.
    #[error("environment variable {0}: expected an API key, found none that can be sent")]
    Key(String),
    /// The client cannot be made.
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
    /// The completer was called from asynchronous code, which it would block.
    #[error("expected a thread of its own for the requests, found an asynchronous context")]
    InsideRuntime,
    /// The server refuses every request.
    #[error("{url}: {status}: {message}{hint}")]
    Refused {
        /// The address.
        url: String,
        /// HTTP status.
        status: u16,
        /// The server's words.
        message: String,
        /// What to look at.
        hint: &'static str,
    },
    /// The server has never answered.
    #[error("{url}: expected a server, found none in {tries} tries: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// How often it was tried.
        tries: u32,
        /// What the last try said.
        reason: String,
    },
    /// Too many requests failed one after another.
    #[error("{url}: {failures} requests in a row failed for good; the last: {reason}")]
    GaveUp {
        /// The address.
        url: String,
        /// How many.
        failures: usize,
        /// What the last one said.
        reason: String,
    },
    /// A request's task ended without a result.
    #[error("a request ended early: {0}")]
    Task(String),
}

/// Refuses what cannot work.
pub(super) fn check_settings(config: &UrlConfig) -> Result<(), UrlError> {
    let setting = |field, expected, found: String| UrlError::Setting {
        field,
        expected,
        found,
    };
    if config.model.trim().is_empty() {
        return Err(setting(
            "model",
            "the model's name on the server",
            "none".into(),
        ));
    }
    if !(1..=Semaphore::MAX_PERMITS).contains(&config.concurrency) {
        let found = config.concurrency.to_string();
        return Err(setting(
            "concurrency",
            "at least one request in flight",
            found,
        ));
    }
    if !(config.temperature >= 0.0 && config.temperature.is_finite()) {
        let found = config.temperature.to_string();
        return Err(setting("temperature", "0 or more", found));
    }
    Ok(())
}

/// Completes a base address to that of the method.
pub(super) fn completions_url(base: &str) -> Result<Url, UrlError> {
    let wrong = |found: &str| UrlError::Address {
        url: base.into(),
        found: found.into(),
    };
    let mut url = Url::parse(base.trim()).map_err(|error| wrong(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Address {
            url: "(hidden)".into(),
            found: "a user or password; keys belong into the environment".into(),
        });
    }
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("another scheme or no host"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("a query or a fragment"));
    }
    let path = match url.path().trim_end_matches('/') {
        "" => "/v1/chat/completions".to_string(),
        path if path.ends_with("/chat/completions") => path.to_string(),
        path => format!("{path}/chat/completions"),
    };
    url.set_path(&path);
    Ok(url)
}

/// The header with the key that is in the environment.
pub(super) fn read_key(name: &str) -> Result<HeaderValue, UrlError> {
    let missing = || UrlError::Key(name.into());
    let key = std::env::var(name).map_err(|_| missing())?;
    if key.trim().is_empty() {
        return Err(missing());
    }
    let mut value =
        HeaderValue::from_str(&format!("Bearer {}", key.trim())).map_err(|_| missing())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A client that does not follow redirects, and talks to this machine without a proxy.
pub(super) fn http_client(config: &UrlConfig, url: &Url) -> Result<reqwest::Client, UrlError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("ner-eval/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(config.timeout_seconds.max(1)))
        .redirect(reqwest::redirect::Policy::none());
    if url.scheme() == "http" {
        // Without this, a machine that has no certificates could not even talk to a server of its own.
        builder = builder.tls_certs_only([]);
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let ip: Result<std::net::IpAddr, _> = host.parse();
    if host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback()) {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| UrlError::Client(error.to_string()))
}
