//! How often each kind of guess was right.

use super::grams::ORDERS;

/// Where a guess comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The other observer's draft.
    Given,
    /// The prompt or the completion, by the order's index.
    Own(usize),
    /// Earlier completions, by the order's index, and how steady they were.
    Earlier(usize, u8),
}

/// Kinds of steadiness of earlier completions: once, up to four times, more often.
const STEADY: usize = 3;
const KINDS: usize = 1 + ORDERS.len() * (1 + STEADY);

impl Source {
    fn index(self) -> usize {
        match self {
            Self::Given => 0,
            Self::Own(order) => 1 + order,
            Self::Earlier(order, streak) => {
                let steady = match streak {
                    0..=1 => 0,
                    2..=4 => 1,
                    _ => 2,
                };
                1 + ORDERS.len() + order * STEADY + steady
            }
        }
    }
}

/// Of one kind: how many guesses there were and how many were right, the older the less they weigh.
#[derive(Clone, Copy, Debug)]
struct Rate {
    right: f32,
    seen: f32,
    /// Guesses that were not made since the last one, as they seemed to be wrong.
    passed: u32,
}

/// Weight of an outcome after one more.
const MEMORY: f32 = 0.98;
/// Guesses that are passed over before one is made all the same, so that a kind that has become right is found out.
const PATIENCE: u32 = 50;

/// How often each kind of guess was right.
#[derive(Clone, Debug)]
pub(super) struct Rates([Rate; KINDS]);

impl Default for Rates {
    /// At first each is held for right as often as not.
    fn default() -> Self {
        Self(
            [Rate {
                right: 2.0,
                seen: 4.0,
                passed: 0,
            }; KINDS],
        )
    }
}

impl Rates {
    /// The share of right guesses of a kind.
    pub(super) fn of(&self, source: Source) -> f32 {
        let Rate { right, seen, .. } = self.0[source.index()];
        right / seen
    }

    /// Learns what became of a guess.
    pub(super) fn learn(&mut self, source: Source, is_right: bool) {
        let rate = &mut self.0[source.index()];
        rate.right = rate.right * MEMORY + f32::from(is_right);
        rate.seen = rate.seen * MEMORY + 1.0;
        rate.passed = 0;
    }

    /// Whether a guess that seems wrong is to be made all the same.
    pub(super) fn tries(&mut self, source: Source) -> bool {
        let rate = &mut self.0[source.index()];
        rate.passed += 1;
        rate.passed > PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_places_of_their_own() {
        let own = (0..ORDERS.len()).map(Source::Own);
        let streaks = [1, 3, 9];
        let earlier = (0..ORDERS.len()).flat_map(|o| streaks.map(|s| Source::Earlier(o, s)));
        let all = std::iter::once(Source::Given).chain(own).chain(earlier);
        let mut places: Vec<usize> = all.map(Source::index).collect();
        places.sort_unstable();
        assert_eq!(places, (0..KINDS).collect::<Vec<_>>());
    }

    #[test]
    fn a_kind_that_is_wrong_is_tried_again_now_and_then() {
        let mut rates = Rates::default();
        for _ in 0..400 {
            rates.learn(Source::Own(0), false);
        }
        assert!(rates.of(Source::Own(0)) < 0.01);
        let tried = (0..=PATIENCE).filter(|_| rates.tries(Source::Own(0)));
        assert_eq!(tried.count(), 1);
        for _ in 0..400 {
            rates.learn(Source::Own(0), true);
        }
        assert!(rates.of(Source::Own(0)) > 0.95);
        assert_eq!(rates.of(Source::Given), 0.5);
    }
}
