//! What followed n tokens.

use rustc_hash::FxHashMap;

/// The tokens that a prediction looks back at: so many of them.
pub(super) const ORDERS: [usize; 5] = [1, 2, 3, 4, 6];

/// What followed n tokens when they stood last, and how often it was the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) id: u32,
    /// How often it followed, without another one between; up to 255.
    pub(super) streak: u8,
}

/// What followed the last tokens of a text, for each order.
///
/// The tokens themselves are not kept, only a hash of them: a clash costs a wrong draft, which changes nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Grams {
    next: FxHashMap<u64, Next>,
}

impl Grams {
    /// How many contexts are known.
    pub(super) fn len(&self) -> usize {
        self.next.len()
    }

    /// Learns that a token followed others.
    pub(super) fn learn(&mut self, before: &[u32], id: u32) {
        for order in ORDERS {
            if let Some(key) = key(before, order) {
                let next = self.next.entry(key).or_insert(Next { id, streak: 0 });
                let streak = if next.id == id { next.streak } else { 0 };
                *next = Next {
                    id,
                    streak: streak.saturating_add(1),
                };
            }
        }
    }

    /// What followed the last `order` of some tokens.
    pub(super) fn next(&self, ids: &[u32], order: usize) -> Option<Next> {
        self.next.get(&key(ids, order)?).copied()
    }
}

/// The last `order` tokens as a number (FNV-1a over tokens, with the order in it).
fn key(ids: &[u32], order: usize) -> Option<u64> {
    let last = &ids[ids.len().checked_sub(order)?..];
    let mix = |hash: u64, id: u64| (hash ^ id).wrapping_mul(0x0100_0000_01b3);
    let start = mix(0xcbf2_9ce4_8422_2325, order as u64);
    Some(
        last.iter()
            .fold(start, |hash, id| mix(hash, u64::from(*id))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_to_follow_is_predicted() {
        let mut grams = Grams::default();
        let text = [1, 2, 3, 1, 2, 4, 1, 2, 4];
        for at in 1..text.len() {
            grams.learn(&text[..at], text[at]);
        }
        let next = |ids: &[u32], order| grams.next(ids, order);
        assert_eq!(next(&[1, 2], 2), Some(Next { id: 4, streak: 2 }));
        assert_eq!(next(&[9, 2], 1), Some(Next { id: 4, streak: 2 }));
        assert_eq!(next(&[3, 1, 2], 3), Some(Next { id: 4, streak: 1 }));
        assert_eq!(next(&[9, 2], 2), None);
        assert_eq!(next(&[2], 2), None, "there are not so many");
    }
}
