//! Which samples are trained on together, and in which order: a pure function of lengths and seed.

use std::ops::Range;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Limits of one micro-batch; reaching either ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most tokens, unless a single sequence has more.
    pub tokens: usize,
    /// Most sequences.
    pub sequences: usize,
}

/// The order of the sequences in one epoch, cut into micro-batches and optimizer steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochPlan {
    order: Vec<usize>,
    micro_batches: Vec<Range<usize>>,
    grad_accumulation: usize,
}

impl EpochPlan {
    /// Plans `epoch` over sequences of the given `lengths` (in tokens).
    ///
    /// With `seed`, the order is a random permutation drawn from `(seed, epoch)` alone; without, it is the
    /// order given. Micro-batches are filled in that order: sorting by length would save nothing, because
    /// packed batches hold no padding.
    pub fn new(
        lengths: &[usize],
        limits: BatchLimits,
        grad_accumulation: usize,
        seed: Option<u64>,
        epoch: usize,
    ) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        if let Some(seed) = seed {
            order.shuffle(&mut epoch_rng(seed, epoch));
        }
        let micro_batches = fill(order.iter().map(|&i| lengths[i]), limits);
        Self {
            order,
            micro_batches,
            grad_accumulation,
        }
    }

    /// Number of optimizer steps of the epoch.
    pub fn steps(&self) -> usize {
        self.micro_batches.len().div_ceil(self.grad_accumulation)
    }

    /// The micro-batches of optimizer step `step` of the epoch, each as indices of sequences.
    /// Empty past the end.
    pub fn step(&self, step: usize) -> Vec<&[usize]> {
        let micro_batches = self
            .micro_batches
            .iter()
            .skip(step * self.grad_accumulation);
        micro_batches
            .take(self.grad_accumulation)
            .map(|range| &self.order[range.clone()])
            .collect()
    }
}

/// A generator for `(seed, epoch)`: one stream of the seed's generator per epoch.
fn epoch_rng(seed: u64, epoch: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch as u64);
    rng
}

/// Cuts consecutive lengths into ranges that respect `limits`.
fn fill(lengths: impl Iterator<Item = usize>, limits: BatchLimits) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut tokens = 0;
    for (index, length) in lengths.enumerate() {
        match ranges.last_mut() {
            Some(range) if range.len() < limits.sequences && tokens + length <= limits.tokens => {
                range.end = index + 1;
                tokens += length;
            }
            _ => {
                ranges.push(index..index + 1);
                tokens = length;
            }
        }
    }
    ranges
}

/// Number of optimizer steps in `epochs` passes, the last of which may be a fraction.
///
/// `steps_of` gives the number of steps of an epoch; with a token budget it depends on the order.
pub(crate) fn steps_in(epochs: f64, mut steps_of: impl FnMut(usize) -> usize) -> usize {
    let whole = epochs.floor() as usize;
    let full: usize = (0..whole).map(&mut steps_of).sum();
    let fraction = epochs - epochs.floor();
    if fraction > 0.0 {
        full + (fraction * steps_of(whole) as f64).ceil() as usize
    } else {
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 7] = [3, 4, 9, 2, 2, 2, 5];

    fn batches(limits: BatchLimits, seed: Option<u64>, epoch: usize) -> Vec<Vec<usize>> {
        let plan = EpochPlan::new(&LENGTHS, limits, 1, seed, epoch);
        (0..plan.steps())
            .map(|step| plan.step(step).concat())
            .collect()
    }

    #[test]
    fn a_token_budget_is_kept_unless_one_sequence_exceeds_it() {
        let found = batches(
            BatchLimits {
                tokens: 8,
                sequences: usize::MAX,
            },
            None,
            0,
        );
        assert_eq!(found, [vec![0, 1], vec![2], vec![3, 4, 5], vec![6]]);
    }

    #[test]
    fn a_sequence_count_is_kept() {
        let found = batches(
            BatchLimits {
                tokens: usize::MAX,
                sequences: 3,
            },
            None,
            0,
        );
        assert_eq!(found, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        let found = batches(
            BatchLimits {
                tokens: 8,
                sequences: 2,
            },
            None,
            0,
        );
        assert_eq!(found, [vec![0, 1], vec![2], vec![3, 4], vec![5, 6]]);
    }

    #[test]
    fn every_epoch_is_a_new_permutation_and_repeatable() {
        let limits = BatchLimits {
            tokens: 8,
            sequences: usize::MAX,
        };
        let first = batches(limits, Some(7), 0);
        assert_eq!(first, batches(limits, Some(7), 0));
        assert_ne!(first, batches(limits, Some(7), 1));
        assert_ne!(first, batches(limits, Some(8), 0));
        let mut seen = first.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..LENGTHS.len()).collect::<Vec<_>>());
    }

    #[test]
    fn the_last_step_takes_the_micro_batches_left() {
        let limits = BatchLimits {
            tokens: usize::MAX,
            sequences: 2,
        };
        let plan = EpochPlan::new(&LENGTHS, limits, 3, None, 0);
        assert_eq!(plan.steps(), 2);
        assert_eq!(plan.step(0), [&[0, 1][..], &[2, 3], &[4, 5]]);
        assert_eq!(plan.step(1), [&[6][..]]);
        assert!(plan.step(2).is_empty());
    }

    #[test]
    fn fractions_of_an_epoch_round_up_to_whole_steps() {
        let steps_of = |epoch: usize| [4, 5, 10][epoch];
        assert_eq!(steps_in(2.0, steps_of), 9);
        assert_eq!(steps_in(2.25, steps_of), 12);
        assert_eq!(steps_in(0.1, steps_of), 1);
    }
}
