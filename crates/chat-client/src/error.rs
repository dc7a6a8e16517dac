//! What can go wrong, with where it happened, what was expected and what was found.

use std::path::PathBuf;

use crate::rejection::Rejection;

/// An error of this crate.
///
/// No message ever contains an API key: only the place where it is found is shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    #[error("setting {field}: expected {expected}, found {found}")]
    Setting {
        /// Name of the setting.
        field: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// The value given.
        found: String,
    },
    /// The address of a server cannot be used.
    #[error(
        "server address {url:?}: expected http://host or https://host without user, query and fragment, found {why}"
    )]
    BaseUrl {
        /// The address as given, or a placeholder when it contains a password.
        url: String,
        /// What stands there instead.
        why: String,
    },
    /// The environment variable that should hold the key is absent or empty.
    #[error("the environment variable {var} should hold the API key, but it is not set")]
    MissingKey {
        /// Name of the variable.
        var: String,
    },
    /// The file that should hold the key cannot be read or is empty.
    #[error("the file {} should hold the API key, but {why}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key cannot be sent in an HTTP header.
    #[error("the API key in {place} has characters that HTTP does not allow")]
    InvalidKey {
        /// Where the key is found.
        place: String,
    },
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client: {0}")]
    HttpClient(String),
    /// Nothing answers at the address.
    #[error("cannot connect to {url} after {tries} tries: {cause}")]
    Unreachable {
        /// The address.
        url: String,
        /// How often it was tried.
        tries: u32,
        /// The last cause.
        cause: String,
    },
    /// The server refuses the request, and trying again would not help.
    #[error("{url} answered {status} to a request for model {model:?}: {message}{hint}")]
    Refused {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The model that was asked for.
        model: String,
        /// The server's own words, shortened.
        message: String,
        /// What to do about it, or nothing.
        hint: &'static str,
    },
    /// The server cannot answer this request, while it may answer others.
    #[error("{url} answered {status} to one request for model {model:?} ({rejection}): {message}")]
    Rejected {
        /// The address.
        url: String,
        /// The HTTP status; 200 where the answer has nothing in it.
        status: u16,
        /// The model that was asked for.
        model: String,
        /// Why it cannot.
        rejection: Rejection,
        /// The server's own words, shortened.
        message: String,
    },
    /// The answer is not one of an OpenAI-compatible server.
    #[error(
        "{url} does not answer like an OpenAI chat-completions server: expected {expected}, received {found}"
    )]
    NotOpenAi {
        /// The address.
        url: String,
        /// What was expected.
        expected: &'static str,
        /// What came, shortened.
        found: String,
    },
    /// All tries failed with errors that are usually transient.
    #[error("{url} failed {tries} times; the last time: {cause}")]
    GaveUp {
        /// The address.
        url: String,
        /// How often it was tried.
        tries: u32,
        /// The last cause.
        cause: String,
    },
    /// The budget does not cover another request.
    #[error("{0}")]
    BudgetReached(Box<Shortfall>),
    /// There is a budget, and nothing limits what the answer may cost.
    #[error(
        "a budget needs a limit for each answer: set max_tokens (or max_completion_tokens), as an answer without one may cost any amount"
    )]
    NoTokenLimit,
    /// The run was stopped before this request was sent.
    #[error("stopped before the request was sent")]
    Stopped,
}

impl Error {
    /// The error of a request that is like all others, so that what is wrong with it is wrong with all.
    pub(crate) fn for_all(self) -> Self {
        match self {
            Self::Rejected {
                url,
                status,
                model,
                message,
                ..
            } => Self::Refused {
                url,
                status,
                model,
                message,
                hint: "",
            },
            other => other,
        }
    }
}

/// A budget that does not cover the next request, in dollars or tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the budget of {budget} {what} is reached: {spent} spent, up to {unknown} more for requests whose cost is unknown, {left} left, and the next request may cost {next}"
)]
pub struct Shortfall {
    /// What has run out: `dollars` or `tokens`.
    pub what: &'static str,
    /// How much may be spent.
    pub budget: String,
    /// How much is known to be spent.
    pub spent: String,
    /// How much more the requests may have cost that were sent and never settled.
    pub unknown: String,
    /// What is left of the budget.
    pub left: String,
    /// The most that the request can cost for which that is too little.
    pub next: String,
}

/// The first characters of a text that came from outside, on one line.
///
/// Characters that a terminal obeys (control characters, changes of the writing direction) are written as `\u{1b}`.
pub fn excerpt(text: &str) -> String {
    const LIMIT: usize = 200;
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let space = if line.is_empty() { "" } else { " " };
        for c in space.chars().chain(word.chars()) {
            if length == LIMIT {
                line.push('…');
                return line;
            }
            length += 1;
            if is_obeyed(c) {
                line.extend(c.escape_unicode());
            } else {
                line.push(c);
            }
        }
    }
    line
}

/// Whether a terminal acts on a character instead of showing it.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        for (text, expected) in [
            (" two\n\tlines ", "two lines"),
            ("\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("é 漢 \u{1f600}", "é 漢 \u{1f600}"),
        ] {
            assert_eq!(excerpt(text), expected);
        }
        let long = excerpt(&"ab ".repeat(100_000));
        assert_eq!(long.chars().count(), 201);
        assert!(excerpt(&"\x1b".repeat(300)).starts_with("\\u{1b}"));
        assert!(!excerpt(&"x".repeat(200)).ends_with('…'));
    }
}
