//! Why a model could not be fetched, and what a user can do about it.

use std::fmt;
use std::path::Path;

use reqwest::StatusCode;
use reqwest::blocking::Response;

/// A reason, by whether another attempt may succeed.
#[derive(Debug)]
pub(super) enum Failure {
    Again(String),
    Final(String),
    /// Another file failed, so this one was given up.
    Stopped,
}

impl Failure {
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
            Self::Again(reason)
        }
    }

    /// The bytes of a file ended before they were complete.
    pub(super) fn broken(path: &str, error: &std::io::Error) -> Self {
        Self::Again(format!(
            "{path}: the download broke off: {}; the next one goes on from there",
            chain(error)
        ))
    }

    /// The server answered, but not with what was asked for. `what` is that.
    pub(super) fn refusal(what: &str, response: Response) -> Self {
        let status = response.status();
        let said = message(response).unwrap_or_default();
        let reason = match status {
            StatusCode::NOT_FOUND => format!("{what} not found{said}"),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "{what} may not be read ({status}){said}; a gated model needs its licence accepted and a token in \
                 HF_TOKEN"
            ),
            _ => format!("{what}: the Hub answered {status}{said}"),
        };
        if may_pass(status) {
            Self::Again(reason)
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
            Self::Again(reason) | Self::Final(reason) => f.write_str(reason),
            Self::Stopped => f.write_str("given up"),
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
fn message(response: Response) -> Option<String> {
    let header = response.headers().get("x-error-message");
    let header = header.and_then(|text| text.to_str().ok());
    let said = match header {
        Some(text) => text.to_owned(),
        None => response.json::<serde_json::Value>().ok()?["error"]
            .as_str()?
            .to_owned(),
    };
    Some(format!(": {said}")).filter(|_| !said.is_empty())
}
