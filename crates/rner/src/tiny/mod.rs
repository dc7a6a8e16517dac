//! The toy world: its corpus as files, and the pretraining of its base model.

mod corpus;
mod pretrain;

pub(crate) use corpus::{TinyCorpus, write_corpus};
pub(crate) use pretrain::{Pretrain, PretrainConfig};
