//! Counting what a client does.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::message::Usage;

/// What a client has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// HTTP requests sent, repeated ones included.
    pub sent: u64,
    /// Calls that ended with an answer.
    pub answered: u64,
    /// Tries that failed and were followed by another.
    pub retried: u64,
    /// Tries that failed because the server wanted fewer requests.
    pub throttled: u64,
    /// Requests in flight now.
    pub in_flight: usize,
    /// Requests that may be in flight now.
    pub limit: usize,
    /// Tokens of all answers.
    pub usage: Usage,
}

/// The counters behind [`Stats`].
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) sent: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) throttled: AtomicU64,
    answered: AtomicU64,
    prompt_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    reasoning_tokens: AtomicU64,
}

impl Counters {
    /// Adds one to a counter.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, usage: Usage) {
        let add = |counter: &AtomicU64, n| counter.fetch_add(n, Ordering::Relaxed);
        add(&self.answered, 1);
        add(&self.prompt_tokens, usage.prompt_tokens);
        add(&self.completion_tokens, usage.completion_tokens);
        add(&self.cached_tokens, usage.cached_tokens);
        add(&self.reasoning_tokens, usage.reasoning_tokens);
    }

    /// Whether there was an answer.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn stats(&self, in_flight: usize, limit: usize) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            sent: get(&self.sent),
            answered: get(&self.answered),
            retried: get(&self.retried),
            throttled: get(&self.throttled),
            in_flight,
            limit,
            usage: Usage {
                prompt_tokens: get(&self.prompt_tokens),
                completion_tokens: get(&self.completion_tokens),
                cached_tokens: get(&self.cached_tokens),
                reasoning_tokens: get(&self.reasoning_tokens),
            },
        }
    }
}
