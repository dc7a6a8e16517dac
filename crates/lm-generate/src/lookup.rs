//! Drafts from what the prompt and the completion say already.

mod context;
mod grams;
mod history;
mod rates;

use std::collections::HashMap;
use std::ops::ControlFlow;

use self::context::{Context, Limits};
pub use self::history::History;

use crate::mask::TokenMask;
use crate::observer::{NewToken, Observer};
use crate::request::{Generated, Progress, Request};

/// Most tokens of a draft. With BF16 weights on a CPU four rows of a product cost little more than one, and eight
/// more than twice as much.
const LONGEST: usize = 3;
/// Most tokens that run at once with their drafts.
const MOST_ROWS: usize = 8;
/// Sequences beside each other beyond which nothing is drafted: the products have rows enough.
const MOST_ACTIVE: usize = 4;

/// Drafts by lookup: where the last tokens stood before, in the prompt, the completion or an earlier completion, what
/// followed there may follow again (Saxena, *Prompt Lookup Decoding*, 2023). The drafts of the other observer come
/// first.
///
/// How long drafts are depends on how often guesses of their kind were right so far, and on how many sequences run
/// beside each other: a token of a draft costs a row of the matrix products, which is little where the weights are read
/// for one row alone.
#[derive(Debug)]
pub struct Lookup<'a, O> {
    inner: O,
    requests: &'a [Request],
    samples: HashMap<(usize, usize), Context>,
    counts: HashMap<usize, DraftCounts>,
    history: &'a mut History,
    /// Sequences that run beside each other.
    active: usize,
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
    /// For requests that are numbered from 0, and the observer that is told of their tokens. What they say is added to
    /// the history.
    pub fn new(requests: &'a [Request], history: &'a mut History, inner: O) -> Self {
        Self {
            inner,
            requests,
            samples: HashMap::new(),
            counts: HashMap::new(),
            history,
            active: 1,
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

    /// Most tokens of a draft beside so many sequences.
    fn longest(&self) -> usize {
        if self.active > MOST_ACTIVE {
            return 0;
        }
        LONGEST.min(MOST_ROWS / self.active - 1)
    }

    /// What a token of a draft must be right with at least.
    fn least(&self) -> f32 {
        0.1 + 0.1 * self.active as f32
    }
}

/// The context of a sample.
fn context<'c>(
    samples: &'c mut HashMap<(usize, usize), Context>,
    requests: &[Request],
    history: &History,
    (request, sample): (usize, usize),
) -> Option<&'c mut Context> {
    let prompt = &requests.get(request)?.prompt;
    let context = samples.entry((request, sample));
    Some(context.or_insert_with(|| Context::of(prompt, history)))
}

impl<O: Observer> Observer for Lookup<'_, O> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        let of = (token.request, token.sample);
        if let Some(context) = context(&mut self.samples, self.requests, self.history, of)
            && context.hear(token.id, self.history)
        {
            self.counts.entry(token.request).or_default().right += 1;
        }
        self.inner.on_token(token)
    }

    fn allowed(&mut self, request: usize, sample: usize) -> Option<TokenMask> {
        self.inner.allowed(request, sample)
    }

    fn permits(&mut self, request: usize, sample: usize, id: u32) -> bool {
        self.inner.permits(request, sample, id)
    }

    fn draft(&mut self, request: usize, sample: usize, most: usize) -> Vec<u32> {
        let limits = Limits {
            most: most.min(self.longest()),
            least: self.least(),
        };
        let given = self.inner.draft(request, sample, limits.most);
        let Some(context) = context(
            &mut self.samples,
            self.requests,
            self.history,
            (request, sample),
        ) else {
            return given;
        };
        let draft = context.draft(&given, limits, self.history);
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
        self.active = progress.active.max(1);
        self.inner.on_step(progress);
    }
}
