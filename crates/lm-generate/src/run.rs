//! One call of the generator: the sequences in the cache and the decode steps that grow them.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use lm_kernels::LmOps;
use lm_kernels::ops::CacheRow;
use lm_model::{ModelCache, Qwen3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::slots::{Admission, Fork, Prefill, Slots};
use crate::{Error, Finish, Generated, NewToken, Observer, Progress, Request, Sampler, Sampling};

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
    sampler: Sampler<f32>,
    results: Vec<Vec<Option<Generated>>>,
    progress: Progress,
    observer: &'a mut dyn Observer,
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
            sampler: Sampler::new(),
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

    /// Admits waiting samples, grows every sequence by one token and asks the observer whether to go on.
    pub(crate) fn step(&mut self) -> Result<ControlFlow<()>, Error> {
        self.advance()?;
        Ok(self.observer.on_step(self.progress()))
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
        let logits = self.decode(&prefills)?;
        let rows = self.active.len() + prefills.len();
        let vocab_size = logits.len() / rows;
        let (continued, entered) = logits.split_at(self.active.len() * vocab_size);
        self.grow(continued, vocab_size)?;
        for (prefill, row) in prefills.into_iter().zip(entered.chunks_exact(vocab_size)) {
            self.enter(prefill, row)?;
        }
        Ok(())
    }

    /// Runs the last token of each active sequence and the prompts of `prefills` through the model; returns the logits
    /// after each, row by row in that order.
    fn decode(&mut self, prefills: &[Prefill]) -> Result<Vec<f32>, Error> {
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
        read(self.model.decode(&ids, &rows, self.cache))
    }

    /// Draws the next token of each active sequence from its row of `logits` and retires those that finish.
    fn grow(&mut self, logits: &[f32], vocab_size: usize) -> Result<(), Error> {
        if logits.is_empty() {
            return Ok(());
        }
        let sequences = std::mem::take(&mut self.active);
        for (sequence, row) in sequences.into_iter().zip(logits.chunks_exact(vocab_size)) {
            self.draw(sequence, row)?;
        }
        Ok(())
    }

    /// Spreads a prefilled prompt over the slots of its samples and starts them.
    fn enter(&mut self, prefill: Prefill, logits: &[f32]) -> Result<(), Error> {
        let Prefill {
            request,
            first_sample,
            slots,
            left,
        } = prefill;
        let home = slots[0];
        if left > 0 {
            self.slots.share(home, logits.to_vec());
        }
        self.start(request, first_sample, &slots, home, logits)
    }

    /// Starts samples of a request whose prompt lies in a slot already.
    fn fork(&mut self, fork: Fork) -> Result<(), Error> {
        self.start(
            fork.request,
            fork.first_sample,
            &fork.slots,
            fork.home,
            &fork.logits,
        )
    }

    /// Copies the prompt from `home` to the other slots and draws the first token of each sample.
    fn start(
        &mut self,
        request: usize,
        first_sample: usize,
        slots: &[usize],
        home: usize,
        logits: &[f32],
    ) -> Result<(), Error> {
        let cached = self.requests[request].prompt.len();
        let others: Vec<usize> = slots.iter().copied().filter(|slot| *slot != home).collect();
        if !others.is_empty() {
            self.model.share_prefix(self.cache, home, &others, cached);
        }
        for (i, &slot) in slots.iter().enumerate() {
            let sample = first_sample + i;
            let rng = stream(self.requests[request].sampling.seed, sample);
            let sequence = Sequence {
                request,
                sample,
                slot,
                cached,
                rng,
                ids: Vec::new(),
                log_probs: Vec::new(),
            };
            self.draw(sequence, logits)?;
        }
        Ok(())
    }

    /// Adds a token to a sequence, which then stays active or gives its slot back.
    fn draw(&mut self, mut sequence: Sequence, logits: &[f32]) -> Result<(), Error> {
        let Request {
            prompt, sampling, ..
        } = &self.requests[sequence.request];
        let uniform = if sampling.temperature == 0.0 {
            0.0
        } else {
            sequence.rng.random()
        };
        let context = prompt.iter().chain(&sequence.ids).copied();
        let Some(draw) = self.sampler.draw(logits, context, sampling, uniform) else {
            return Err(Error::NonFiniteLogits {
                request: sequence.request,
                sample: sequence.sample,
                token: sequence.ids.len(),
            });
        };
        let token = NewToken {
            request: sequence.request,
            sample: sequence.sample,
            index: sequence.ids.len(),
            id: draw.id,
            log_prob: draw.log_prob as f32,
        };
        sequence.ids.push(token.id);
        sequence.log_probs.push(token.log_prob);
        self.progress.tokens += 1;
        let wanted = self.observer.on_token(token);
        match finish_after(token, wanted, sampling) {
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

/// Brings logits `[rows, V]` to the host.
fn read<B: LmOps>(logits: Tensor<B, 2>) -> Result<Vec<f32>, Error> {
    let expected = logits.dims().iter().product();
    let data = logits.into_data().convert::<f32>();
    data.into_vec::<f32>()
        .map_err(|e| Error::ReadLogits(format!("{e:?}"), expected))
}
