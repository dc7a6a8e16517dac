//! Which request enters which slot of the cache, and when: scheduling without tensors.
//!
//! Requests enter in the order given. A request takes as many free slots as it has samples left; if there are too few,
//! it stays at the head of the queue, and its remaining samples are the first to enter as slots become free. Until then
//! one slot, its home, is known to begin with the keys and values of its prompt. The home stays valid without being
//! reserved, because a sequence only writes behind its prompt and nobody but the head of the queue may take a freed
//! slot.
//!
//! Where the requests are those of several callers, none of them may hold more than a share of the slots, and a
//! request that is not done goes to the end of the queue if others wait; its prompt is then computed again. A request
//! for a thousand completions so leaves room for a request for one.

use std::collections::{BTreeMap, VecDeque};

use crate::room::Wish;

/// Prompt tokens that enter in one decode step. This bounds the activations of a step, and how long a caller waits for
/// its progress callback; a longer prompt enters in pieces of this length.
pub(crate) const PREFILL_TOKENS: usize = 2048;

/// A prompt to run through the model, and the samples that continue it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prefill {
    pub(crate) request: usize,
    pub(crate) first_sample: usize,
    /// One slot per sample; the prompt is computed in the first.
    pub(crate) slots: Vec<usize>,
    /// Whether samples that found no slot will ask for the prompt's keys and values.
    pub(crate) shared: bool,
}

/// Samples that join a request whose prompt is already in a slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fork {
    pub(crate) request: usize,
    pub(crate) first_sample: usize,
    /// One slot per sample.
    pub(crate) slots: Vec<usize>,
    /// The slot that begins with the prompt; it may be among `slots`.
    pub(crate) home: usize,
}

/// What may enter now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Prompts for the next decode step; perhaps none.
    Prefills(Vec<Prefill>),
    /// Samples that can draw their first token at once. Ask again afterwards.
    Fork(Fork),
}

/// A request with samples that have not entered.
#[derive(Debug)]
struct Waiting {
    request: usize,
    /// The number of the first such sample.
    first_sample: usize,
    n: usize,
    wish: Wish,
}

/// The waiting requests and the free slots.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    waiting: VecDeque<Waiting>,
    /// The home of the request at the head of the queue, once its prompt has been computed.
    home: Option<usize>,
    free: Vec<usize>,
    /// Most slots of one request, if the requests are those of several callers.
    share: Option<usize>,
    /// Slots of each request.
    held: BTreeMap<usize, usize>,
}

impl Slots {
    /// A request without samples never enters.
    pub(crate) fn add(&mut self, request: usize, n: usize, wish: Wish) {
        if n > 0 {
            self.waiting.push_back(Waiting {
                request,
                first_sample: 0,
                n,
                wish,
            });
        }
    }

    /// From now on no request holds more than `share` slots.
    pub(crate) fn share_among(&mut self, share: usize) {
        self.share = Some(share);
    }

    /// Forgets the samples of a request that have not entered.
    pub(crate) fn remove(&mut self, request: usize) {
        if self.is_front(request) {
            self.home = None;
        }
        self.waiting.retain(|waiting| waiting.request != request);
    }

    fn is_front(&self, request: usize) -> bool {
        let front = self.waiting.front();
        front.is_some_and(|front| front.request == request)
    }

    /// What the samples that wait want, in the order of the queue.
    pub(crate) fn wishes(&self) -> impl Iterator<Item = Wish> {
        let each = |w: &Waiting| std::iter::repeat_n(w.wish, w.n - w.first_sample);
        self.waiting.iter().flat_map(each)
    }

    pub(crate) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// The cache has slots `0..slots` now, of which those from `used` on are free; what was in others has moved.
    pub(crate) fn rearrange(&mut self, used: usize, slots: usize) {
        self.home = None;
        self.free = (used..slots).rev().collect();
    }

    /// The cache has slots from `from` to `to` more.
    pub(crate) fn extend(&mut self, from: usize, to: usize) {
        self.free.splice(0..0, (from..to).rev());
    }

    /// Takes a slot for a sequence that continues.
    pub(crate) fn take(&mut self, request: usize) -> Option<usize> {
        let slot = self.free.pop()?;
        if self.home == Some(slot) {
            self.home = None;
        }
        *self.held.entry(request).or_default() += 1;
        Some(slot)
    }

    /// Gives back the slot of a sequence that is finished or has to leave.
    pub(crate) fn release(&mut self, request: usize, slot: usize) {
        self.free.push(slot);
        if let Some(held) = self.held.get_mut(&request) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&request);
            }
        }
    }

    /// Keeps the prompt of a request whose samples did not all find a slot.
    pub(crate) fn share(&mut self, home: usize) {
        self.home = Some(home);
    }

    /// Assigns free slots of this capacity to waiting samples.
    pub(crate) fn admit(&mut self, capacity: usize) -> Admission {
        self.let_others_pass();
        if let Some(fork) = self.fork() {
            return Admission::Fork(fork);
        }
        let mut prefills: Vec<Prefill> = Vec::new();
        let mut tokens = 0;
        while let Some(front) = self.waiting.front() {
            let wish = front.wish;
            let fits = prefills.is_empty() || tokens + wish.length <= PREFILL_TOKENS;
            let closed = self.free.is_empty() || self.home.is_some() || self.room(front) == 0;
            if closed || !fits || wish.least() > capacity {
                break;
            }
            tokens += wish.length;
            let (request, first_sample) = (front.request, front.first_sample);
            let (slots, left) = self.enter();
            let shared = left > 0 && !self.rotate();
            prefills.push(Prefill {
                request,
                first_sample,
                slots,
                shared,
            });
            if left > 0 {
                break;
            }
        }
        Admission::Prefills(prefills)
    }

    /// Lets samples of the half-entered request at the head of the queue join it.
    fn fork(&mut self) -> Option<Fork> {
        if self.free.is_empty() || self.room(self.waiting.front()?) == 0 {
            return None;
        }
        let home = self.home.take()?;
        let (request, first_sample) = {
            let front = self.waiting.front()?;
            (front.request, front.first_sample)
        };
        if let Some(i) = self.free.iter().position(|slot| *slot == home) {
            // The home itself needs no copy, so it is taken first.
            let last = self.free.len() - 1;
            self.free.swap(i, last);
        }
        let (slots, left) = self.enter();
        if left > 0 && !self.rotate() {
            self.share(home);
        }
        Some(Fork {
            request,
            first_sample,
            slots,
            home,
        })
    }

    /// Slots that a request may take besides those that it holds.
    fn room(&self, waiting: &Waiting) -> usize {
        let held = self.held.get(&waiting.request).copied().unwrap_or(0);
        self.share
            .map_or(usize::MAX, |share| share.saturating_sub(held))
    }

    /// Puts requests that hold their share behind those that do not.
    fn let_others_pass(&mut self) {
        let blocked = |slots: &Self| slots.waiting.front().is_some_and(|f| slots.room(f) == 0);
        let may_enter = self.waiting.iter().any(|w| self.room(w) > 0);
        while may_enter && blocked(self) {
            self.rotate();
        }
    }

    /// Puts the head of the queue to its end, if the requests are those of several callers and others wait.
    fn rotate(&mut self) -> bool {
        if self.share.is_none() || self.waiting.len() < 2 {
            return false;
        }
        self.home = None;
        self.waiting.rotate_left(1);
        true
    }

    /// Takes slots for the request at the head of the queue; returns them and the number of samples left.
    fn enter(&mut self) -> (Vec<usize>, usize) {
        let Some(front) = self.waiting.front() else {
            return (Vec::new(), 0);
        };
        let (request, wanted) = (front.request, front.n - front.first_sample);
        let count = wanted.min(self.free.len()).min(self.room(front));
        let slots = (0..count).filter_map(|_| self.free.pop()).collect();
        *self.held.entry(request).or_default() += count;
        if wanted == count {
            self.waiting.pop_front();
        } else {
            self.waiting[0].first_sample += count;
        }
        (slots, wanted - count)
    }
}
