//! How a request is sent again, as a configuration file says it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Exponential backoff with jitter; a server's `Retry-After` takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Tries that may fail, the first included.
    pub tries: u32,
    /// Tries that may be refused because the server is busy, counted apart.
    pub throttled_tries: u32,
    /// Longest delay after the first failure in milliseconds; it doubles with each further one.
    pub first_delay_ms: u64,
    /// Longest delay in milliseconds.
    pub max_delay_ms: u64,
    /// Longest `Retry-After` that is obeyed, in milliseconds; larger ones are cut to it.
    pub max_retry_after_ms: u64,
}

impl Default for Retry {
    /// Six tries, thirty of a busy server; half a second doubling up to a minute; at most five minutes at the server's wish.
    fn default() -> Self {
        Retry {
            tries: 6,
            throttled_tries: 30,
            first_delay_ms: 500,
            max_delay_ms: 60_000,
            max_retry_after_ms: 300_000,
        }
    }
}

impl From<Retry> for chat_client::Retry {
    fn from(retry: Retry) -> Self {
        chat_client::Retry {
            tries: retry.tries,
            throttled_tries: retry.throttled_tries,
            first_delay: Duration::from_millis(retry.first_delay_ms),
            max_delay: Duration::from_millis(retry.max_delay_ms),
            max_retry_after: Duration::from_millis(retry.max_retry_after_ms),
        }
    }
}
