//! The one error type of the crate. Every message says where, what was expected and what was found.

use std::path::{Path, PathBuf};

/// The result of everything in this crate that reads or writes files.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong with a configuration, a checkpoint or a tokenizer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read, written, synchronised or renamed.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was attempted, as a verb.
        action: &'static str,
        /// The reason given by the operating system.
        source: std::io::Error,
    },
    /// A JSON file is not valid JSON or lacks a field.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The reason, with line and column.
        source: serde_json::Error,
    },
    /// The configuration asks for something that this implementation does not have.
    #[error("`{field}` is {found}, but only {expected} is supported")]
    Unsupported {
        /// The field of `config.json`.
        field: &'static str,
        /// The value found, as JSON.
        found: String,
        /// What is supported.
        expected: &'static str,
    },
    /// The configuration contradicts itself.
    #[error("`{field}` is {found}, expected {expected}")]
    InvalidConfig {
        /// The field of `config.json`.
        field: &'static str,
        /// The value found.
        found: String,
        /// What would be valid.
        expected: String,
    },
    /// A configuration file was refused.
    #[error("{}: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Which field, and why.
        source: Box<Error>,
    },
    /// The directory holds no weights under a name that is known.
    #[error(
        "{}: no weights, expected model.safetensors or model.safetensors.index.json{hint}",
        dir.display()
    )]
    NoWeights {
        /// The directory of the checkpoint.
        dir: PathBuf,
        /// A remark on other formats that lie there, or nothing.
        hint: &'static str,
    },
    /// The file is not in the safetensors format at all.
    #[error("{}: not a safetensors file: {found}", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What its first bytes look like.
        found: String,
    },
    /// The file ends before its header or its data do.
    #[error("{}: {part} is cut short: expected {expected} bytes, found {found}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// `header` or `data`.
        part: &'static str,
        /// Bytes that the file announces.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The header of a safetensors file is readable, but the places of its tensors make no sense.
    #[error("{}: the header is wrong: {reason}", path.display())]
    BadHeader {
        /// The file.
        path: PathBuf,
        /// Which tensor, and what is wrong with it.
        reason: String,
    },
    /// The index of a sharded checkpoint is wrong.
    #[error("{}: {reason}", path.display())]
    BadIndex {
        /// The index.
        path: PathBuf,
        /// Which entry, and what is wrong with it.
        reason: String,
    },
    /// The model has parameters that the checkpoint lacks.
    #[error(
        "{}: {} of the model's tensors are missing: {}{}",
        path.display(), names.len(), list(names), others(found)
    )]
    MissingTensors {
        /// The checkpoint.
        path: PathBuf,
        /// The missing names, in the order of the model.
        names: Vec<String>,
        /// Names in the checkpoint that the model does not have, sorted: a missing tensor may be there under another
        /// name.
        found: Vec<String>,
    },
    /// The checkpoint has tensors that the model lacks.
    #[error("{}: {} tensors do not belong to this model: {}", path.display(), names.len(), list(names))]
    ExtraTensors {
        /// The checkpoint.
        path: PathBuf,
        /// The surplus names, sorted.
        names: Vec<String>,
    },
    /// A tensor does not have the shape that the configuration implies.
    #[error("{}: tensor `{name}` has shape {found:?}, the configuration implies {expected:?}", path.display())]
    WrongShape {
        /// The file, or the directory that was to be written.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape by the configuration.
        expected: Vec<usize>,
        /// Its shape in the file.
        found: Vec<usize>,
    },
    /// A tensor is stored in a number format that is not read.
    #[error("{}: tensor `{name}` is stored as {found}, expected F32, F16 or BF16", path.display())]
    WrongDtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its format in the file.
        found: String,
    },
    /// The configuration ties the head to the embeddings, but the file has another head.
    #[error(
        "{}: `tie_word_embeddings` is true, but `lm_head.weight` differs from `model.embed_tokens.weight`",
        path.display()
    )]
    UntiedHead {
        /// The file with the head.
        path: PathBuf,
    },
    /// A model with an adapter was to be saved as a whole one.
    #[error("{}: the model has an adapter: merge it first, or save the adapter alone", path.display())]
    HasAdapter {
        /// Where it was to be saved.
        path: PathBuf,
    },
    /// The adapter of a model that has none was asked for.
    #[error("{}: the model has no adapter to save", path.display())]
    NoAdapter {
        /// Where it was to be saved.
        path: PathBuf,
    },
    /// A training checkpoint holds an adapter of another configuration.
    #[error("{}: the adapter here is {found:?}, this run has {expected:?}", path.display())]
    OtherAdapter {
        /// The directory.
        path: PathBuf,
        /// The configuration of the run.
        expected: Box<crate::LoraConfig>,
        /// That of the checkpoint.
        found: Option<Box<crate::LoraConfig>>,
    },
    /// The configuration of an adapter cannot be used.
    #[error("{}: `{key}` is {found}, expected {expected}", path.display())]
    BadAdapter {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What could be used.
        expected: String,
    },
    /// An adapter computes what is not computed here, or not on the base as it is published.
    #[error("{}: `{key}` is {found}: {reason}", path.display())]
    UnsupportedAdapter {
        /// The file.
        path: PathBuf,
        /// The key of `adapter_config.json`.
        key: String,
        /// Its value.
        found: String,
        /// Why it cannot be used, and what to do.
        reason: String,
    },
    /// A model of the Hub could not be fetched.
    #[cfg(feature = "hub")]
    #[error("{model}: {reason}")]
    Hub {
        /// Its id.
        model: String,
        /// What happened, and what can be done about it.
        reason: String,
    },
    /// A tensor could not be read back from the device.
    #[error("tensor `{name}` cannot be read back from the device: {reason}")]
    Device {
        /// The tensor.
        name: String,
        /// The reason given by the backend.
        reason: String,
    },
    /// The tokenizer file cannot be used.
    #[error("{}: {reason}", path.display())]
    BadTokenizer {
        /// The file, or `<trained>` for one that was just trained.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A text could not be split into tokens.
    #[error("cannot tokenize a text of {bytes} bytes: {reason}")]
    Encode {
        /// The length of the text.
        bytes: usize,
        /// The reason given by the tokenizer.
        reason: String,
    },
    /// A stop string has no characters.
    #[error("stop string {index} is empty, expected at least one character")]
    EmptyStop {
        /// Its number in the list, from 0.
        index: usize,
    },
    /// Training a tokenizer failed.
    #[error("cannot train a tokenizer: {0}")]
    TrainTokenizer(String),
}

impl Error {
    /// Turns an I/O error into one that names the file and the attempt.
    pub(crate) fn io(
        path: &Path,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }

    /// A field of `config.json` with a value that is not supported.
    pub(crate) fn unsupported(
        field: &'static str,
        found: impl serde::Serialize,
        expected: &'static str,
    ) -> Self {
        let found = serde_json::to_string(&found).unwrap_or_else(|error| error.to_string());
        Self::Unsupported {
            field,
            found,
            expected,
        }
    }

    /// Turns a JSON error into one that names the file.
    pub(crate) fn json(path: &Path) -> impl FnOnce(serde_json::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Json { path, source }
    }
}

impl From<atomic_files::Error> for Error {
    fn from(error: atomic_files::Error) -> Self {
        let path = error.path().to_owned();
        Self::io(&path, "write")(error.into_io())
    }
}

/// Names that a file has in place of missing ones; two are enough to see another prefix.
fn others(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("; the file has {one} instead"),
        [one, two] => format!("; the file has {one} and {two} instead"),
        [one, two, more @ ..] => {
            format!(
                "; the file has {one}, {two} and {} more instead",
                more.len()
            )
        }
    }
}

/// The first few of many names; a whole model would fill the screen.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
