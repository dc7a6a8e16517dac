//! Drafts from what the prompt and the completion say already.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::mask::TokenMask;
use crate::observer::{NewToken, Observer};
use crate::request::{Generated, Progress, Request};

/// Most tokens of a draft. The weights of a product are read once for all its rows, so a few of them cost little more
/// than one; how many pay was not measured.
const LONGEST: usize = 7;
/// After a draft without a right token, so many steps go without one.
const PAUSE: usize = 4;

/// Drafts by lookup: where the last two or three tokens stood before, in the prompt or the completion, what followed
/// there may follow again (Saxena, *Prompt Lookup Decoding*, 2023). The drafts of the other observer come first.
///
/// How long drafts are depends on how many of their tokens were right so far.
#[derive(Debug)]
pub struct Lookup<'a, O> {
    inner: O,
    requests: &'a [Request],
    samples: HashMap<(usize, usize), Context>,
    counts: HashMap<usize, DraftCounts>,
}

/// What became of drafts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DraftCounts {
    /// Steps of samples: each gives one token, and the right ones of its draft.
    pub steps: usize,
    /// Tokens that were drafted.
    pub drafted: usize,
    /// Those of them that were right.
    pub right: usize,
}

impl<'a, O: Observer> Lookup<'a, O> {
    /// For requests that are numbered from 0, and the observer that is told of their tokens.
    pub fn new(requests: &'a [Request], inner: O) -> Self {
        Self {
            inner,
            requests,
            samples: HashMap::new(),
            counts: HashMap::new(),
        }
    }

    /// What became of the drafts.
    pub fn counts(&self) -> DraftCounts {
        let mut all = DraftCounts::default();
        for one in self.counts.values() {
            all.steps += one.steps;
            all.drafted += one.drafted;
            all.right += one.right;
        }
        all
    }

    /// What became of those of a request, over all its samples.
    pub fn counts_of(&self, request: usize) -> DraftCounts {
        self.counts.get(&request).copied().unwrap_or_default()
    }

    fn context(&mut self, request: usize, sample: usize) -> Option<&mut Context> {
        let prompt = &self.requests.get(request)?.prompt;
        let context = self.samples.entry((request, sample));
        Some(context.or_insert_with(|| Context::of(prompt)))
    }
}

impl<O: Observer> Observer for Lookup<'_, O> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        if let Some(context) = self.context(token.request, token.sample)
            && context.hear(token.id)
        {
            self.counts.entry(token.request).or_default().right += 1;
        }
        self.inner.on_token(token)
    }

    fn allowed(&mut self, request: usize, sample: usize) -> Option<TokenMask> {
        self.inner.allowed(request, sample)
    }

    fn draft(&mut self, request: usize, sample: usize, most: usize) -> Vec<u32> {
        let most = most.min(LONGEST);
        let known = self.inner.draft(request, sample, most);
        let draft = match self.context(request, sample) {
            Some(context) => context.draft(known, most),
            None => known,
        };
        let counts = self.counts.entry(request).or_default();
        counts.steps += 1;
        counts.drafted += draft.len();
        draft
    }

    fn on_finish(&mut self, request: usize, sample: usize, generated: &Generated) {
        self.samples.remove(&(request, sample));
        self.inner.on_finish(request, sample, generated);
    }

    fn on_step(&mut self, progress: Progress) {
        self.inner.on_step(progress);
    }
}

/// The tokens of a sample, and where they stood before.
#[derive(Debug)]
struct Context {
    ids: Vec<u32>,
    /// Where a pair of tokens was last followed by something.
    pairs: HashMap<[u32; 2], usize>,
    triples: HashMap<[u32; 3], usize>,
    /// The draft of this step, and how many of its tokens have come.
    draft: Vec<u32>,
    right: usize,
    /// Tokens that the draft had.
    drafted: usize,
    /// How long the next draft is.
    length: usize,
    pause: usize,
}

impl Context {
    fn of(prompt: &[u32]) -> Self {
        let mut context = Self {
            ids: Vec::with_capacity(2 * prompt.len()),
            pairs: HashMap::new(),
            triples: HashMap::new(),
            draft: Vec::new(),
            right: 0,
            drafted: 0,
            length: LONGEST / 2,
            pause: 0,
        };
        prompt.iter().for_each(|id| context.push(*id));
        context
    }

    fn push(&mut self, id: u32) {
        let at = self.ids.len();
        if let [.., a, b] = self.ids[..] {
            self.pairs.insert([a, b], at);
        }
        if let [.., a, b, c] = self.ids[..] {
            self.triples.insert([a, b, c], at);
        }
        self.ids.push(id);
    }

    /// Takes a token that was drawn; whether the draft had it.
    fn hear(&mut self, id: u32) -> bool {
        let is_right = self.draft.get(self.right) == Some(&id);
        self.right += usize::from(is_right);
        if !is_right {
            // What follows is beyond the draft.
            self.draft.truncate(self.right);
        }
        self.push(id);
        is_right
    }

    /// The next draft: what is known, or else what stood there before.
    fn draft(&mut self, known: Vec<u32>, most: usize) -> Vec<u32> {
        self.learn();
        let mut draft = known;
        if draft.is_empty() && self.pause == 0 {
            draft = self.before();
        }
        self.pause = self.pause.saturating_sub(1);
        draft.truncate(most);
        self.drafted = draft.len();
        self.draft.clone_from(&draft);
        self.right = 0;
        draft
    }

    /// Longer drafts where the last one was right to its end, shorter ones where it was not.
    fn learn(&mut self) {
        if self.drafted == 0 {
            return;
        }
        if self.right == self.drafted {
            self.length = (self.length + 2).min(LONGEST);
        } else if self.right == 0 {
            self.length = (self.length / 2).max(1);
            self.pause = PAUSE;
        } else {
            self.length = (self.right + 1).min(LONGEST);
        }
    }

    fn before(&self) -> Vec<u32> {
        let triple = match self.ids[..] {
            [.., a, b, c] => self.triples.get(&[a, b, c]),
            _ => None,
        };
        let pair = || match self.ids[..] {
            [.., a, b] => self.pairs.get(&[a, b]),
            _ => None,
        };
        match triple.or_else(pair) {
            Some(&at) => {
                let end = self.ids.len().min(at + self.length);
                self.ids[at..end].to_vec()
            }
            None => Vec::new(),
        }
    }
}
