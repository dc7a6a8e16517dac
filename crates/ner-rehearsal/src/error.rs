//! What can go wrong when the rehearsal is set up.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No port can be opened.
    #[error("cannot open a port of this machine for the mock servers; is port {port} taken?")]
    Port {
        /// The port asked for; 0 stands for any.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder cannot be used.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The catalogue names a format that the rehearsal cannot write.
    #[error(
        "{dataset}: the catalogue's format {format:?} cannot be written by the rehearsal; teach it to world.rs"
    )]
    Format {
        /// The dataset of the catalogue.
        dataset: String,
        /// Its format.
        format: String,
    },
    /// The catalogue cannot be read.
    #[error("the catalogue of datasets cannot be read")]
    Catalogue(#[source] toml::de::Error),
    /// The changed catalogue cannot be written as TOML.
    #[error("the changed catalogue cannot be written")]
    Toml(#[source] toml::ser::Error),
    /// Rows cannot be written.
    #[error(transparent)]
    Dataset(#[from] ner_datasets::Error),
    /// The simulated teacher cannot be set up.
    #[error(transparent)]
    Toy(#[from] ner_toy::Error),
}

impl Error {
    /// An error of the file system, for `map_err`.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}
