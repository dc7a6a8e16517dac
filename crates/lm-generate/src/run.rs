//! The sequences in the cache and the decode steps that grow them.

mod grow;

use std::collections::{BTreeMap, VecDeque};

use burn::tensor::Tensor;
use lm_kernels::LmOps;
use lm_model::Qwen3;

use crate::batch::Growing;
use crate::entering::{Entering, Prefix};
use crate::error::Error;
use crate::observer::Observer;
use crate::pool::CachePool;
use crate::request::{Generated, Outcome, Progress, Request};
use crate::room::{Room, Wish};
use crate::sequence::{Sequence, stream};
use crate::slots::{Admission, Fork, PREFILL_TOKENS, Prefill, Slots};

/// A request that is not done.
pub(crate) struct Job {
    pub(crate) request: Request,
    results: Vec<Option<Generated>>,
}

impl Job {
    fn left(&self) -> usize {
        self.results.iter().filter(|one| one.is_none()).count()
    }
}

/// What the model said after a prompt whose samples did not all find a slot.
pub(crate) struct Shared<B: LmOps> {
    /// `[1, V]`
    logits: Tensor<B, 2>,
    /// Tokens of the prompt.
    pub(crate) length: usize,
}

/// All that runs, and all that waits.
pub(crate) struct Run<'a, B: LmOps> {
    pub(crate) model: &'a Qwen3<B>,
    pub(crate) pool: &'a mut CachePool<B>,
    pub(crate) room: Room,
    pub(crate) jobs: BTreeMap<usize, Job>,
    pub(crate) slots: Slots,
    pub(crate) active: Vec<Sequence>,
    /// Sequences that had to leave, the oldest first; nothing enters before them.
    pub(crate) paused: VecDeque<Sequence>,
    /// What enters in this step; between steps, a prompt of which only a part is cached.
    pub(crate) entering: Vec<Prefix>,
    pub(crate) shared: Option<Shared<B>>,
    pub(crate) preemptions: usize,
    outcomes: Vec<Outcome>,
    progress: Progress,
    next_request: usize,
    entered: u64,
}

impl<'a, B: LmOps> Run<'a, B> {
    pub(crate) fn new(model: &'a Qwen3<B>, pool: &'a mut CachePool<B>, max_batch: usize) -> Self {
        let room = pool.room(model, max_batch);
        let mut slots = Slots::default();
        slots.extend(0, pool.shape().slots.min(max_batch));
        Self {
            model,
            pool,
            room,
            jobs: BTreeMap::new(),
            slots,
            active: Vec::new(),
            paused: VecDeque::new(),
            entering: Vec::new(),
            shared: None,
            preemptions: 0,
            outcomes: Vec::new(),
            progress: Progress {
                finished: 0,
                total: 0,
                active: 0,
                tokens: 0,
            },
            next_request: 0,
            entered: 0,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            active: self.active.len(),
            ..self.progress
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.jobs.is_empty()
    }

    /// What has ended since the last call.
    pub(crate) fn outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }

    pub(crate) fn has_outcomes(&self) -> bool {
        !self.outcomes.is_empty()
    }

    /// The number that the next request will get.
    pub(crate) fn next_number(&self) -> usize {
        self.next_request
    }

    /// Puts a request that was checked at the end of the queue.
    pub(crate) fn add(&mut self, request: Request) -> usize {
        let number = self.next_request;
        self.next_request += 1;
        self.progress.total += request.n;
        if request.n == 0 {
            self.outcomes.push((number, Ok(Vec::new())));
            return number;
        }
        let wish = Wish {
            length: request.prompt.len(),
            most: request.capacity(),
        };
        self.slots.add(number, request.n, wish);
        let results = vec![None; request.n];
        self.jobs.insert(number, Job { request, results });
        number
    }

    /// Forgets a request; whether it was there.
    pub(crate) fn remove(&mut self, request: usize) -> bool {
        let Some(job) = self.jobs.remove(&request) else {
            return false;
        };
        self.progress.total -= job.left();
        self.slots.remove(request);
        self.paused.retain(|one| one.request != request);
        let gone = self.active.extract_if(.., |one| one.request == request);
        let gone: Vec<usize> = gone.map(|one| one.slot).collect();
        let entering = self
            .entering
            .extract_if(.., |prefix| prefix.request() == request);
        let entering: Vec<usize> = entering.flat_map(|prefix| prefix.slots()).collect();
        for slot in gone.into_iter().chain(entering) {
            self.slots.release(request, slot);
        }
        true
    }

    /// Admits waiting samples, grows every sequence by one token and tells the observer.
    pub(crate) fn step(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        self.advance(observer)?;
        observer.on_step(self.progress());
        Ok(())
    }

    fn advance(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        self.make_room();
        self.admit(observer)?;
        if self.active.is_empty() && self.entering.is_empty() {
            return Ok(());
        }
        let step = self.decode(observer);
        let mut growing = step.growing;
        for (row, prefix) in (step.rows..).zip(std::mem::take(&mut self.entering)) {
            let entered = self.enter(prefix, &step.logits, row);
            growing.extend(entered.into_iter().map(|one| Growing::at(row, one)));
        }
        self.grow(growing, step.logits, observer)
    }

    /// Decides what enters in this step.
    fn admit(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        if !self.entering.is_empty() {
            return Ok(());
        }
        self.resume();
        while self.paused.is_empty() {
            self.prepare(None);
            match self.slots.admit(self.pool.shape().capacity) {
                Admission::Fork(fork) => self.fork(fork, observer)?,
                Admission::Prefills(prefills) => {
                    self.entering.extend(prefills.into_iter().map(Prefix::new));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Lets sequences enter again that had to leave.
    fn resume(&mut self) {
        let mut tokens = 0;
        while let Some(wish) = self.paused.front().map(|front| self.wish_of(front)) {
            self.prepare(Some(wish));
            let fits = wish.least() <= self.pool.shape().capacity;
            let full = tokens > 0 && tokens + wish.length > PREFILL_TOKENS;
            if full || !fits || !self.slots.has_free() {
                return;
            }
            if let Some(mut sequence) = self.paused.pop_front()
                && let Some(slot) = self.slots.take(sequence.request)
            {
                sequence.slot = slot;
                tokens += wish.length;
                self.entering.push(Prefix::again(sequence));
            }
        }
    }

    fn wish_of(&self, sequence: &Sequence) -> Wish {
        let request = self.jobs.get(&sequence.request).map(|job| &job.request);
        Wish {
            length: request.map_or(0, |request| request.prompt.len()) + sequence.ids.len(),
            most: request.map_or(0, Request::capacity),
        }
    }

    /// Starts what has entered whole, after which the model said row `row` of `logits`; keeps the rest for the next
    /// step.
    fn enter(&mut self, prefix: Prefix, logits: &Tensor<B, 2>, row: usize) -> Vec<Sequence> {
        let length = prefix.done;
        if length < prefix.length(&self.jobs[&prefix.request()].request.prompt) {
            self.entering.push(prefix);
            return Vec::new();
        }
        match prefix.entering {
            Entering::Again(sequence) => vec![Sequence {
                cached: length,
                ..*sequence
            }],
            Entering::Prompt(prefill) => self.spread(prefill, logits, row),
        }
    }

    /// Spreads a prefilled prompt over the slots of its samples.
    fn spread(&mut self, prefill: Prefill, logits: &Tensor<B, 2>, row: usize) -> Vec<Sequence> {
        let home = prefill.slots[0];
        if prefill.shared {
            self.slots.share(home);
            self.shared = Some(Shared {
                logits: logits.clone().narrow(0, row, 1),
                length: self.jobs[&prefill.request].request.prompt.len(),
            });
        }
        self.start(prefill.request, prefill.first_sample, &prefill.slots, home)
    }

    /// Starts samples of a request whose prompt lies in a slot already.
    fn fork(&mut self, fork: Fork, observer: &mut dyn Observer) -> Result<(), Error> {
        let logits = self.shared.as_ref().map(|shared| shared.logits.clone());
        let logits = logits.expect("a home was shared together with its logits");
        let started = self.start(fork.request, fork.first_sample, &fork.slots, fork.home);
        let started = started.into_iter().map(|one| Growing::at(0, one));
        self.grow(started.collect(), logits, observer)
    }

    /// Samples without a token, in slots to which the prompt is copied from `home`.
    fn start(
        &mut self,
        request: usize,
        first_sample: usize,
        slots: &[usize],
        home: usize,
    ) -> Vec<Sequence> {
        let cached = self.jobs[&request].request.prompt.len();
        let others: Vec<usize> = slots.iter().copied().filter(|slot| *slot != home).collect();
        if let Some(cache) = self.pool.cache()
            && !others.is_empty()
        {
            self.model.share_prefix(cache, home, &others, cached);
        }
        (first_sample..)
            .zip(slots)
            .map(|(sample, &slot)| self.sequence(request, sample, slot, cached))
            .collect()
    }

    /// A sample without a token.
    pub(crate) fn sequence(
        &mut self,
        request: usize,
        sample: usize,
        slot: usize,
        cached: usize,
    ) -> Sequence {
        self.entered += 1;
        Sequence {
            request,
            sample,
            slot,
            cached,
            entered: self.entered,
            rng: stream(self.jobs[&request].request.sampling.seed, sample),
            ids: Vec::new(),
            log_probs: Vec::new(),
        }
    }
}
