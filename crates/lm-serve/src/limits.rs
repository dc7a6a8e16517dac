//! What clients may ask for, and how long they may take.

use std::time::Duration;

/// Most stop texts of a request.
pub(crate) const STOP_TEXTS: usize = 16;

/// Most bytes of a stop text.
pub(crate) const STOP_BYTES: usize = 256;

/// Most stop token ids of a request.
pub(crate) const STOP_IDS: usize = 256;

/// Most adapters at once; each has matrices of its own.
pub(crate) const ADAPTERS: usize = 64;

/// Limits of a [`Server`](crate::Server), checked before anything is allocated for a request.
///
/// A request beyond what one may ask is answered with 400 or 413; one that comes while too much waits, with 429 and
/// `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Completions of a request: its prompts times `n`.
    pub completions: usize,
    /// Tokens of a request: its prompts, and the most new tokens of all its completions.
    pub tokens: usize,
    /// Requests that are generated or wait.
    pub waiting: usize,
    /// Connections that are open. A further one takes the place of the one whose client was awaited longest; if all
    /// are served, it waits in the system's queue. Where the process may open fewer files, these are the limit.
    pub connections: usize,
    /// Time for the head of a request, and for a connection without a request.
    pub head_time: Duration,
    /// Time for the body of a request, and for a client that takes nothing of its answer.
    pub body_time: Duration,
}

impl Default for Limits {
    /// 1 MiB, 1,024 completions, 262,144 tokens, 256 requests, 4,096 connections, 5 seconds and 10 seconds.
    fn default() -> Self {
        Self {
            body: 1 << 20,
            completions: 1024,
            tokens: 1 << 18,
            waiting: 256,
            connections: 4096,
            head_time: Duration::from_secs(5),
            body_time: Duration::from_secs(10),
        }
    }
}
