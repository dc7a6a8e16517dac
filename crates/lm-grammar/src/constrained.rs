//! The observer that holds completions to grammars.

use std::collections::HashMap;
use std::ops::ControlFlow;

use lm_generate::{Generated, NewToken, Observer, Progress, TokenMask};

use crate::{Error, Grammar, State};

/// Holds the completions of requests to their grammars, and tells another observer of all of them.
///
/// A completion that stands where nothing but its end can come is ended by a stop token of the request, which must be
/// one of the tokenizer's.
#[derive(Debug)]
pub struct Constrained<'a, O> {
    inner: O,
    grammars: HashMap<usize, &'a Grammar>,
    states: HashMap<(usize, usize), State>,
    errors: Vec<(usize, Error)>,
}

impl<'a, O: Observer> Constrained<'a, O> {
    /// Tells `inner` of everything, and holds no request to anything yet.
    pub fn new(inner: O) -> Self {
        Self {
            inner,
            grammars: HashMap::new(),
            states: HashMap::new(),
            errors: Vec::new(),
        }
    }

    /// Holds a request to a grammar, by its number.
    #[must_use]
    pub fn with(mut self, request: usize, grammar: &'a Grammar) -> Self {
        self.grammars.insert(request, grammar);
        self
    }

    /// Why requests could not go on, with their numbers: the generator says of them that nothing is allowed.
    pub fn errors(&self) -> &[(usize, Error)] {
        &self.errors
    }

    /// The state of a sample, if its request has a grammar.
    fn state(&mut self, request: usize, sample: usize) -> Option<&mut State> {
        let grammar = self.grammars.get(&request)?;
        let state = self.states.entry((request, sample));
        Some(state.or_insert_with(|| grammar.start()))
    }
}

impl<O: Observer> Observer for Constrained<'_, O> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        if let Some(state) = self.state(token.request, token.sample)
            && let Err(error) = state.accept(token.id)
        {
            self.errors.push((token.request, error));
        }
        self.inner.on_token(token)
    }

    /// What both allow.
    fn allowed(&mut self, request: usize, sample: usize) -> Option<TokenMask> {
        let outer = self.state(request, sample).map(State::allowed);
        let outer = outer.map(|mask| {
            mask.unwrap_or_else(|error| {
                self.errors.push((request, error));
                TokenMask::default()
            })
        });
        match (outer, self.inner.allowed(request, sample)) {
            (Some(one), Some(other)) => Some(one.and(&other)),
            (one, other) => one.or(other),
        }
    }

    fn permits(&mut self, request: usize, sample: usize, id: u32) -> bool {
        let outer = self.state(request, sample);
        outer.is_none_or(|state| state.permits(id)) && self.inner.permits(request, sample, id)
    }

    /// What the grammar forces, or else the draft of the other observer.
    fn draft(&mut self, request: usize, sample: usize, most: usize) -> Vec<u32> {
        let forced = self.state(request, sample).map(State::forced);
        match forced {
            Some(forced) if !forced.is_empty() => forced,
            _ => self.inner.draft(request, sample, most),
        }
    }

    fn on_finish(&mut self, request: usize, sample: usize, generated: &Generated) {
        self.states.remove(&(request, sample));
        self.inner.on_finish(request, sample, generated);
    }

    fn on_step(&mut self, progress: Progress) {
        self.inner.on_step(progress);
    }
}

#[cfg(test)]
mod tests {
    use lm_model::ChatTokenizer;

    use super::*;
    use crate::Vocabulary;

    /// Allows one token.
    struct One(u32);

    impl Observer for One {
        fn allowed(&mut self, _request: usize, _sample: usize) -> Option<TokenMask> {
            Some(TokenMask::of([self.0]))
        }
    }

    #[test]
    fn requests_without_a_grammar_are_free_and_two_observers_allow_what_both_do() {
        let tokenizer = ChatTokenizer::train_bpe(["yes no"], 300).expect("a tokenizer");
        let vocabulary = Vocabulary::new(&tokenizer).expect("a vocabulary");
        let grammar = vocabulary
            .grammar("start: \"a\" | \"b\"")
            .expect("a grammar");
        let id = |text| tokenizer.encode_text(text).expect("an id")[0];
        let mut both = Constrained::new(One(id("b"))).with(1, &grammar);
        assert_eq!(both.allowed(0, 0), Some(TokenMask::of([id("b")])));
        let allowed = both.allowed(1, 0).expect("a set");
        assert!(allowed.allows(id("b")) && allowed.len() == 1, "{allowed:?}");
        let mut alone = Constrained::new(()).with(1, &grammar);
        assert_eq!(alone.allowed(0, 0), None);
        assert_eq!(alone.allowed(1, 3).map(|mask| mask.len()), Some(2));
    }
}
