//! Why a model could not be fetched, and what a user can do about it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

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
        let host = error.url().and_then(|url| url.host_str());
        let host = host.unwrap_or("the Hub").to_owned();
        let reason = format!(
            "cannot reach {host}: {}; is there a connection? A folder can be given instead of an id",
            last_cause(&error.without_url())
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

/// The lowest cause of an error, which says what happened; those above it say that something did.
fn last_cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |cause| cause.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

/// An error with its causes, of which the lowest says most.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
