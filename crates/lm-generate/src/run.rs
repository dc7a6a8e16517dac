//! The sequences in the cache and the decode steps that grow them.

use std::collections::{BTreeMap, VecDeque};

use burn::tensor::Tensor;
use lm_kernels::LmOps;
use lm_kernels::ops::CacheRow;
use lm_kernels::sampling::SampleRow;
use lm_model::Qwen3;

use crate::entering::{Entering, Prefix};
use crate::error::Error;
use crate::mask::TokenMask;
use crate::observer::{NewToken, Observer};
use crate::pool::CachePool;
use crate::request::{Finish, Generated, Outcome, Progress, Request};
use crate::room::{Room, Wish};
use crate::sequence::{Sequence, draw, draw_allowed, finish_after, rows_of, stream};
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
        let logits = self.decode();
        let continued = std::mem::take(&mut self.active).into_iter().enumerate();
        let mut growing: Vec<_> = continued.collect();
        let first = growing.len();
        for (row, prefix) in (first..).zip(std::mem::take(&mut self.entering)) {
            let entered = self.enter(prefix, &logits, row);
            growing.extend(entered.into_iter().map(|sequence| (row, sequence)));
        }
        self.grow(growing, logits, observer)
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

    /// Runs the last token of each active sequence, and what enters, through the model; returns the logits after each
    /// in that order, `[rows, V]`.
    fn decode(&mut self) -> Tensor<B, 2> {
        let mut ids = Vec::new();
        let mut rows = Vec::with_capacity(self.active.len() + self.entering.len());
        for sequence in &mut self.active {
            ids.extend(sequence.ids.last());
            rows.push(CacheRow {
                slot: sequence.slot,
                start: sequence.cached,
                len: 1,
            });
            sequence.cached += 1;
        }
        for prefix in &mut self.entering {
            let prompt = &self.jobs[&prefix.request()].request.prompt;
            rows.push(prefix.next_row(prompt, &mut ids));
        }
        let cache = self.pool.cache();
        let cache = cache.expect("whatever has entered has a slot of the cache");
        self.model.decode(&ids, &rows, cache)
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
        let started = started.into_iter().map(|sequence| (0, sequence));
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

    /// Draws a token for every sequence from the row of `logits` beside it.
    fn grow(
        &mut self,
        mut sequences: Vec<(usize, Sequence)>,
        logits: Tensor<B, 2>,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let masks = self.masks(&mut sequences, observer);
        if sequences.is_empty() {
            return Ok(());
        }
        let jobs = &self.jobs;
        let rows = sequences
            .iter_mut()
            .map(|(_, sequence)| sequence.sample_row(&jobs[&sequence.request].request));
        let rows: Vec<SampleRow> = rows.collect();
        let from: Vec<usize> = sequences.iter().map(|(row, _)| *row).collect();
        let logits = rows_of(logits, &from);
        let drawn = if masks.iter().any(Option::is_some) {
            draw_allowed(logits, &rows, &masks)?
        } else {
            draw(logits, &rows)?
        };
        for ((_, sequence), (id, log_prob)) in sequences.into_iter().zip(drawn) {
            self.add_token(sequence, id, log_prob, observer);
        }
        Ok(())
    }

    /// What the observer allows to each sequence. One that is allowed nothing ends its request.
    fn masks(
        &mut self,
        sequences: &mut Vec<(usize, Sequence)>,
        observer: &mut dyn Observer,
    ) -> Vec<Option<TokenMask>> {
        let vocab_size = self.model.config().vocab_size;
        let mut masks = Vec::with_capacity(sequences.len());
        let mut failed = Vec::new();
        for (_, sequence) in sequences.iter() {
            let mask = observer.allowed(sequence.request, sequence.sample);
            if mask
                .as_ref()
                .is_some_and(|mask| !mask.allows_below(vocab_size))
            {
                failed.push((sequence.request, sequence.sample, sequence.ids.len()));
            }
            masks.push(mask);
        }
        for (request, sample, token) in failed {
            let mut kept = sequences.iter().map(|(_, one)| one.request != request);
            masks.retain(|_| kept.next().unwrap_or(true));
            let gone = sequences.extract_if(.., |(_, one)| one.request == request);
            let gone: Vec<_> = gone.map(|(_, one)| one.slot).collect();
            gone.into_iter()
                .for_each(|slot| self.slots.release(request, slot));
            self.end(
                request,
                Error::NothingAllowed {
                    request,
                    sample,
                    token,
                },
            );
        }
        masks
    }

    /// Adds a token to a sequence, which then stays active or gives its slot back.
    fn add_token(
        &mut self,
        mut sequence: Sequence,
        id: u32,
        log_prob: f32,
        observer: &mut dyn Observer,
    ) {
        let (request, sample) = (sequence.request, sequence.sample);
        let Some(job) = self.jobs.get(&request) else {
            // Another sample of the request has failed in this step.
            return self.slots.release(request, sequence.slot);
        };
        let index = sequence.ids.len();
        if !log_prob.is_finite() {
            self.slots.release(request, sequence.slot);
            return self.fail(request, sample, index);
        }
        let token = NewToken {
            request,
            sample,
            index,
            id,
            log_prob,
        };
        sequence.ids.push(id);
        sequence.log_probs.push(log_prob);
        self.progress.tokens += 1;
        let wanted = observer.on_token(token);
        match finish_after(token, wanted, &job.request.sampling) {
            Some(finish) => self.finish(sequence, finish, observer),
            None => self.active.push(sequence),
        }
    }

    /// Ends a request of which a token could not be drawn, and no other.
    fn fail(&mut self, request: usize, sample: usize, token: usize) {
        let error = Error::NonFiniteLogits {
            request,
            sample,
            token,
        };
        self.end(request, error);
    }

    /// Ends a request with an error, once.
    fn end(&mut self, request: usize, error: Error) {
        if self.remove(request) {
            self.outcomes.push((request, Err(error)));
        }
    }

    fn finish(&mut self, sequence: Sequence, finish: Finish, observer: &mut dyn Observer) {
        let Sequence {
            request,
            sample,
            slot,
            ids,
            log_probs,
            ..
        } = sequence;
        let generated = Generated {
            ids,
            log_probs,
            finish,
        };
        observer.on_finish(request, sample, &generated);
        self.slots.release(request, slot);
        self.progress.finished += 1;
        let Some(job) = self.jobs.get_mut(&request) else {
            return;
        };
        job.results[sample] = Some(generated);
        if job.left() == 0
            && let Some(job) = self.jobs.remove(&request)
        {
            let results = job.results.into_iter().flatten().collect();
            self.outcomes.push((request, Ok(results)));
        }
    }
}
