//! A pass through the model, and the tokens that are drawn after it.

use burn::tensor::Tensor;
use lm_kernels::LmOps;
use lm_kernels::sampling::SampleRow;

use super::Run;
use crate::batch::{Batch, Growing, Step};
use crate::error::Error;
use crate::mask::TokenMask;
use crate::observer::{NewToken, Observer};
use crate::request::{Finish, Generated};
use crate::sequence::{Sequence, draw, draw_allowed, finish_after, rows_of};

impl<B: LmOps> Run<'_, B> {
    /// Runs the last token of each active sequence with its draft, and what enters, through the model. The logits have
    /// a row for each token of an active sequence, and one for each that enters, in that order.
    pub(super) fn decode(&mut self, observer: &mut dyn Observer) -> Step<B> {
        let mut batch = Batch::default();
        let active = std::mem::take(&mut self.active);
        let growing = active.into_iter().map(|mut sequence| {
            let draft = self.draft(&sequence, observer);
            let row = batch.grows(&sequence, &draft);
            sequence.cached += 1;
            Growing {
                row,
                sequence,
                draft: draft.into(),
            }
        });
        let growing: Vec<_> = growing.collect();
        let rows = batch.ids.len();
        for prefix in &mut self.entering {
            let prompt = &self.jobs[&prefix.request()].request.prompt;
            batch.rows.push(prefix.next_row(prompt, &mut batch.ids));
        }
        let cache = self.pool.cache();
        let cache = cache.expect("whatever has entered has a slot of the cache");
        let logits = batch.run(self.model, rows, cache);
        Step {
            logits,
            rows,
            growing,
        }
    }

    /// The observer's draft, as far as there is room for it.
    fn draft(&self, sequence: &Sequence, observer: &mut dyn Observer) -> Vec<u32> {
        let Some(job) = self.jobs.get(&sequence.request) else {
            return Vec::new();
        };
        let wanted = job.request.sampling.max_new_tokens - sequence.ids.len();
        let room = self.pool.shape().capacity - sequence.cached;
        // One token comes without a draft.
        let most = wanted.min(room).saturating_sub(1);
        let mut draft = observer.draft(sequence.request, sequence.sample, most);
        draft.truncate(most);
        let vocab_size = self.model.config().vocab_size;
        let known = draft.iter().take_while(|id| (**id as usize) < vocab_size);
        draft.truncate(known.count());
        draft
    }

    /// Draws a token for every sequence from its row of `logits`, and from the next row as long as its draft is right.
    pub(super) fn grow(
        &mut self,
        mut growing: Vec<Growing>,
        logits: Tensor<B, 2>,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        while !growing.is_empty() {
            let masks = self.masks(&mut growing, observer);
            let drawn = self.draw(&mut growing, &logits, &masks)?;
            let mut next = Vec::new();
            for (mut one, (id, log_prob)) in std::mem::take(&mut growing).into_iter().zip(drawn) {
                let Some(sequence) = self.add_token(one.sequence, id, log_prob, observer) else {
                    continue;
                };
                one.sequence = sequence;
                if one.follows(id) {
                    next.push(one);
                } else {
                    self.active.push(one.sequence);
                }
            }
            growing = next;
        }
        Ok(())
    }

    /// Gives back the slots of sequences whose request has failed at another sample since their own token was drawn.
    fn drop_orphans(&mut self, growing: &mut Vec<Growing>) {
        let is_orphan = |one: &mut Growing| !self.jobs.contains_key(&one.sequence.request);
        let orphans = growing.extract_if(.., is_orphan).map(|one| one.sequence);
        let orphans: Vec<_> = orphans.map(|one| (one.request, one.slot)).collect();
        for (request, slot) in orphans {
            self.slots.release(request, slot);
        }
    }

    /// One token for each, and its log-probability.
    fn draw(
        &self,
        growing: &mut [Growing],
        logits: &Tensor<B, 2>,
        masks: &[Option<TokenMask>],
    ) -> Result<Vec<(u32, f32)>, Error> {
        if growing.is_empty() {
            return Ok(Vec::new());
        }
        let jobs = &self.jobs;
        let rows = growing.iter_mut().map(|one| {
            one.sequence
                .sample_row(&jobs[&one.sequence.request].request)
        });
        let rows: Vec<SampleRow> = rows.collect();
        let from: Vec<usize> = growing.iter().map(|one| one.row).collect();
        let logits = rows_of(logits.clone(), &from);
        if masks.iter().any(Option::is_some) {
            draw_allowed(logits, &rows, masks)
        } else {
            draw(logits, &rows)
        }
    }

    /// What the observer allows to each sequence. One that is allowed nothing ends its request; sequences of requests
    /// that have ended go.
    fn masks(
        &mut self,
        growing: &mut Vec<Growing>,
        observer: &mut dyn Observer,
    ) -> Vec<Option<TokenMask>> {
        let vocab_size = self.model.config().vocab_size;
        let mut masks = Vec::with_capacity(growing.len());
        let mut failed = Vec::new();
        for Growing { sequence, .. } in growing.iter() {
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
            let error = Error::NothingAllowed {
                request,
                sample,
                token,
            };
            self.end(request, error);
        }
        let mut stays = growing
            .iter()
            .map(|one| self.jobs.contains_key(&one.sequence.request));
        masks.retain(|_| stays.next().unwrap_or(true));
        self.drop_orphans(growing);
        masks
    }

    /// Adds a token to a sequence, which is given back, or has ended and gives its slot back.
    fn add_token(
        &mut self,
        mut sequence: Sequence,
        id: u32,
        log_prob: f32,
        observer: &mut dyn Observer,
    ) -> Option<Sequence> {
        let (request, sample) = (sequence.request, sequence.sample);
        let Some(job) = self.jobs.get(&request) else {
            // Another sample of the request has failed in this step.
            self.slots.release(request, sequence.slot);
            return None;
        };
        let index = sequence.ids.len();
        if !log_prob.is_finite() {
            self.slots.release(request, sequence.slot);
            self.fail(request, sample, index);
            return None;
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
            None => return Some(sequence),
        }
        None
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
