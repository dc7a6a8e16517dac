//! Why a model could not be fetched, and what a user can do about it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::net::Net;

/// Bytes of a refusal that are read, and characters of it that are shown.
const MAX_REFUSAL: usize = 64 << 10;
const MAX_SHOWN: usize = 300;

/// A reason, by whether another attempt may succeed.
#[derive(Debug)]
pub(super) enum Failure {
    Again {
        reason: String,
        /// How long the server asks to wait.
        after: Option<Duration>,
    },
    Final(String),
    /// Another file failed, or the caller wants the download to end.
    Stopped,
}

impl Failure {
    pub(super) fn again(reason: String) -> Self {
        let after = None;
        Self::Again { reason, after }
    }

    pub(super) fn last(reason: String) -> Self {
        Self::Final(reason)
    }

    /// An offline run needs what the cache does not have.
    pub(super) fn not_cached(revision: &str, cache: &Path) -> Self {
        Self::Final(format!(
            "revision `{revision}` is not in the cache {}: go online once, or unset HF_HUB_OFFLINE",
            cache.display()
        ))
    }

    /// The server could not be asked, or fell silent.
    pub(super) fn connection(error: reqwest::Error) -> Self {
        let is_final = error.is_builder() || error.is_redirect();
        let reason = format!(
            "{}; is there a connection? A folder can be given instead of an id",
            chain(&error)
        );
        if is_final {
            Self::Final(reason)
        } else {
            Self::again(reason)
        }
    }

    /// The bytes of a file ended before they were complete.
    pub(super) fn broken(path: &str, error: &reqwest::Error) -> Self {
        Self::again(format!(
            "{path}: the download broke off: {}; the next one goes on from there",
            chain(error)
        ))
    }

    /// The server answered, but not with what was asked for. `what` is that.
    pub(super) fn refusal(what: &str, response: Response, net: &Net) -> Self {
        let status = response.status();
        let after = asked_pause(response.headers());
        let said = message(response, net).unwrap_or_default();
        let reason = match status {
            StatusCode::NOT_FOUND => format!("{what} not found{said}"),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "{what} may not be read ({status}){said}; a gated model needs its licence accepted and a token in \
                 HF_TOKEN"
            ),
            _ => format!("{what}: the Hub answered {status}{said}"),
        };
        if may_pass(status) {
            Self::Again { reason, after }
        } else {
            Self::Final(reason)
        }
    }

    /// An answer that no Hub gives.
    pub(super) fn malformed(what: &str, fault: impl fmt::Display) -> Self {
        Self::Final(format!("{what}: the Hub's answer cannot be used: {fault}"))
    }

    /// A file of the cache cannot be read or written.
    pub(super) fn io(path: &Path, doing: &str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Final(format!("cannot {doing} {}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again { reason, .. } | Self::Final(reason) => f.write_str(reason),
            Self::Stopped => {
                f.write_str("the download was stopped; the next one goes on from there")
            }
        }
    }
}

/// An error with its causes, of which the lowest says most.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn may_pass(status: StatusCode) -> bool {
    let too_early = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || too_early.contains(&status)
}

/// What the Hub says in a header, or in the body of its answer.
fn message(response: Response, net: &Net) -> Option<String> {
    let header = response.headers().get("x-error-message");
    let header = header.and_then(|text| text.to_str().ok());
    let said = match header {
        Some(text) => text.to_owned(),
        None => {
            let body = net.body(response, MAX_REFUSAL).ok()?;
            let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
            body["error"].as_str()?.to_owned()
        }
    };
    Some(format!(": {}", harmless(&said))).filter(|_| !said.is_empty())
}

/// A beginning of the text in which no character commands a terminal.
fn harmless(text: &str) -> String {
    let shown = text.chars().take(MAX_SHOWN);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    shown.map(plain).collect()
}

/// The pause that a server asks for in seconds: `Retry-After: 30`, or the Hub's `RateLimit: "api";r=0;t=30`.
fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let limit = text("ratelimit").filter(|limit| limit.contains("r=0"));
    let reset = limit.and_then(|limit| limit.split(';').find_map(|part| part.strip_prefix("t=")));
    let seconds = text(RETRY_AFTER.as_str()).or(reset)?.trim();
    Some(Duration::from_secs(seconds.parse().ok()?))
}
