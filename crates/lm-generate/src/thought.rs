//! Reasoning that ends at a budget.

use std::collections::HashMap;
use std::ops::ControlFlow;

use lm_model::{ChatTokenizer, ThoughtStream};

use crate::mask::TokenMask;
use crate::observer::{NewToken, Observer};
use crate::request::{Generated, Progress};

/// Tokens after which a character that is not complete keeps reasoning open no longer: one has at most four bytes.
const MOST_LATE: usize = 3;

/// Closes the reasoning of completions when it has used up its tokens, and tells another observer of all of them.
///
/// At its budget the next tokens can only be those of [`ChatTokenizer::thought_end_ids`], and the completion goes on
/// behind them: *budget forcing* (Muennighoff et al., *s1: Simple test-time scaling*, 2025). With a budget of 0,
/// reasoning that begins is closed at once. A completion without reasoning is left alone, and one that closes its
/// reasoning earlier too; if it opens reasoning again, that has what is left of the budget.
///
/// The end never comes inside of a character, so a budget may be exceeded by up to three tokens there.
#[derive(Debug)]
pub struct ThoughtLimit<'a, O> {
    inner: O,
    tokenizer: &'a ChatTokenizer,
    /// What is forced behind a forced end.
    behind: Vec<u32>,
    /// Most tokens of the reasoning, by request.
    budgets: HashMap<usize, usize>,
    growing: HashMap<(usize, usize), Thinking<'a>>,
    ended: HashMap<(usize, usize), Thought>,
}

/// What a completion thought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thought {
    /// Tokens between the tags, without those that were forced.
    pub tokens: usize,
    /// How the reasoning ended; nothing if there was none.
    pub end: Option<ThoughtEnd>,
}

/// How reasoning ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThoughtEnd {
    /// The model closed it.
    Closed,
    /// The budget closed it.
    Forced,
    /// It did not: the completion ended before.
    Open,
}

impl<'a, O: Observer> ThoughtLimit<'a, O> {
    /// Tells `inner` of everything, and limits no request yet.
    pub fn new(tokenizer: &'a ChatTokenizer, inner: O) -> Self {
        Self {
            inner,
            tokenizer,
            behind: Vec::new(),
            budgets: HashMap::new(),
            growing: HashMap::new(),
            ended: HashMap::new(),
        }
    }

    /// Gives the reasoning of a request so many tokens, by its number.
    #[must_use]
    pub fn with(mut self, request: usize, budget: usize) -> Self {
        self.budgets.insert(request, budget);
        self
    }

    /// Forces these tokens too, behind the end of reasoning that a budget has closed: how an answer begins, for a model
    /// that would go on thinking aloud.
    #[must_use]
    pub fn behind(self, behind: Vec<u32>) -> Self {
        Self { behind, ..self }
    }

    /// What a sample of a limited request thought, once it has ended. It is forgotten then.
    pub fn take(&mut self, request: usize, sample: usize) -> Option<Thought> {
        self.ended.remove(&(request, sample))
    }

    /// The state of a sample, if its request is limited.
    fn thinking(&mut self, request: usize, sample: usize) -> Option<&mut Thinking<'a>> {
        let budget = *self.budgets.get(&request)?;
        let tokenizer = self.tokenizer;
        let thinking = self.growing.entry((request, sample));
        Some(thinking.or_insert_with(|| Thinking::new(tokenizer, budget)))
    }
}

impl<O: Observer> Observer for ThoughtLimit<'_, O> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        let (tokenizer, behind) = (self.tokenizer, self.behind.clone());
        if let Some(thinking) = self.thinking(token.request, token.sample)
            && thinking.hear(token.id)
        {
            let end = tokenizer.thought_end_ids(thinking.thought.tokens == 0);
            thinking.forced = [end, behind].concat();
        }
        self.inner.on_token(token)
    }

    /// The next token of the end where it is forced, or else what the other observer allows.
    fn allowed(&mut self, request: usize, sample: usize) -> Option<TokenMask> {
        let thinking = self.thinking(request, sample);
        let forced = thinking.and_then(|it| it.forced.first().copied());
        let inner = self.inner.allowed(request, sample);
        match (forced.map(|id| TokenMask::of([id])), inner) {
            (Some(one), Some(other)) => Some(one.and(&other)),
            (one, other) => one.or(other),
        }
    }

    /// The end where it is forced, or else the draft of the other observer.
    fn draft(&mut self, request: usize, sample: usize, most: usize) -> Vec<u32> {
        match self.thinking(request, sample) {
            Some(thinking) if !thinking.forced.is_empty() => thinking.forced.clone(),
            _ => self.inner.draft(request, sample, most),
        }
    }

    fn on_finish(&mut self, request: usize, sample: usize, generated: &Generated) {
        if let Some(thinking) = self.growing.remove(&(request, sample)) {
            self.ended.insert((request, sample), thinking.ended());
        }
        self.inner.on_finish(request, sample, generated);
    }

    fn on_step(&mut self, progress: Progress) {
        self.inner.on_step(progress);
    }
}

/// A completion while it thinks.
#[derive(Debug)]
struct Thinking<'a> {
    stream: ThoughtStream<'a>,
    budget: usize,
    thought: Thought,
    /// Tokens beyond the budget.
    late: usize,
    /// What must come next, in its order.
    forced: Vec<u32>,
}

impl<'a> Thinking<'a> {
    fn new(tokenizer: &'a ChatTokenizer, budget: usize) -> Self {
        Self {
            stream: ThoughtStream::new(tokenizer),
            budget,
            thought: Thought::default(),
            late: 0,
            forced: Vec::new(),
        }
    }

    /// Takes a token; whether the end is forced now.
    fn hear(&mut self, id: u32) -> bool {
        let was_inside = self.stream.is_inside();
        self.stream.push(id);
        let is_inside = self.stream.is_inside();
        if !self.forced.is_empty() {
            self.forced.remove(0);
            return false;
        }
        if was_inside && is_inside {
            self.thought.tokens += 1;
        } else if was_inside {
            self.thought.end = Some(ThoughtEnd::Closed);
        } else if is_inside {
            self.thought.end = Some(ThoughtEnd::Open);
        }
        is_inside && self.thought.tokens >= self.budget && self.close()
    }

    /// Whether the end comes now: not before a character is complete.
    fn close(&mut self) -> bool {
        if self.stream.is_within_character() && self.late < MOST_LATE {
            self.late += 1;
            return false;
        }
        self.thought.end = Some(ThoughtEnd::Forced);
        true
    }

    fn ended(self) -> Thought {
        let is_open = self.stream.is_inside();
        let end = if is_open {
            Some(ThoughtEnd::Open)
        } else {
            self.thought.end
        };
        Thought {
            end,
            ..self.thought
        }
    }
}
