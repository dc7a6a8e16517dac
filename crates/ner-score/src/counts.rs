//! The three numbers from which precision, recall and F1 follow.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// How many pairs were predicted, how many were asked for, and how many of them agree.
///
/// Counts of sentences add up to the counts of a data set, whose F1 is then the *micro*-F1. Ratios are fractions in
/// [0, 1]; the `_percent` methods give the same in [0, 100].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Counts {
    /// True positives: pairs both predicted and in the gold set.
    pub tp: usize,
    /// Distinct predicted pairs.
    pub predicted: usize,
    /// Distinct gold pairs.
    pub gold: usize,
}

impl Counts {
    /// Share of the predicted pairs that are right; 0 if nothing was predicted.
    pub fn precision(&self) -> f64 {
        ratio(self.tp as f64, self.predicted as f64)
    }

    /// Share of the gold pairs that were predicted; 0 if there are none.
    pub fn recall(&self) -> f64 {
        ratio(self.tp as f64, self.gold as f64)
    }

    /// Harmonic mean of precision and recall; 0 if both are 0, and so also for an empty answer to an empty gold set.
    ///
    /// Written as 2PR / (P + R), not as 2tp / (predicted + gold): the two differ in the last bit, and this one is
    /// what the paper's scorer computes.
    pub fn f1(&self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        ratio(2.0 * precision * recall, precision + recall)
    }

    /// [`Counts::precision`] in percent.
    pub fn precision_percent(&self) -> f64 {
        self.precision() * 100.0
    }

    /// [`Counts::recall`] in percent.
    pub fn recall_percent(&self) -> f64 {
        self.recall() * 100.0
    }

    /// [`Counts::f1`] in percent.
    pub fn f1_percent(&self) -> f64 {
        self.f1() * 100.0
    }
}

/// Sums the counts of sentences into those of a data set.
pub fn total(sentences: &[Counts]) -> Counts {
    sentences.iter().sum()
}

fn ratio(numerator: f64, denominator: f64) -> f64 {
    if denominator > 0.0 {
        numerator / denominator
    } else {
        0.0
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(mut self, other: Counts) -> Counts {
        self += other;
        self
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.tp += other.tp;
        self.predicted += other.predicted;
        self.gold += other.gold;
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(items: I) -> Counts {
        items.fold(Counts::default(), Add::add)
    }
}

impl<'a> Sum<&'a Counts> for Counts {
    fn sum<I: Iterator<Item = &'a Counts>>(items: I) -> Counts {
        items.copied().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tp: usize, predicted: usize, gold: usize) -> Counts {
        Counts {
            tp,
            predicted,
            gold,
        }
    }

    #[test]
    fn ratios_of_nothing_are_zero() {
        for empty in [counts(0, 0, 0), counts(0, 3, 0), counts(0, 0, 3)] {
            assert_eq!(
                (empty.precision(), empty.recall(), empty.f1()),
                (0.0, 0.0, 0.0),
                "{empty:?}"
            );
        }
    }

    #[test]
    fn ratios_by_hand() {
        let some = counts(2, 4, 3);
        assert_eq!((some.precision(), some.recall()), (0.5, 2.0 / 3.0));
        assert!((some.f1() - 4.0 / 7.0).abs() < 1e-15);
        assert!((some.f1_percent() - 400.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn micro_f1_is_that_of_the_sum() {
        let sentences = [counts(1, 1, 1), counts(0, 3, 1)];
        assert_eq!(total(&sentences), counts(1, 4, 2));
        assert_eq!(sentences.iter().copied().sum::<Counts>(), total(&sentences));
    }
}
