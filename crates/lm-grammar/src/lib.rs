//! Decoding under a grammar: the next token is drawn of those that can still lead to a sentence of a language.
//!
//! A [`Vocabulary`] is made once for each tokenizer, a [`Grammar`] from it once for each language, and [`Constrained`]
//! is the observer that holds the completions of requests to their grammars, beside another observer. The engine is
//! `llguidance`, whose dialect of Lark the grammars are written in.
//!
//! ```
//! use lm_grammar::Vocabulary;
//! use lm_model::ChatTokenizer;
//!
//! let tokenizer = ChatTokenizer::train_bpe(["yes no maybe"], 300)?;
//! let vocabulary = Vocabulary::new(&tokenizer)?;
//! let grammar = vocabulary.grammar("start: \"yes\" | \"no\"")?;
//! let mut state = grammar.start();
//! let n = |text| tokenizer.encode_text(text).expect("ids")[0];
//! let allowed = state.allowed()?;
//! assert!(allowed.allows(n("y")) && !allowed.allows(n("m")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod constrained;
mod vocabulary;

pub use constrained::Constrained;
pub use vocabulary::{Grammar, State, Vocabulary};

/// What can go wrong with a grammar.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tokens of a tokenizer cannot be taken.
    #[error("the vocabulary cannot be used for grammars: {reason}")]
    Vocabulary {
        /// The engine's words.
        reason: String,
    },
    /// A grammar that cannot be read, or is larger than the engine's limits.
    #[error("the grammar cannot be used: {reason}")]
    Grammar {
        /// The engine's words.
        reason: String,
    },
    /// A state that cannot go on.
    #[error("the grammar cannot go on: {reason}")]
    State {
        /// The engine's words.
        reason: String,
    },
}
