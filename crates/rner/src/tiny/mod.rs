//! The toy world: its corpus as files, and its prompt.

mod corpus;

pub use corpus::{TinyCorpus, write_corpus};

/// The prompt that the tiny model is trained and evaluated with: the paper's
/// parts in few tokens.
pub const PROMPT: &str = include_str!("../../../../fixtures/prompts/tiny.txt");
