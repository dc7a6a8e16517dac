//! What can go wrong, with where it happened, what was expected and what was found.

use std::path::PathBuf;

/// An error of this crate.
///
/// No message ever contains an API key: keys live in the environment, and only
/// the variable's name is shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A server cannot be asked, or has not answered.
    #[error(transparent)]
    Client(#[from] chat_client::Error),
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
    /// A name is not one of those that there are.
    #[error("{what}: expected one of {expected}, found {found:?}")]
    UnknownName {
        /// What was to be named.
        what: &'static str,
        /// All names.
        expected: String,
        /// The name given.
        found: String,
    },
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
        source: std::sync::Arc<std::io::Error>,
    },
    /// The journal cannot be forced to the disk. That is not tried again, as it could succeed without them.
    #[error(
        "cannot force the journal {} to the disk: {source}{}; the last lines, up to {unsaved}, may not be on it, \
         all earlier ones are; look after the disk, then run again: it goes on from what is really there",
        path.display(), disk_hint(source)
    )]
    JournalSync {
        /// The journal.
        path: PathBuf,
        /// Lines, most of them paid answers, that were written since it last succeeded.
        unsaved: usize,
        /// The cause.
        source: std::sync::Arc<std::io::Error>,
    },
    /// A folder has answers that were asked for in another way.
    #[error(
        "{}: its {answers} answers were asked for with other settings, and would all be paid for again: \
         {changes}; give this run its own directory, or allow the change",
        path.display()
    )]
    OtherConfiguration {
        /// The manifest.
        path: PathBuf,
        /// Answers in the journal.
        answers: usize,
        /// What is different.
        changes: String,
    },
    /// The file in the manifest's place was not written by this program, or by a newer one.
    #[error("{}: expected a manifest of version {expected}, found version {found}", path.display())]
    NotAManifest {
        /// The file.
        path: PathBuf,
        /// The version this program writes.
        expected: u32,
        /// The version that is there.
        found: String,
    },
    /// A line of a file of batch results is none.
    #[error(
        "{}, line {line}: expected a result of a batch service with a custom_id, found {found}",
        path.display()
    )]
    BatchLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is there.
        found: String,
    },
    /// The server has other models.
    #[error("{url} has no model {model:?}: {known}")]
    UnknownModel {
        /// The address.
        url: String,
        /// The model that was asked for.
        model: String,
        /// What it has.
        known: String,
    },
    /// The teacher's answers run out of tokens again and again.
    #[error(
        "{cut} of {of} answers of the teacher reached {limit} and cannot be used: set cot.max_tokens to {enough} or \
         more, and sft.train.max_length with it, or switch the teacher's thinking off. What was answered is in the journal; \
         another cot.max_tokens asks anew, so it wants another folder or --allow-change"
    )]
    CutOff {
        /// Answers that were cut off.
        cut: usize,
        /// Answers that were looked at, the last ones of the run.
        of: usize,
        /// What they reached, in words.
        limit: String,
        /// Tokens that are more likely to be enough.
        enough: u32,
    },
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] ner_datasets::Error),
    /// Something happened that cannot happen.
    #[error("a defect of this program: {0}")]
    Internal(&'static str),
    /// No row of the source can be annotated.
    #[error("none of the {rows} source rows has both a sentence and a schema")]
    NoUsableSource {
        /// Rows given.
        rows: usize,
    },
}

impl Error {
    /// An [`Error::UnknownName`].
    pub(crate) fn unknown(what: &'static str, names: &[&str], found: &str) -> Self {
        Self::UnknownName {
            what,
            expected: names.join(", "),
            found: found.into(),
        }
    }

    /// An [`Error::CutOff`]; a reasoning model writes some thousand tokens.
    pub(crate) fn cut_off(cut: usize, of: usize, max_tokens: Option<u32>) -> Self {
        let limit = max_tokens.map_or_else(
            || "the server's own limit of tokens".into(),
            |tokens| format!("cot.max_tokens = {tokens}"),
        );
        let enough = max_tokens.unwrap_or(0).saturating_mul(4).max(4096);
        Self::CutOff {
            cut,
            of,
            limit,
            enough,
        }
    }

    /// An [`Error::Io`] for `path`.
    pub(crate) fn io(action: &'static str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }
}

impl From<atomic_files::Error> for Error {
    fn from(error: atomic_files::Error) -> Self {
        let path = error.path().to_owned();
        Self::io("write", &path, error.into_io())
    }
}

fn disk_hint(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::StorageFull => " (free some space and run again)",
        _ => "",
    }
}
