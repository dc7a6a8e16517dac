//! Approximate randomisation: would the difference between two systems arise if each sentence's answers were dealt to
//! them at random?

use rand::RngCore;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{check_paired, mean_difference, stream};
use crate::counts::Counts;
use crate::error::Error;

/// Outcome of an approximate randomisation test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandomizationTest {
    /// Mean micro-F1 of the first system minus that of the second, as a fraction.
    pub difference: f64,
    /// Two-sided p-value of "it does not matter which system gave which answer".
    pub p_value: f64,
    /// Number of random exchanges.
    pub trials: usize,
}

/// Compares two systems on the same sentences by exchanging their answers to each sentence with probability one half.
///
/// The p-value is the share of trials whose difference is at least as large as the observed one, in either direction,
/// with one added to both counts (Noreen 1989, "Computer Intensive Methods for Testing Hypotheses"; for the +1 also
/// Phipson and Smyth 2010), so that it is never 0. The result depends on the arguments only.
///
/// # Errors
///
/// If the systems were scored on different numbers of sets or sentences.
pub fn approximate_randomization(
    first: &[&[Counts]],
    second: &[&[Counts]],
    seed: u64,
    trials: usize,
) -> Result<RandomizationTest, Error> {
    check_paired(first, second)?;
    let difference = mean_difference(first, second);
    let mut differences = vec![0.0; trials];
    for (i, (a, b)) in first.iter().zip(second).enumerate() {
        let mut rng = stream(seed, i);
        let exchange = Exchange::new(a, b);
        for sum in &mut differences {
            *sum += exchange.difference(&mut rng);
        }
    }
    // The same division as in the observed difference, so that an exchange of nothing equals it to the last bit.
    let sets = first.len().max(1) as f64;
    let is_extreme = |sum: &&f64| (**sum / sets).abs() >= difference.abs();
    let extreme = differences.iter().filter(is_extreme).count();
    Ok(RandomizationTest {
        difference,
        p_value: (extreme + 1) as f64 / (trials + 1) as f64,
        trials,
    })
}

/// Whether a p-value is the smallest that so many trials or resamples can give: the true one is at most that.
pub fn is_floor(p_value: f64, trials: usize) -> bool {
    // A little more, as the value may have been through a file.
    p_value * (trials + 1) as f64 <= 1.0 + 1e-9
}

/// One set: what both systems have in common, and the sentences where they differ.
struct Exchange {
    common: Counts,
    differing: Vec<[Counts; 2]>,
}

impl Exchange {
    fn new(first: &[Counts], second: &[Counts]) -> Self {
        let pairs = || first.iter().zip(second);
        Exchange {
            common: pairs().filter(|(a, b)| a == b).map(|(a, _)| *a).sum(),
            differing: pairs()
                .filter(|(a, b)| a != b)
                .map(|(a, b)| [*a, *b])
                .collect(),
        }
    }

    /// F1 of the first system minus that of the second after a random exchange.
    fn difference(&self, rng: &mut impl RngCore) -> f64 {
        let mut totals = [self.common; 2];
        for sentences in self.differing.chunks(64) {
            let mut bits = rng.next_u64();
            for pair in sentences {
                let swap = (bits & 1) as usize;
                totals[swap] += pair[0];
                totals[1 - swap] += pair[1];
                bits >>= 1;
            }
        }
        totals[0].f1() - totals[1].f1()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tp: usize) -> Counts {
        Counts {
            tp,
            predicted: 10,
            gold: 10,
        }
    }

    #[test]
    fn p_values_of_few_sentences_are_those_of_all_exchanges() {
        // Four sentences, the first system better in each: of the 16 exchanges 2 are as extreme, p = 1/8.
        let (a, b) = ([counts(6); 4], [counts(4); 4]);
        let test = approximate_randomization(&[&a], &[&b], 1, 20_000).expect("same sentences");
        assert!((test.difference - 0.2).abs() < 1e-12);
        // The standard deviation of the estimate is sqrt(1/8 * 7/8 / 20000) = 0.0023.
        assert!((test.p_value - 0.125).abs() < 0.01, "{test:?}");
    }

    #[test]
    fn equal_systems_do_not_differ_and_the_order_of_systems_is_a_sign() {
        let (a, b) = (
            [counts(6), counts(2), counts(9)],
            [counts(4), counts(3), counts(3)],
        );
        let equal = approximate_randomization(&[&a, &b], &[&a, &b], 3, 99).expect("same");
        assert_eq!((equal.difference, equal.p_value), (0.0, 1.0));
        let test = approximate_randomization(&[&a], &[&b], 3, 99).expect("same");
        let turned = approximate_randomization(&[&b], &[&a], 3, 99).expect("same");
        assert_eq!(
            (turned.difference, turned.p_value),
            (-test.difference, test.p_value)
        );
    }

    #[test]
    fn a_clear_difference_has_the_smallest_p_and_never_zero() {
        let (a, b) = (vec![counts(9); 200], vec![counts(1); 200]);
        let test = approximate_randomization(&[&a], &[&b], 3, 99).expect("same");
        assert_eq!(test.p_value, 0.01);
        let none = approximate_randomization(&[&a], &[&b], 3, 0).expect("same");
        assert_eq!(none.p_value, 1.0);
    }

    #[test]
    fn unpaired_input_is_refused() {
        let a = [counts(1)];
        let error = approximate_randomization(&[&a], &[&[]], 0, 1).expect_err("a sentence less");
        let (set, expected, found) = (0, 1, 0);
        assert_eq!(
            error,
            Error::SentenceCount {
                set,
                expected,
                found
            }
        );
    }
}
