//! What earlier completions said.

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
}

impl History {
    /// A history without a completion.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns that the last of some tokens followed the others.
    pub(super) fn learn(&mut self, ids: &[u32]) {
        if self.young.len() + ORDERS.len() > MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.learn(ids);
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
        for end in 2..ids.len() {
            history.learn(&ids[end.saturating_sub(7)..end]);
        }
        assert!(history.young.len() <= MOST && history.old.len() <= MOST);
        let last = &ids[ids.len() - 9..ids.len() - 2];
        assert!(history.next(last, 6).is_some());
        assert!(history.next(&ids[..7], 6).is_none());
    }
}
