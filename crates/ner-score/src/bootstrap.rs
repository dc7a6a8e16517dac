//! Bootstrap over sentences: how much of a score is the luck of which sentences were drawn.
//!
//! Sentences are the unit, because entities of one sentence are not independent. Every set is resampled by itself,
//! from its own random stream, so the interval of a set does not depend on which other sets were scored with it.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::error::Error;
use crate::mean::mean;

/// A closed interval of F1, as fractions in [0, 1] (differences in [-1, 1]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end: the 2.5 % quantile.
    pub low: f64,
    /// Upper end: the 97.5 % quantile.
    pub high: f64,
}

impl Interval {
    /// The same interval in percent.
    pub fn percent(self) -> Interval {
        Interval {
            low: self.low * 100.0,
            high: self.high * 100.0,
        }
    }

    /// Whether the value lies in the interval, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// The central 95 % of the values, quantiles interpolated linearly; `point` if there are no values.
    pub(crate) fn central_95(mut values: Vec<f64>, point: f64) -> Interval {
        if values.is_empty() {
            return Interval {
                low: point,
                high: point,
            };
        }
        values.sort_unstable_by(f64::total_cmp);
        Interval {
            low: quantile(&values, 0.025),
            high: quantile(&values, 0.975),
        }
    }
}

/// 95 % percentile intervals of the micro-F1 of each set and of their mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// One interval per set, in the order given.
    pub sets: Vec<Interval>,
    /// Interval of the mean of the sets' micro-F1.
    pub mean: Interval,
}

/// Outcome of a paired bootstrap between two systems scored on the same sentences.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedTest {
    /// Mean micro-F1 of the first system minus that of the second, as a fraction.
    pub difference: f64,
    /// 95 % percentile interval of the difference.
    pub interval: Interval,
    /// Two-sided p-value of "the two systems are equally good".
    pub p_value: f64,
}

/// Resamples the sentences of each set `resamples` times with replacement and gives the 95 % percentile intervals.
///
/// `sets` holds the per-sentence counts of each set. With no resamples, and for a set without sentences, the interval
/// is the point itself. The result depends on the arguments only, not on the platform.
pub fn bootstrap(sets: &[&[Counts]], seed: u64, resamples: usize) -> Bootstrap {
    let replicates: Vec<Vec<f64>> = sets
        .iter()
        .enumerate()
        .map(|(i, set)| set_replicates(set, stream(seed, i), resamples))
        .collect();
    let means = (0..resamples)
        .map(|r| mean(replicates.iter().map(|f1| f1[r])))
        .collect();
    Bootstrap {
        mean: Interval::central_95(means, mean(sets.iter().map(|set| micro_f1(set)))),
        sets: sets
            .iter()
            .zip(replicates)
            .map(|(set, f1)| Interval::central_95(f1, micro_f1(set)))
            .collect(),
    }
}

/// The interval of [`bootstrap`] for the mean of the sets' micro-F1; with one set, for its micro-F1.
pub fn bootstrap_interval(sets: &[&[Counts]], seed: u64, resamples: usize) -> Interval {
    bootstrap(sets, seed, resamples).mean
}

/// Compares two systems on the same sentences, drawing the same sentences for both in every resample.
///
/// The p-value is two-sided and follows the shifted bootstrap: the share of resamples in which the difference departs
/// from the observed one by at least the observed one (Berg-Kirkpatrick et al. 2012, "An Empirical Investigation of
/// Statistical Significance in NLP", made two-sided), with one added to both counts so that it is never 0.
///
/// # Errors
///
/// If the systems were scored on different numbers of sets or sentences.
pub fn paired_bootstrap(
    first: &[&[Counts]],
    second: &[&[Counts]],
    seed: u64,
    resamples: usize,
) -> Result<PairedTest, Error> {
    check_paired(first, second)?;
    let difference = mean_difference(first, second);
    let replicates = paired_replicates(first, second, seed, resamples);
    let extreme = replicates
        .iter()
        .filter(|replicate| (*replicate - difference).abs() >= difference.abs())
        .count();
    Ok(PairedTest {
        difference,
        p_value: (extreme + 1) as f64 / (resamples + 1) as f64,
        interval: Interval::central_95(replicates, difference),
    })
}

/// Mean over the sets of the first system's micro-F1 minus the second's.
pub(crate) fn mean_difference(first: &[&[Counts]], second: &[&[Counts]]) -> f64 {
    let pairs = first.iter().zip(second);
    mean(pairs.map(|(a, b)| micro_f1(a) - micro_f1(b)))
}

pub(crate) fn check_paired(first: &[&[Counts]], second: &[&[Counts]]) -> Result<(), Error> {
    if first.len() != second.len() {
        return Err(Error::SetCount {
            expected: first.len(),
            found: second.len(),
        });
    }
    match first
        .iter()
        .zip(second)
        .position(|(a, b)| a.len() != b.len())
    {
        Some(set) => Err(Error::SentenceCount {
            set,
            expected: first[set].len(),
            found: second[set].len(),
        }),
        None => Ok(()),
    }
}

fn paired_replicates(
    first: &[&[Counts]],
    second: &[&[Counts]],
    seed: u64,
    resamples: usize,
) -> Vec<f64> {
    let mut sums = vec![0.0; resamples];
    for (i, (a, b)) in first.iter().zip(second).enumerate() {
        // The same stream draws the same sentences for both systems.
        let of_first = set_replicates(a, stream(seed, i), resamples);
        let of_second = set_replicates(b, stream(seed, i), resamples);
        sums.iter_mut()
            .zip(of_first.iter().zip(of_second))
            .for_each(|(sum, (a, b))| *sum += a - b);
    }
    let sets = first.len().max(1) as f64;
    sums.into_iter().map(|sum| sum / sets).collect()
}

/// A random stream for each set: same seed, its own ChaCha stream number.
pub(crate) fn stream(seed: u64, set: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(set as u64);
    rng
}

fn micro_f1(set: &[Counts]) -> f64 {
    crate::counts::total(set).f1()
}

fn set_replicates(set: &[Counts], mut rng: ChaCha8Rng, resamples: usize) -> Vec<f64> {
    (0..resamples)
        .map(|_| resample(set, &mut rng).f1())
        .collect()
}

fn resample(set: &[Counts], rng: &mut ChaCha8Rng) -> Counts {
    // The range is a u32 where it fits, so that the draws are the same on 32-bit and 64-bit machines, and fast.
    let sentences = u32::try_from(set.len()).unwrap_or(u32::MAX);
    (0..sentences)
        .map(|_| set[rng.random_range(0..sentences) as usize])
        .sum()
}

/// The `q` quantile of ascending, non-empty values, interpolated linearly between the two nearest ranks.
fn quantile(ascending: &[f64], q: f64) -> f64 {
    let rank = q * (ascending.len() - 1) as f64;
    let (below, above) = (
        ascending[rank.floor() as usize],
        ascending[rank.ceil() as usize],
    );
    below + (above - below) * rank.fract()
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

    /// Every sentence has ten gold pairs; one in `wrong_every` is missed entirely.
    fn system(sentences: usize, wrong_every: usize) -> Vec<Counts> {
        (0..sentences)
            .map(|i| {
                if i % wrong_every == 0 {
                    counts(0, 10, 10)
                } else {
                    counts(10, 10, 10)
                }
            })
            .collect()
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.5), 3.0);
        assert!((quantile(&[0.0, 1.0], 0.025) - 0.025).abs() < 1e-15);
        assert_eq!(quantile(&[7.0], 0.975), 7.0);
    }

    #[test]
    fn interval_covers_what_the_binomial_says() {
        // 400 sentences, each right with probability 0.75: sd of the mean is sqrt(.75 * .25 / 400) = 0.02165.
        let interval = bootstrap_interval(&[&system(400, 4)], 7, 4_000);
        assert!(
            (interval.low - (0.75 - 1.96 * 0.02165)).abs() < 0.006,
            "{interval:?}"
        );
        assert!(
            (interval.high - (0.75 + 1.96 * 0.02165)).abs() < 0.006,
            "{interval:?}"
        );
    }

    #[test]
    fn the_mean_of_sets_is_narrower_than_a_set_and_sets_are_independent_of_each_other() {
        let (a, b) = (system(200, 4), system(300, 3));
        let both = bootstrap(&[&a, &b], 1, 1_000);
        assert_eq!(both.sets[0], bootstrap(&[&a], 1, 1_000).sets[0]);
        let width = |interval: &Interval| interval.high - interval.low;
        assert!(both.sets.iter().all(|set| width(&both.mean) < width(set)));
    }

    #[test]
    fn seeded() {
        let a = system(50, 3);
        assert_eq!(bootstrap(&[&a], 5, 200), bootstrap(&[&a], 5, 200));
        assert_ne!(bootstrap(&[&a], 5, 200), bootstrap(&[&a], 6, 200));
    }

    #[test]
    fn degenerate_input_gives_the_point() {
        let a = system(10, 2);
        assert_eq!(
            bootstrap_interval(&[&a], 1, 0),
            Interval {
                low: 0.5,
                high: 0.5
            }
        );
        assert_eq!(bootstrap_interval(&[&[]], 1, 10), Interval::default());
        assert_eq!(bootstrap_interval(&[], 1, 10), Interval::default());
    }

    #[test]
    fn equal_systems_do_not_differ_and_clearly_better_ones_do() {
        let (good, bad) = (system(300, 10), system(300, 2));
        let equal = paired_bootstrap(&[&good], &[&good], 3, 500).expect("same sentences");
        assert_eq!((equal.difference, equal.p_value), (0.0, 1.0));
        let better = paired_bootstrap(&[&good], &[&bad], 3, 500).expect("same sentences");
        assert!(
            better.p_value < 0.01 && better.interval.low > 0.3,
            "{better:?}"
        );
        let worse = paired_bootstrap(&[&bad], &[&good], 3, 500).expect("same sentences");
        assert_eq!(
            (worse.difference, worse.p_value),
            (-better.difference, better.p_value)
        );
    }

    #[test]
    fn a_difference_within_the_noise_is_not_significant() {
        let (a, b) = (
            system(60, 3),
            system(60, 3).into_iter().rev().collect::<Vec<_>>(),
        );
        let mut slightly_better = b.clone();
        slightly_better[0] = counts(10, 10, 10);
        let test = paired_bootstrap(&[&slightly_better], &[&a], 3, 500).expect("same sentences");
        assert!(test.p_value > 0.3, "{test:?}");
    }

    #[test]
    fn unpaired_input_is_refused() {
        let (a, b) = (system(3, 2), system(4, 2));
        assert_eq!(
            paired_bootstrap(&[&a], &[], 0, 1),
            Err(Error::SetCount {
                expected: 1,
                found: 0
            })
        );
        let error = paired_bootstrap(&[&a, &a], &[&a, &b], 0, 1).expect_err("a sentence more");
        assert_eq!(
            error.to_string(),
            "comparison of two systems, set 1 (counted from 0): expected 3 sentences, found 4"
        );
    }
}
