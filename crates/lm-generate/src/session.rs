//! Requests that come while others are generated.

use lm_kernels::LmOps;

use crate::error::Error;
use crate::observer::Observer;
use crate::request::{Limits, Outcome, Progress, Request};
use crate::run::Run;

/// Generation that is driven step by step: requests are added and cancelled between two decode steps, and a request
/// that fails ends alone. Made by [`Generator::session`](crate::Generator::session).
///
/// The requests may be those of several callers: none of them holds more than three quarters of the slots at once
/// (unless there are fewer than four), and one that has more samples lets others pass when it has filled its share.
///
/// The cache grows with the sequences. Where its [limit](crate::CachePool::with_limit) is reached, the youngest leave;
/// their tokens stay, and their keys and values are computed again when there is room. The oldest is never stopped, so
/// every request ends. What a sequence draws does not depend on that, except by the rounding of products.
///
/// ```
/// # use burn::backend::Flex;
/// # use lm_generate::{Generator, Request, Sampling};
/// # use lm_model::Qwen3Config;
/// # let config = Qwen3Config { vocab_size: 32, hidden_size: 16, num_hidden_layers: 1, ..Default::default() };
/// # let model = config.init::<Flex>(&Default::default(), 0);
/// let mut generator = Generator::new(&model, 8);
/// let mut session = generator.session()?;
/// let request = Request { prompt: vec![5, 6, 7], n: 1, sampling: Sampling { max_new_tokens: 4, ..Sampling::greedy() } };
/// let first = session.add(request.clone())?;
/// session.step(&mut ())?;
/// let second = session.add(request)?;
/// session.cancel(first);
/// while !session.is_idle() {
///     for (number, completions) in session.step(&mut ())? {
///         assert_eq!((number, completions?.len()), (second, 1));
///     }
/// }
/// # Ok::<(), lm_generate::Error>(())
/// ```
pub struct Session<'a, B: LmOps> {
    run: Run<'a, B>,
    limits: Limits,
}

impl<'a, B: LmOps> Session<'a, B> {
    /// `max_batch` is at least 1.
    pub(crate) fn new(mut run: Run<'a, B>, limits: Limits) -> Self {
        let slots = run.room.max_batch;
        run.slots.share_among(slots - slots / 4);
        Self { run, limits }
    }

    /// Puts a request at the end of the queue and gives the number under which it is known: 0, 1, 2 and so on.
    ///
    /// # Errors
    /// If it cannot be carried out, see the variants of [`Error`].
    pub fn add(&mut self, request: Request) -> Result<usize, Error> {
        request.check(self.run.next_number(), self.limits)?;
        Ok(self.run.add(request))
    }

    /// Ends a request without an outcome; one that is not there any more is left alone.
    pub fn cancel(&mut self, request: usize) {
        self.run.remove(request);
    }

    /// Grows every sequence by one token, and gives the requests that have ended by it.
    ///
    /// # Errors
    /// Only [`Error::ReadTokens`]: the backend failed, and the session is of no more use. What goes wrong with one
    /// request is its outcome.
    pub fn step(&mut self, observer: &mut dyn Observer) -> Result<Vec<Outcome>, Error> {
        self.run.step(observer)?;
        Ok(self.run.outcomes())
    }

    /// Whether there is nothing to do and every outcome was given.
    pub fn is_idle(&self) -> bool {
        self.run.is_done() && !self.run.has_outcomes()
    }

    /// Where it stands, over all requests that were not cancelled.
    pub fn progress(&self) -> Progress {
        self.run.progress()
    }

    /// How often a sequence had to leave the cache.
    pub fn preemptions(&self) -> usize {
        self.run.preemptions
    }
}
