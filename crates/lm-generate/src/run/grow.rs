//! A pass through the model, and the tokens that are drawn after it.

use std::collections::VecDeque;

use burn::tensor::Tensor;
use lm_kernels::LmOps;

use super::Run;
use crate::batch::{Ahead, Batch, Growing, Step};
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
                ahead: VecDeque::new(),
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
        self.draw_ahead(&mut growing, &logits)?;
        while !growing.is_empty() {
            let masks = self.masks(&mut growing, observer);
            let drawn = draw_next(&mut growing, &logits, &masks)?;
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

    /// Draws of all tokens from every row at once, as if every draft were right.
    fn draw_ahead(&self, growing: &mut [Growing], logits: &Tensor<B, 2>) -> Result<(), Error> {
        let (mut rows, mut from) = (Vec::new(), Vec::new());
        for one in growing.iter() {
            let Some(job) = self.jobs.get(&one.sequence.request) else {
                continue;
            };
            let drafted: Vec<u32> = one.draft.iter().copied().collect();
            rows.extend(one.sequence.sample_rows(&job.request, &drafted));
            from.extend(one.row..=one.row + drafted.len());
        }
        let drawn = draw(rows_of(logits.clone(), &from), &rows)?;
        let ahead = rows.into_iter().zip(drawn);
        let mut ahead = ahead.map(|(how, (id, log_prob))| Ahead { how, id, log_prob });
        for one in growing.iter_mut() {
            if self.jobs.contains_key(&one.sequence.request) {
                one.ahead = ahead.by_ref().take(1 + one.draft.len()).collect();
            }
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

    /// What the observer allows to each sequence, where the token that was drawn ahead will not do. A sequence that is
    /// allowed nothing ends its request; sequences of requests that have ended go.
    fn masks(
        &mut self,
        growing: &mut Vec<Growing>,
        observer: &mut dyn Observer,
    ) -> Vec<Option<TokenMask>> {
        let vocab_size = self.model.config().vocab_size;
        let mut masks = Vec::with_capacity(growing.len());
        let mut failed = Vec::new();
        for Growing {
            sequence, ahead, ..
        } in growing.iter()
        {
            let mask = mask_of(sequence, ahead.front(), observer);
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

/// What a sequence is allowed, unless the token that was drawn ahead of all is right all the same.
///
/// The most probable token of all is the most probable of those that are allowed, if it is one of them. Of a token that
/// was drawn at random no such thing is true.
fn mask_of(
    sequence: &Sequence,
    ahead: Option<&Ahead>,
    observer: &mut dyn Observer,
) -> Option<TokenMask> {
    let (request, sample) = (sequence.request, sequence.sample);
    let stays = ahead.is_some_and(|ahead| {
        ahead.how.params.is_greedy() && observer.permits(request, sample, ahead.id)
    });
    if stays {
        return None;
    }
    observer.allowed(request, sample)
}

/// The next token of each and its log-probability: the one that was drawn ahead, or, under a mask, one drawn of what
/// it allows.
fn draw_next<B: LmOps>(
    growing: &mut [Growing],
    logits: &Tensor<B, 2>,
    masks: &[Option<TokenMask>],
) -> Result<Vec<(u32, f32)>, Error> {
    let (mut tokens, mut masked) = (Vec::with_capacity(growing.len()), Vec::new());
    let (mut rows, mut from, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for (one, mask) in growing.iter_mut().zip(masks) {
        let Some(Ahead { how, id, log_prob }) = one.ahead.pop_front() else {
            continue;
        };
        one.sequence.advance(&how);
        if mask.is_some() {
            masked.push(tokens.len());
            rows.push(how);
            from.push(one.row);
            held.push(mask.clone());
        }
        tokens.push((id, log_prob));
    }
    if !rows.is_empty() {
        let drawn = draw_allowed(rows_of(logits.clone(), &from), &rows, &held)?;
        for (at, token) in masked.into_iter().zip(drawn) {
            tokens[at] = token;
        }
    }
    Ok(tokens)
}
