//! The tokens of a model, and the languages over them.

use std::fmt;
use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use lm_generate::TokenMask;
use lm_model::ChatTokenizer;

use crate::Error;

/// The tokens of a tokenizer, as bytes. Making one takes a walk through the whole vocabulary.
#[derive(Clone)]
pub struct Vocabulary {
    factory: Arc<ParserFactory>,
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").finish_non_exhaustive()
    }
}

impl Vocabulary {
    /// The tokens of a tokenizer. Those that end an answer may come where a grammar may end, and tokens that are not
    /// shown never.
    ///
    /// # Errors
    /// If the engine refuses the vocabulary.
    pub fn new(tokenizer: &ChatTokenizer) -> Result<Self, Error> {
        let size = tokenizer.vocab_size() as u32;
        let words: Vec<Vec<u8>> = (0..size).map(|id| tokenizer.bytes_of(id)).collect();
        let info = TokRxInfo::new(size, tokenizer.eos_id());
        let trie = TokTrie::from(&info, &words).with_eos_tokens(&tokenizer.stop_ids());
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let factory = ParserFactory::new_simple(&env);
        let mut factory = factory.map_err(|error| Error::Vocabulary {
            reason: error.to_string(),
        })?;
        factory.quiet();
        Ok(Self {
            factory: Arc::new(factory),
        })
    }

    /// A language, written in the dialect of Lark that `llguidance` reads.
    ///
    /// # Errors
    /// If it cannot be read, or is larger than the engine's limits.
    pub fn grammar(&self, lark: &str) -> Result<Grammar, Error> {
        let parser = self
            .factory
            .create_parser(TopLevelGrammar::from_lark(lark.to_owned()));
        let parser = parser.map_err(|error| Error::Grammar {
            reason: error.to_string(),
        })?;
        Ok(Grammar {
            start: Matcher::new(Ok(parser)),
        })
    }
}

/// A language over the tokens of a [`Vocabulary`].
#[derive(Clone)]
pub struct Grammar {
    start: Matcher,
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grammar").finish_non_exhaustive()
    }
}

impl Grammar {
    /// The state before the first token.
    pub fn start(&self) -> State {
        State {
            matcher: self.start.deep_clone(),
        }
    }
}

/// Where a text stands in a language.
pub struct State {
    matcher: Matcher,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    /// The tokens that may come next. Where nothing more can come, those that end an answer.
    ///
    /// # Errors
    /// If the engine gives up, as at one of its limits.
    pub fn allowed(&mut self) -> Result<TokenMask, Error> {
        let mask = self.matcher.compute_mask_or_eos().map_err(failed)?;
        Ok(TokenMask::from_words(mask.as_slice().to_vec()))
    }

    /// Goes on by a token.
    ///
    /// # Errors
    /// If it was not allowed.
    pub fn accept(&mut self, id: u32) -> Result<(), Error> {
        self.matcher.consume_token(id).map_err(failed)
    }

    /// Whether the text may end here.
    pub fn may_end(&mut self) -> bool {
        self.matcher.is_stopped() || self.matcher.is_accepting().unwrap_or(false)
    }
}

fn failed(error: impl fmt::Display) -> Error {
    Error::State {
        reason: error.to_string(),
    }
}
