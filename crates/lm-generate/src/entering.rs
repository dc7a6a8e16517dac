//! Prompts on their way into the cache, whole or in pieces.

use lm_kernels::ops::CacheRow;

use crate::sequence::Sequence;
use crate::slots::{PREFILL_TOKENS, Prefill};

/// What begins when its tokens are cached.
#[derive(Debug)]
pub(crate) enum Entering {
    /// The samples of a prompt.
    Prompt(Prefill),
    /// A sequence that had to leave: its prompt and its tokens are computed again.
    Again(Box<Sequence>),
}

/// Tokens of which some may be cached already.
#[derive(Debug)]
pub(crate) struct Prefix {
    pub(crate) entering: Entering,
    /// Tokens that are cached, those of the step in progress included.
    pub(crate) done: usize,
}

impl Prefix {
    pub(crate) fn new(prefill: Prefill) -> Self {
        Self {
            entering: Entering::Prompt(prefill),
            done: 0,
        }
    }

    pub(crate) fn again(sequence: Sequence) -> Self {
        Self {
            entering: Entering::Again(Box::new(sequence)),
            done: 0,
        }
    }

    pub(crate) fn request(&self) -> usize {
        match &self.entering {
            Entering::Prompt(prefill) => prefill.request,
            Entering::Again(sequence) => sequence.request,
        }
    }

    pub(crate) fn slots(&self) -> Vec<usize> {
        match &self.entering {
            Entering::Prompt(prefill) => prefill.slots.clone(),
            Entering::Again(sequence) => vec![sequence.slot],
        }
    }

    /// The slots, to be moved.
    pub(crate) fn slots_mut(&mut self) -> &mut [usize] {
        match &mut self.entering {
            Entering::Prompt(prefill) => &mut prefill.slots,
            Entering::Again(sequence) => std::slice::from_mut(&mut sequence.slot),
        }
    }

    /// Tokens in all, for this prompt of its request.
    pub(crate) fn length(&self, prompt: &[u32]) -> usize {
        prompt.len() + self.own().len()
    }

    /// Tokens behind the prompt.
    fn own(&self) -> &[u32] {
        match &self.entering {
            Entering::Prompt(_) => &[],
            Entering::Again(sequence) => &sequence.ids,
        }
    }

    /// Puts the tokens of the next step behind `ids`; their row in the cache.
    pub(crate) fn next_row(&mut self, prompt: &[u32], ids: &mut Vec<u32>) -> CacheRow {
        let start = self.done;
        let len = PREFILL_TOKENS.min(self.length(prompt) - start);
        let tokens = prompt.iter().chain(self.own());
        ids.extend(tokens.skip(start).take(len));
        self.done += len;
        CacheRow {
            slot: self.slots()[0],
            start,
            len,
        }
    }
}
