//! The settings of a server: checked before anything is sent.

use std::time::Duration;

use chat_client::{
    ChatClient, ChatRequest, Endpoint, KeySource, Message, Retry, Sampling, Timeouts,
};
use serde::{Deserialize, Serialize};

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
    /// Most requests in flight at once, at least 1; a server that is busy gets fewer.
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
#[non_exhaustive]
pub enum UrlError {
    /// The address, the key or a number cannot be used.
    #[error(transparent)]
    Endpoint(chat_client::Error),
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

impl UrlConfig {
    /// The client for these settings.
    pub(super) fn client(&self) -> Result<ChatClient, UrlError> {
        check_settings(self)?;
        let timeout = Duration::from_secs(self.timeout_seconds.max(1));
        let defaults = Timeouts::default();
        let endpoint = Endpoint {
            key: KeySource::from(self.api_key_env.clone()),
            concurrency: self.concurrency,
            timeouts: Timeouts {
                first_byte: timeout,
                idle: timeout,
                total: timeout,
                ..defaults
            },
            retry: self.retry,
            ..Endpoint::new(&self.url, &self.model)
        };
        ChatClient::new(endpoint).map_err(|error| match error {
            chat_client::Error::HttpClient(why) => UrlError::Client(why),
            error => UrlError::Endpoint(error),
        })
    }

    /// The request for a prompt.
    pub(super) fn request(&self, prompt: &str) -> ChatRequest {
        ChatRequest {
            model: self.model.clone(),
            messages: vec![Message::user(prompt)],
            sampling: Sampling {
                temperature: Some(self.temperature),
                max_tokens: Some(self.max_tokens),
                ..Sampling::default()
            },
            stream: false,
            format: None,
        }
    }
}

/// Refuses what cannot work.
fn check_settings(config: &UrlConfig) -> Result<(), UrlError> {
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
    if !(config.temperature >= 0.0 && config.temperature.is_finite()) {
        let found = config.temperature.to_string();
        return Err(setting("temperature", "0 or more", found));
    }
    Ok(())
}
