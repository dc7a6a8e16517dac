//! The toy world: its corpus as files, and its prompt.

mod corpus;

pub use corpus::{TinyCorpus, write_corpus};
