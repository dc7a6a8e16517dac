//! What earlier completions said.

use std::sync::Arc;

use super::grams::{Grams, Next, ORDERS};
use super::rates::Rates;

/// Contexts of one generation of a history, over all orders: about 25 MB.
const MOST: usize = 1 << 19;

/// What earlier completions said, for the drafts of later ones: answers of one model are much alike, and the
/// completions of one prompt even more (He et al., *DAS: distribution-aware speculative decoding for reinforcement
/// learning*, arXiv 2511.13841, learn from earlier rollouts too).
///
/// It holds a bounded number of contexts; the oldest half is forgotten when it is full. It changes how fast
/// completions are written, never what they say.
#[derive(Clone, Debug, Default)]
pub struct History {
    young: Grams,
    old: Grams,
    pub(super) rates: Rates,
    /// For each token the one that stands for it.
    alike: Arc<[u32]>,
}

impl History {
    /// A history without a completion.
    pub fn new() -> Self {
        Self::default()
    }

    /// A history to which some tokens are alike when it looks back: for each token, in the order of their ids, the one
    /// that stands for it. A name behind a quotation mark often begins with another token than behind a space.
    pub fn with_alike(alike: impl Into<Arc<[u32]>>) -> Self {
        Self {
            alike: alike.into(),
            ..Self::default()
        }
    }

    /// The token that stands for one.
    pub(super) fn alike(&self, id: u32) -> u32 {
        self.alike.get(id as usize).copied().unwrap_or(id)
    }

    /// Learns that a token followed others.
    pub(super) fn learn(&mut self, before: &[u32], id: u32) {
        if self.young.len() + ORDERS.len() > MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.learn(before, id);
    }

    /// What followed the last `order` of some tokens.
    pub(super) fn next(&self, ids: &[u32], order: usize) -> Option<Next> {
        let young = self.young.next(ids, order);
        young.or_else(|| self.old.next(ids, order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_the_rest_stays() {
        let mut history = History::new();
        let ids: Vec<u32> = (0..MOST as u32).collect();
        for at in 1..ids.len() - 1 {
            history.learn(&ids[at.saturating_sub(6)..at], ids[at]);
        }
        assert!(history.young.len() <= MOST && history.old.len() <= MOST);
        let last = &ids[ids.len() - 9..ids.len() - 2];
        assert!(history.next(last, 6).is_some());
        assert!(history.next(&ids[..7], 6).is_none());
    }
}
