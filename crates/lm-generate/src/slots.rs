//! Which request enters which slot of the cache, and when: scheduling without tensors.
//!
//! Requests enter in the order given. A request takes as many free slots as it has samples left; if there are too few,
//! it stays at the head of the queue, and its remaining samples are the first to enter as slots become free. Until then
//! one slot, its home, is known to begin with the keys and values of its prompt. The home stays valid without being
//! reserved, because a sequence only writes behind its prompt and nobody but the head of the queue may take a freed
//! slot.

use std::collections::VecDeque;

use crate::request::Request;

/// Prompt tokens that enter in one decode step, unless a single prompt is longer. This bounds
/// the activations of a step, and how long a caller waits for its progress callback.
const PREFILL_TOKENS: usize = 2048;

/// A prompt to run through the model, and the samples that continue it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prefill {
    pub(crate) request: usize,
    pub(crate) first_sample: usize,
    /// One slot per sample; the prompt is computed in the first.
    pub(crate) slots: Vec<usize>,
    /// Samples of the request that found no slot.
    pub(crate) left: usize,
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

/// The waiting requests and the free slots.
#[derive(Debug)]
pub(crate) struct Slots<'a> {
    requests: &'a [Request],
    /// Requests with samples that have not entered, and the number of the first such sample.
    waiting: VecDeque<(usize, usize)>,
    /// The home of the request at the head of the queue, once its prompt has been computed.
    home: Option<usize>,
    free: Vec<usize>,
}

impl<'a> Slots<'a> {
    pub(crate) fn new(requests: &'a [Request], slots: usize) -> Self {
        let wanted = (0..requests.len()).filter(|&r| requests[r].n > 0);
        Self {
            requests,
            waiting: wanted.map(|r| (r, 0)).collect(),
            home: None,
            free: (0..slots).rev().collect(),
        }
    }

    /// Gives back the slot of a finished sequence.
    pub(crate) fn release(&mut self, slot: usize) {
        self.free.push(slot);
    }

    /// Keeps the prompt of a request whose samples did not all find a slot.
    pub(crate) fn share(&mut self, home: usize) {
        self.home = Some(home);
    }

    /// Assigns free slots to waiting samples.
    pub(crate) fn admit(&mut self) -> Admission {
        if let Some(fork) = self.fork() {
            return Admission::Fork(fork);
        }
        let mut prefills = Vec::new();
        let mut tokens = 0;
        while let Some(&(request, first_sample)) = self.waiting.front() {
            let length = self.requests[request].prompt.len();
            let fits = prefills.is_empty() || tokens + length <= PREFILL_TOKENS;
            if self.free.is_empty() || self.home.is_some() || !fits {
                break;
            }
            tokens += length;
            let (slots, left) = self.enter(request, first_sample);
            prefills.push(Prefill {
                request,
                first_sample,
                slots,
                left,
            });
            if left > 0 {
                break;
            }
        }
        Admission::Prefills(prefills)
    }

    /// Lets samples of the half-entered request at the head of the queue join it.
    fn fork(&mut self) -> Option<Fork> {
        if self.free.is_empty() {
            return None;
        }
        let home = self.home.take()?;
        let (request, first_sample) = *self.waiting.front()?;
        if let Some(i) = self.free.iter().position(|slot| *slot == home) {
            // The home itself needs no copy, so it is taken first.
            let last = self.free.len() - 1;
            self.free.swap(i, last);
        }
        let (slots, left) = self.enter(request, first_sample);
        if left > 0 {
            self.share(home);
        }
        Some(Fork {
            request,
            first_sample,
            slots,
            home,
        })
    }

    /// Takes slots for the request at the head of the queue; returns them and the number of samples left.
    fn enter(&mut self, request: usize, first_sample: usize) -> (Vec<usize>, usize) {
        let wanted = self.requests[request].n - first_sample;
        let count = wanted.min(self.free.len());
        let slots = (0..count).filter_map(|_| self.free.pop()).collect();
        match wanted - count {
            0 => drop(self.waiting.pop_front()),
            _ => self.waiting[0] = (request, first_sample + count),
        }
        (slots, wanted - count)
    }
}
