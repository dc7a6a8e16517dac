//! One call of the generator: the sequences in the cache and the decode steps that grow them.

use std::ops::ControlFlow;

use burn::tensor::{Tensor, TensorData, Transaction};
use lm_kernels::LmOps;
use lm_kernels::ops::{self, CacheRow, Drawn};
use lm_kernels::sampling::SampleRow;
use lm_model::{ModelCache, Qwen3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::Error;
use crate::observer::{NewToken, Observer};
use crate::request::{Finish, Generated, Progress, Request, Sampling};
use crate::slots::{Admission, Fork, Prefill, Slots};

/// A completion that is growing in a slot.
struct Sequence {
    request: usize,
    sample: usize,
    slot: usize,
    /// Tokens of the prompt and the completion whose keys and values are in the slot.
    cached: usize,
    rng: ChaCha8Rng,
    ids: Vec<u32>,
    log_probs: Vec<f32>,
}

/// The state of one call.
pub(crate) struct Run<'a, B: LmOps> {
    model: &'a Qwen3<B>,
    cache: &'a mut ModelCache<B>,
    requests: &'a [Request],
    slots: Slots<'a>,
    active: Vec<Sequence>,
    /// Logits `[1, V]` after the prompt of the request whose samples did not all find a slot.
    shared: Option<Tensor<B, 2>>,
    results: Vec<Vec<Option<Generated>>>,
    progress: Progress,
    observer: &'a mut dyn Observer,
}

impl Sequence {
    /// How the next token is drawn.
    fn sample_row(&mut self, request: &Request) -> SampleRow {
        let params = request.sampling.params();
        let uniform = if params.is_greedy() {
            0.0
        } else {
            self.rng.random()
        };
        let seen = match params.repetition_penalty {
            Some(_) => request.prompt.iter().chain(&self.ids).copied().collect(),
            None => Vec::new(),
        };
        SampleRow {
            params,
            uniform,
            seen,
        }
    }
}

impl<'a, B: LmOps> Run<'a, B> {
    pub(crate) fn new(
        model: &'a Qwen3<B>,
        cache: &'a mut ModelCache<B>,
        requests: &'a [Request],
        slots: usize,
        observer: &'a mut dyn Observer,
    ) -> Self {
        let total = requests.iter().map(|r| r.n).sum();
        Self {
            model,
            cache,
            requests,
            slots: Slots::new(requests, slots),
            active: Vec::new(),
            shared: None,
            results: requests.iter().map(|r| vec![None; r.n]).collect(),
            progress: Progress {
                finished: 0,
                total,
                active: 0,
                tokens: 0,
            },
            observer,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            active: self.active.len(),
            ..self.progress
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.progress.finished == self.progress.total
    }

    /// The completions, by request and sample. All are there once [`Run::is_done`].
    pub(crate) fn into_results(self) -> Vec<Vec<Generated>> {
        self.results
            .into_iter()
            .map(|group| group.into_iter().flatten().collect())
            .collect()
    }

    /// Admits waiting samples, grows every sequence by one token and tells the observer.
    pub(crate) fn step(&mut self) -> Result<(), Error> {
        self.advance()?;
        self.observer.on_step(self.progress());
        Ok(())
    }

    fn advance(&mut self) -> Result<(), Error> {
        let prefills = loop {
            match self.slots.admit() {
                Admission::Fork(fork) => self.fork(fork)?,
                Admission::Prefills(prefills) => break prefills,
            }
        };
        if self.active.is_empty() && prefills.is_empty() {
            return Ok(());
        }
        let logits = self.decode(&prefills);
        let continued = std::mem::take(&mut self.active).into_iter().enumerate();
        let mut growing: Vec<_> = continued.collect();
        let first = growing.len();
        for (row, prefill) in (first..).zip(prefills) {
            let entered = self.enter(prefill, &logits, row);
            growing.extend(entered.into_iter().map(|sequence| (row, sequence)));
        }
        self.grow(growing, logits)
    }

    /// Runs the last token of each active sequence and the prompts of `prefills` through the model; returns the logits
    /// after each in that order, `[rows, V]`.
    fn decode(&mut self, prefills: &[Prefill]) -> Tensor<B, 2> {
        let mut ids = Vec::new();
        let mut rows = Vec::with_capacity(self.active.len() + prefills.len());
        for sequence in &mut self.active {
            ids.extend(sequence.ids.last());
            rows.push(CacheRow {
                slot: sequence.slot,
                start: sequence.cached,
                len: 1,
            });
            sequence.cached += 1;
        }
        for prefill in prefills {
            let prompt = &self.requests[prefill.request].prompt;
            ids.extend(prompt);
            rows.push(CacheRow {
                slot: prefill.slots[0],
                start: 0,
                len: prompt.len(),
            });
        }
        self.model.decode(&ids, &rows, self.cache)
    }

    /// Spreads a prefilled prompt, after which the model said row `row` of `logits`, over the slots of its samples.
    fn enter(&mut self, prefill: Prefill, logits: &Tensor<B, 2>, row: usize) -> Vec<Sequence> {
        let home = prefill.slots[0];
        if prefill.left > 0 {
            self.slots.share(home);
            self.shared = Some(logits.clone().narrow(0, row, 1));
        }
        self.start(prefill.request, prefill.first_sample, &prefill.slots, home)
    }

    /// Starts samples of a request whose prompt lies in a slot already.
    fn fork(&mut self, fork: Fork) -> Result<(), Error> {
        let logits = self.shared.clone();
        let logits = logits.expect("a home was shared together with its logits");
        let started = self.start(fork.request, fork.first_sample, &fork.slots, fork.home);
        let started = started.into_iter().map(|sequence| (0, sequence));
        self.grow(started.collect(), logits)
    }

    /// Samples without a token, in slots to which the prompt is copied from `home`.
    fn start(
        &mut self,
        request: usize,
        first_sample: usize,
        slots: &[usize],
        home: usize,
    ) -> Vec<Sequence> {
        let cached = self.requests[request].prompt.len();
        let others: Vec<usize> = slots.iter().copied().filter(|slot| *slot != home).collect();
        if !others.is_empty() {
            self.model.share_prefix(self.cache, home, &others, cached);
        }
        let seed = self.requests[request].sampling.seed;
        let sequence = |(sample, &slot): (usize, &usize)| Sequence {
            request,
            sample,
            slot,
            cached,
            rng: stream(seed, sample),
            ids: Vec::new(),
            log_probs: Vec::new(),
        };
        (first_sample..).zip(slots).map(sequence).collect()
    }

    /// Draws a token for every sequence from the row of `logits` beside it.
    fn grow(
        &mut self,
        mut sequences: Vec<(usize, Sequence)>,
        logits: Tensor<B, 2>,
    ) -> Result<(), Error> {
        let rows = sequences.iter_mut().map(|(_, sequence)| {
            let request = &self.requests[sequence.request];
            sequence.sample_row(request)
        });
        let rows: Vec<SampleRow> = rows.collect();
        let from: Vec<usize> = sequences.iter().map(|(row, _)| *row).collect();
        let drawn = draw(rows_of(logits, &from), &rows)?;
        for ((_, sequence), (id, log_prob)) in sequences.into_iter().zip(drawn) {
            self.add(sequence, id, log_prob)?;
        }
        Ok(())
    }

    /// Adds a token to a sequence, which then stays active or gives its slot back.
    fn add(&mut self, mut sequence: Sequence, id: u32, log_prob: f32) -> Result<(), Error> {
        let (request, sample) = (sequence.request, sequence.sample);
        let index = sequence.ids.len();
        if !log_prob.is_finite() {
            return Err(Error::NonFiniteLogits {
                request,
                sample,
                token: index,
            });
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
        let wanted = self.observer.on_token(token);
        match finish_after(token, wanted, &self.requests[request].sampling) {
            Some(finish) => self.finish(sequence, finish),
            None => self.active.push(sequence),
        }
        Ok(())
    }

    fn finish(&mut self, sequence: Sequence, finish: Finish) {
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
        self.observer.on_finish(request, sample, &generated);
        self.results[request][sample] = Some(generated);
        self.progress.finished += 1;
        self.slots.release(slot);
    }
}

/// Whether a completion ends with this token, after the observer has said what it wants.
fn finish_after(token: NewToken, wanted: ControlFlow<()>, sampling: &Sampling) -> Option<Finish> {
    if sampling.stop.contains(&token.id) {
        Some(Finish::Stop)
    } else if wanted.is_break() {
        Some(Finish::Observer)
    } else if token.index + 1 >= sampling.max_new_tokens {
        Some(Finish::Length)
    } else {
        None
    }
}

/// The random stream of one sample.
fn stream(seed: u64, sample: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(sample as u64);
    rng
}

/// The rows `from` of logits; the tensor itself if that is every row in order.
fn rows_of<B: LmOps>(logits: Tensor<B, 2>, from: &[usize]) -> Tensor<B, 2> {
    if from.iter().copied().eq(0..logits.dims()[0]) {
        return logits;
    }
    let from: Vec<i32> = from.iter().map(|&row| row as i32).collect();
    let from = Tensor::from_data(TensorData::from(from.as_slice()), &logits.device());
    logits.select(0, from)
}

/// Draws where the logits lie, and brings tokens and log-probabilities to the host.
fn draw<B: LmOps>(logits: Tensor<B, 2>, rows: &[SampleRow]) -> Result<Vec<(u32, f32)>, Error> {
    let Drawn { ids, log_probs } = ops::sample(logits, rows);
    let read = Transaction::default().register(ids).register(log_probs);
    let failed = |e| Error::ReadTokens(e, rows.len());
    let read = read.try_execute().map_err(|e| failed(e.to_string()))?;
    let [ids, log_probs]: [TensorData; 2] = read
        .try_into()
        .map_err(|read: Vec<_>| failed(format!("{} tensors instead of 2", read.len())))?;
    let log_probs: Vec<f32> = log_probs.into_vec().map_err(|e| failed(format!("{e:?}")))?;
    Ok(ids.iter::<u32>().zip(log_probs).collect())
}
