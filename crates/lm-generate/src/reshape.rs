//! Makes room in the cache: a larger shape, or fewer sequences.

use lm_kernels::LmOps;

use crate::entering::Entering;
use crate::request::Request;
use crate::room::{Held, Shape, Wish};
use crate::run::Run;
use crate::sequence::Sequence;

impl<B: LmOps> Run<'_, B> {
    /// Gives every sequence the position of its next token. Where the limit does not allow that, the youngest leave.
    pub(crate) fn make_room(&mut self) {
        loop {
            let (held, shape) = (self.held(), self.pool.shape());
            if held.longest <= shape.capacity {
                return;
            }
            match self.room.grow(shape, held, self.most()) {
                Some(shape) => return self.reshape(shape),
                None => self.preempt(),
            }
        }
    }

    /// Makes room for `resumed`, or for the first that waits, where that takes another shape and is possible.
    pub(crate) fn prepare(&mut self, resumed: Option<Wish>) {
        let shape = self.pool.shape();
        let Some(first) = resumed.or_else(|| self.slots.wishes().next()) else {
            return;
        };
        if self.slots.has_free() && first.least() <= shape.capacity {
            return;
        }
        let held = self.held();
        let wanted = match resumed {
            Some(wish) => self.room.admit(shape, held, std::iter::once(wish)),
            None => self.room.admit(shape, held, self.slots.wishes()),
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != shape) {
            self.reshape(wanted);
        }
    }

    /// The sequences in the cache, and what is on its way into it.
    fn held(&self) -> Held {
        let grown = self.active.iter().map(|sequence| sequence.cached + 1);
        let entering = self
            .entering
            .iter()
            .map(|prefix| prefix.length(&self.jobs[&prefix.request()].request.prompt) + 1);
        let slots = self.entering.iter().map(|prefix| prefix.slots().len());
        Held {
            sequences: self.active.len() + slots.sum::<usize>(),
            longest: grown.chain(entering).max().unwrap_or(0),
        }
    }

    /// The longest that any sequence in the cache may become.
    fn most(&self) -> usize {
        let active = self.active.iter().map(|sequence| sequence.request);
        let entering = self.entering.iter().map(|prefix| prefix.request());
        let requests = active.chain(entering).map(|i| &self.jobs[&i].request);
        requests.map(Request::capacity).max().unwrap_or(0)
    }

    /// Takes the youngest sequence out of the cache. What it has so far is kept, and its keys and values are computed
    /// again later.
    fn preempt(&mut self) {
        self.preemptions += 1;
        if let Some(prefix) = self.entering.pop() {
            let sequences = match prefix.entering {
                Entering::Again(sequence) => vec![*sequence],
                Entering::Prompt(prefill) => (prefill.first_sample..)
                    .zip(prefill.slots)
                    .map(|(sample, slot)| self.sequence(prefill.request, sample, slot, 0))
                    .collect(),
            };
            for sequence in sequences.into_iter().rev() {
                self.leave(sequence);
            }
            return;
        }
        let ages = self.active.iter().enumerate();
        let youngest = ages.max_by_key(|(_, sequence)| sequence.entered);
        if let Some((i, _)) = youngest {
            let sequence = self.active.remove(i);
            self.leave(sequence);
        }
    }

    fn leave(&mut self, sequence: Sequence) {
        self.slots.release(sequence.request, sequence.slot);
        self.paused.push_front(sequence);
    }

    /// Gives the cache another shape that holds all that is in it.
    fn reshape(&mut self, new: Shape) {
        let old = self.pool.shape();
        let usable = |shape: Shape| shape.slots.min(self.room.max_batch);
        let (before, after) = (usable(old), usable(new));
        let mut len = self.longest_cached();
        if new.slots >= old.slots {
            len = len.max(self.shared.as_ref().map_or(0, |shared| shared.length));
            let kept: Vec<usize> = (0..old.slots).collect();
            self.pool.resize(self.model, new, &kept, len);
            self.slots.extend(before, after);
            return;
        }
        let active = self.active.iter_mut().map(|sequence| &mut sequence.slot);
        let entering = self.entering.iter_mut().flat_map(|p| p.slots_mut());
        let mut kept = Vec::new();
        for slot in active.chain(entering) {
            kept.push(std::mem::replace(slot, kept.len()));
        }
        self.shared = None;
        self.pool.resize(self.model, new, &kept, len);
        self.slots.rearrange(kept.len(), after);
    }

    fn longest_cached(&self) -> usize {
        let active = self.active.iter().map(|sequence| sequence.cached);
        let entering = self.entering.iter().map(|prefix| prefix.done);
        active.chain(entering).max().unwrap_or(0)
    }
}
