//! The toy world: its corpus as files, and the pretraining of its base model.

mod corpus;
mod pretrain;

pub(crate) use corpus::{TinyCorpus, write_corpus};
pub(crate) use pretrain::{Pretrain, PretrainConfig};

/// The prompt that the tiny model is trained and evaluated with: the paper's
/// parts in few tokens.
pub(crate) const PROMPT: &str = include_str!("../../../../fixtures/prompts/tiny.txt");
