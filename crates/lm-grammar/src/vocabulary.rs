//! The tokens of a model, and the languages over them.

use std::fmt;
use std::sync::Arc;

use llguidance::api::{StopReason, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use lm_generate::TokenMask;
use lm_model::ChatTokenizer;

use crate::Error;

/// The tokens of a tokenizer, as bytes. Making one takes a walk through the whole vocabulary.
#[derive(Clone)]
pub struct Vocabulary {
    factory: Arc<ParserFactory>,
    /// The tokens that end an answer.
    ends: Arc<[u32]>,
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
            ends: tokenizer.stop_ids().into(),
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
            ends: self.ends.clone(),
            env: self.factory.tok_env().clone(),
        })
    }
}

/// A language over the tokens of a [`Vocabulary`].
#[derive(Clone)]
pub struct Grammar {
    start: Matcher,
    ends: Arc<[u32]>,
    env: TokEnv,
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
            ends: self.ends.clone(),
            env: self.env.clone(),
        }
    }
}

/// Where a text stands in a language.
pub struct State {
    matcher: Matcher,
    ends: Arc<[u32]>,
    env: TokEnv,
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

    /// Whether a token may come next: whether [`State::allowed`] has it, for less work. Nothing may after an error.
    pub fn permits(&mut self, id: u32) -> bool {
        if self.matcher.is_stopped() {
            return self.allowed().is_ok_and(|allowed| allowed.allows(id));
        }
        if self.ends.contains(&id) {
            return self.matcher.is_accepting().unwrap_or(false);
        }
        self.matcher
            .validate_tokens(&[id])
            .is_ok_and(|valid| valid == 1)
    }

    /// Goes on by a token.
    ///
    /// # Errors
    /// If it was not allowed.
    pub fn accept(&mut self, id: u32) -> Result<(), Error> {
        // Where nothing more can come, the engine has stopped and takes no token, although it allows the end.
        if self.matcher.stop_reason() == StopReason::NoExtension && self.ends.contains(&id) {
            return Ok(());
        }
        self.matcher.consume_token(id).map_err(failed)
    }

    /// Tokens that spell what must come next, if something must. A model may spell it with others.
    pub fn forced(&mut self) -> Vec<u32> {
        let bytes = self.matcher.compute_ff_bytes();
        if bytes.is_empty() {
            return Vec::new();
        }
        self.env.tok_trie().greedy_tokenize(&bytes)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer() -> ChatTokenizer {
        ChatTokenizer::train_bpe(["yes no maybe <think> 小樽"], 400).expect("a tokenizer")
    }

    fn texts(tokenizer: &ChatTokenizer, mask: &TokenMask) -> Vec<String> {
        let ids = (0..tokenizer.vocab_size() as u32).filter(|id| mask.allows(*id));
        ids.map(|id| tokenizer.decode(&[id])).collect()
    }

    #[test]
    fn only_what_leads_to_a_sentence_is_allowed() {
        let tokenizer = tokenizer();
        let vocabulary = Vocabulary::new(&tokenizer).expect("a vocabulary");
        let grammar = vocabulary
            .grammar("start: \"no\" | \"now\"")
            .expect("a grammar");
        let mut state = grammar.start();
        let allowed = texts(&tokenizer, &state.allowed().expect("a set"));
        assert!(allowed.contains(&"n".into()), "{allowed:?}");
        assert!(
            allowed.iter().all(|text| "now".starts_with(text.as_str())),
            "{allowed:?}"
        );
        for id in tokenizer.encode_text("no").expect("ids") {
            assert!(!state.may_end());
            state.accept(id).expect("allowed");
        }
        assert!(state.may_end(), "after `no`");
        let mask = state.allowed().expect("a set");
        assert!(mask.allows(tokenizer.eos_id()), "it may end or go on");
        let w = tokenizer.encode_text("w").expect("an id")[0];
        assert!(
            mask.allows(w) && mask.len() == 1 + tokenizer.stop_ids().len(),
            "{mask:?}"
        );
        state.accept(w).expect("allowed");
        let mask = state.allowed().expect("a set");
        assert_eq!(
            mask,
            TokenMask::of(tokenizer.stop_ids()).and(&mask),
            "only the end"
        );
        state.accept(tokenizer.eos_id()).expect("the end");
    }

    #[test]
    fn a_character_of_several_tokens_is_one_letter() {
        let tokenizer = tokenizer();
        let vocabulary = Vocabulary::new(&tokenizer).expect("a vocabulary");
        let grammar = vocabulary.grammar("start: /[小樽é]+/").expect("a grammar");
        let mut state = grammar.start();
        for id in tokenizer.encode_text("é樽").expect("ids") {
            assert!(state.allowed().expect("a set").allows(id));
            state.accept(id).expect("allowed");
        }
        assert!(state.may_end());
    }

    #[test]
    fn what_is_no_grammar_or_not_allowed_is_an_error() {
        let vocabulary = Vocabulary::new(&tokenizer()).expect("a vocabulary");
        let error = vocabulary
            .grammar("start: nowhere")
            .expect_err("no such rule");
        assert!(matches!(error, Error::Grammar { .. }), "{error}");
        let mut state = vocabulary
            .grammar("start: \"a\"")
            .expect("a grammar")
            .start();
        let wrong = tokenizer().encode_text("b").expect("an id")[0];
        assert!(matches!(state.accept(wrong), Err(Error::State { .. })));
        assert!(state.allowed().is_err(), "it stays broken");
    }
}
