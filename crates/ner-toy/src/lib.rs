//! A toy world for named entity recognition: everything that a small run needs and that cannot be downloaded.
//!
//! - [`Corpus`] has annotated sentences with reasoning from a grammar and a seed; its evaluation domains share no type,
//!   no name and no sentence shape with its training domains. The domains themselves are in [`corpus`].
//!   [`Corpus::of`] gives the same world as relations or as events.
//! - [`pretraining`] is the text that the toy's base model has read before.
//! - [`PROMPT`] is the prompt that it is trained and evaluated with.
//! - [`teacher`] answers the prompts of the NER-CoT pipeline from gold, with seeded mistakes; with the feature `server`
//!   as an HTTP server.
//!
//! The same seed gives the same bytes on every machine. Scores on this corpus say whether a pipeline works; they say
//! nothing about real data.
//!
//! ```
//! use ner_toy::{Corpus, CorpusConfig};
//!
//! let config = CorpusConfig { seed: 42, train: 20, rl: 5, eval_per_domain: 3 };
//! let corpus = Corpus::generate(&config);
//! assert_eq!((corpus.train.len(), corpus.rl.len(), corpus.eval.len()), (20, 5, 7));
//! let example = &corpus.train[0];
//! assert!(example.entities.iter().all(|entity| example.sentence.contains(&entity.text)));
//! assert_eq!(corpus, Corpus::generate(&config));
//! ```

pub mod corpus;
mod error;
pub mod pretraining;
pub mod teacher;

pub use corpus::{Corpus, CorpusConfig};
pub use error::Error;
use ner_types::Task;

/// A prompt with the parts of the paper's in few tokens, for [`ner_types::PromptTemplate::parse`].
pub const PROMPT: &str = include_str!("../prompts/tiny.txt");

/// The prompt of a task in few tokens; [`PROMPT`] for entities.
pub fn prompt(task: Task) -> &'static str {
    match task {
        Task::Entities => PROMPT,
        Task::Relations => include_str!("../prompts/tiny-relations.txt"),
        Task::Events => include_str!("../prompts/tiny-events.txt"),
    }
}

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
