//! What can go wrong, with where it happened, what was expected and what was found.

use std::path::PathBuf;

/// An error of this crate.
///
/// No message ever contains an API key: keys live in the environment, and only
/// the variable's name is shown.
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
    #[error("server address {url:?}: {why}")]
    BaseUrl {
        /// The address as given, or a placeholder when it contains a password.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The environment variable that should hold the key is absent or empty.
    #[error("the environment variable {var} should hold the API key, but it is not set")]
    MissingKey {
        /// Name of the variable.
        var: String,
    },
    /// The key cannot be sent in an HTTP header.
    #[error(
        "the API key in the environment variable {var} has characters that HTTP does not allow"
    )]
    InvalidKey {
        /// Name of the variable.
        var: String,
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
    /// The run was stopped before this request was sent.
    #[error("stopped before the request was sent")]
    Stopped,
    /// A prompt template lacks a placeholder or has it twice.
    #[error("prompt template {name}: expected {placeholder} exactly once, found it {found} times")]
    Template {
        /// The file or the built-in name.
        name: String,
        /// The placeholder.
        placeholder: &'static str,
        /// How often it occurs.
        found: usize,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}{}", path.display(), disk_hint(source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another process works in the same directory.
    #[error(
        "{} is in use by another process ({owner}); wait for it or give this run its own directory",
        path.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the lock file says about the owner.
        owner: String,
    },
    /// The file in the journal's place was not written by this program, or by a newer one.
    #[error("{}: expected a journal of version {expected}, found {found}", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// The version this program writes.
        expected: u32,
        /// The beginning of what is there.
        found: String,
    },
    /// The journal cannot be written.
    #[error(
        "cannot write the journal {}: {source}{}; {unsaved} answers of this run are not on disk, \
         all earlier ones are, and the next run goes on from them",
        path.display(), disk_hint(source)
    )]
    JournalWrite {
        /// The journal.
        path: PathBuf,
        /// Paid answers that could not be stored.
        unsaved: usize,
        /// The cause.
        source: std::io::Error,
    },
    /// No row of the source can be annotated.
    #[error("none of the {rows} source rows has both a sentence and a schema")]
    NoUsableSource {
        /// Rows given.
        rows: usize,
    },
}

impl Error {
    /// An [`Error::Io`] for `path`.
    pub(crate) fn io(action: &'static str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }
}

fn disk_hint(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::StorageFull => " (free some space and run again)",
        _ => "",
    }
}

/// The first characters of a text that came from outside, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    const LIMIT: usize = 200;
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.chars().count() > LIMIT {
            let cut: String = line.chars().take(LIMIT).collect();
            return format!("{cut}…");
        }
    }
    line
}
