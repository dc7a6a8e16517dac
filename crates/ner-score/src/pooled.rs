//! Two methods that were each trained with several seeds, on the same sentences: pooled bootstrap and randomisation.
//!
//! The seeds of a method answer the same sentences, so their answers to one sentence are not independent: a sentence
//! that suits a method suits it with every seed. The sentence is therefore the unit. The bootstrap draws sentences,
//! each with the answers of all seeds of both methods; the randomisation exchanges the two methods for a sentence with
//! all of its seeds at once. Counting every answer as a sentence of its own would make the p-values too small.
//!
//! Both are conditional on the models that were trained: they say whether these models differ on sentences like these,
//! not what training with other seeds would give. That is the question of the t-test over the seeds' differences,
//! [`paired_t_test`](crate::student::paired_t_test).

use rand::{Rng, RngCore};
use serde::{Deserialize, Serialize};

use crate::bootstrap::{Interval, stream};
use crate::counts::Counts;
use crate::error::Error;
use crate::mean::mean;

/// The sentences of one set with the counts of two methods for each seed.
#[derive(Clone, Debug, PartialEq)]
pub struct PooledSet {
    n_seeds: usize,
    /// Sentence by sentence, seed by seed: the first method and the second.
    pairs: Vec<[Counts; 2]>,
}

/// What the first method has over the second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PooledTest {
    /// Micro-F1 of the first method minus that of the second, as a fraction: the mean over seeds and sets.
    pub difference: f64,
    /// The same for each seed, the mean over the sets.
    pub by_seed: Vec<f64>,
    /// 95 % percentile interval of `difference` over sentences; the point itself without rounds.
    pub interval: Interval,
    /// Two-sided p-value of "for no sentence does it matter which method answered it"; never 0.
    pub p_value: f64,
    /// Resamples of the interval and exchanges of the p-value.
    pub rounds: usize,
}

impl PooledSet {
    /// Pairs the counts of two methods on one set: for each seed, in the same order, a list over the sentences.
    ///
    /// # Errors
    ///
    /// If the methods have different numbers of seeds, or a seed a different number of sentences.
    pub fn new(first: &[&[Counts]], second: &[&[Counts]]) -> Result<PooledSet, Error> {
        if first.len() != second.len() {
            return Err(Error::SeedCount {
                expected: first.len(),
                found: second.len(),
            });
        }
        let sentences = first.first().map_or(0, |seed| seed.len());
        let lengths = first.iter().chain(second).map(|seed| seed.len());
        if let Some(found) = lengths.clone().find(|found| *found != sentences) {
            return Err(Error::PooledSentences {
                expected: sentences,
                found,
            });
        }
        let of_sentence = |at| first.iter().zip(second).map(move |(a, b)| [a[at], b[at]]);
        Ok(PooledSet {
            n_seeds: first.len(),
            pairs: (0..sentences).flat_map(of_sentence).collect(),
        })
    }

    /// Number of sentences.
    pub fn sentences(&self) -> usize {
        self.pairs.len().checked_div(self.n_seeds).unwrap_or(0)
    }

    /// F1 of the first method minus that of the second, for each seed.
    fn differences(&self) -> Vec<f64> {
        let mut totals = self.nothing();
        for sentence in self.pairs.chunks(self.n_seeds.max(1)) {
            add(&mut totals, sentence, 0);
        }
        totals.iter().map(difference).collect()
    }

    /// The mean difference on as many sentences, drawn with replacement.
    fn resampled(&self, rng: &mut impl Rng) -> f64 {
        // A u32, so that the draws are the same on machines of any word size.
        let sentences = u32::try_from(self.sentences()).unwrap_or(u32::MAX);
        let mut totals = self.nothing();
        for _ in 0..sentences {
            let from = rng.random_range(0..sentences) as usize * self.n_seeds;
            add(&mut totals, &self.pairs[from..from + self.n_seeds], 0);
        }
        mean(totals.iter().map(difference))
    }

    /// The mean difference after each sentence's methods were exchanged, or not, for all of its seeds.
    fn exchanged(&self, rng: &mut impl RngCore) -> f64 {
        let mut totals = self.nothing();
        for sentences in self.pairs.chunks(64 * self.n_seeds.max(1)) {
            let mut bits = rng.next_u64();
            for sentence in sentences.chunks(self.n_seeds.max(1)) {
                add(&mut totals, sentence, (bits & 1) as usize);
                bits >>= 1;
            }
        }
        mean(totals.iter().map(difference))
    }

    fn nothing(&self) -> Vec<[Counts; 2]> {
        vec![[Counts::default(); 2]; self.n_seeds]
    }
}

/// Adds a sentence's counts to those of each seed, with the methods in their order (0) or exchanged (1).
fn add(totals: &mut [[Counts; 2]], sentence: &[[Counts; 2]], swap: usize) {
    for (total, pair) in totals.iter_mut().zip(sentence) {
        total[swap] += pair[0];
        total[1 - swap] += pair[1];
    }
}

fn difference(total: &[Counts; 2]) -> f64 {
    total[0].f1() - total[1].f1()
}

/// Compares two methods over all seeds and sets: interval by the bootstrap, p-value by approximate randomisation, with
/// the sentence as the unit of both (see the head of this module).
///
/// Every set has its own random stream, as in [`crate::bootstrap`]. The p-value counts exchanges whose difference is at
/// least as large as the observed one in either direction, with one added to both counts (Noreen 1989; Phipson and
/// Smyth 2010). The result depends on the arguments only.
///
/// # Errors
///
/// If the sets have different numbers of seeds.
pub fn pooled_test(sets: &[PooledSet], seed: u64, rounds: usize) -> Result<PooledTest, Error> {
    let n_seeds = sets.first().map_or(0, |set| set.n_seeds);
    if let Some(other) = sets.iter().find(|set| set.n_seeds != n_seeds) {
        return Err(Error::SeedCount {
            expected: n_seeds,
            found: other.n_seeds,
        });
    }
    let differences: Vec<Vec<f64>> = sets.iter().map(PooledSet::differences).collect();
    let observed = mean(
        differences
            .iter()
            .map(|of_set| mean(of_set.iter().copied())),
    );
    let resampled = over_sets(sets, seed, rounds, PooledSet::resampled);
    let exchanged = over_sets(sets, seed, rounds, PooledSet::exchanged);
    // Rounding of the sums must not make an exchange of everything less extreme than what was observed.
    let extreme = exchanged
        .iter()
        .filter(|d| d.abs() >= observed.abs() - 1e-12)
        .count();
    Ok(PooledTest {
        difference: observed,
        by_seed: (0..n_seeds)
            .map(|i| mean(differences.iter().map(|of_set| of_set[i])))
            .collect(),
        interval: Interval::central_95(resampled, observed),
        p_value: (extreme + 1) as f64 / (rounds + 1) as f64,
        rounds,
    })
}

/// For each round the mean over the sets of what is drawn from them.
fn over_sets<R>(sets: &[PooledSet], seed: u64, rounds: usize, draw: R) -> Vec<f64>
where
    R: Fn(&PooledSet, &mut rand_chacha::ChaCha8Rng) -> f64,
{
    let mut sums = vec![0.0; rounds];
    for (i, set) in sets.iter().enumerate() {
        let mut rng = stream(seed, i);
        for sum in &mut sums {
            *sum += draw(set, &mut rng);
        }
    }
    let n_sets = sets.len().max(1) as f64;
    sums.into_iter().map(|sum| sum / n_sets).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::paired_bootstrap;
    use crate::randomization::approximate_randomization;

    fn counts(tp: usize) -> Counts {
        Counts {
            tp,
            predicted: 10,
            gold: 10,
        }
    }

    /// One set of so many sentences. With each seed a method finds the same number of a sentence's pairs, give or take
    /// one: `shift` for the method and the sentence, drawn alike for both methods, so that there is nothing to find.
    fn under_the_null(rng: &mut impl Rng, sentences: usize, seeds: usize) -> [Vec<Vec<Counts>>; 2] {
        let mut methods = [vec![Vec::new(); seeds], vec![Vec::new(); seeds]];
        for _ in 0..sentences {
            let difficulty = rng.random_range(3..=5);
            for method in &mut methods {
                let shift = rng.random_range(0..=3);
                for seed in method.iter_mut() {
                    seed.push(counts(difficulty + shift + rng.random_range(0..=1)));
                }
            }
        }
        methods
    }

    fn slices(method: &[Vec<Counts>]) -> Vec<&[Counts]> {
        method.iter().map(Vec::as_slice).collect()
    }

    fn pooled(methods: &[Vec<Vec<Counts>>; 2]) -> PooledSet {
        PooledSet::new(&slices(&methods[0]), &slices(&methods[1])).expect("same sentences")
    }

    /// Under the null hypothesis one test in twenty has p ≤ 0.05. Of 600 tests that is 30 with a standard deviation of
    /// 5.3; taking the seeds' answers for sentences of their own finds a difference three to five times as often.
    #[test]
    fn one_test_in_twenty_is_significant_where_there_is_nothing_to_find() {
        let mut rng = stream(11, 0);
        let (mut right, mut wrong, mut covered) = (0, 0, 0);
        for trial in 0..600 {
            let methods = under_the_null(&mut rng, 60, 5);
            let test = pooled_test(&[pooled(&methods)], trial, 199).expect("one set");
            right += usize::from(test.p_value <= 0.05);
            covered += usize::from(test.interval.contains(0.0));
            let [a, b] = methods.map(|method| method.concat());
            let naive = approximate_randomization(&[&a], &[&b], trial, 199).expect("same");
            wrong += usize::from(naive.p_value <= 0.05);
        }
        assert!((15..=46).contains(&right), "{right} of 600 at p <= 0.05");
        assert!(wrong > 90, "{wrong} of 600: the units would not matter");
        // Percentile intervals of 60 sentences are a little narrow.
        assert!((545..=588).contains(&covered), "{covered} of 600 cover 0");
    }

    #[test]
    fn a_difference_that_every_sentence_shows_is_found() {
        let mut rng = stream(12, 0);
        let mut methods = under_the_null(&mut rng, 200, 3);
        for counts in methods[0].iter_mut().flatten() {
            counts.tp += 1;
        }
        let test = pooled_test(&[pooled(&methods)], 1, 999).expect("one set");
        assert_eq!(test.p_value, 0.001);
        assert!(test.interval.low > 0.0 && test.interval.contains(test.difference));
        assert!((mean(test.by_seed.iter().copied()) - test.difference).abs() < 1e-12);
    }

    #[test]
    fn p_values_of_few_sentences_are_those_of_all_exchanges() {
        // Four sentences, the first method better in each with both seeds: 2 of the 16 exchanges are as extreme.
        let (a, b) = (vec![counts(6); 4], vec![counts(4); 4]);
        let set = PooledSet::new(&[&a, &a], &[&b, &b]).expect("same sentences");
        assert_eq!(set.sentences(), 4);
        let test = pooled_test(&[set], 1, 20_000).expect("one set");
        assert!((test.difference - 0.2).abs() < 1e-12);
        assert!((test.p_value - 0.125).abs() < 0.01, "{test:?}");
    }

    #[test]
    fn one_seed_is_the_paired_bootstrap() {
        let mut rng = stream(13, 0);
        let [a, b] = under_the_null(&mut rng, 80, 1).map(|method| method.concat());
        let set = PooledSet::new(&[&a], &[&b]).expect("same sentences");
        let test = pooled_test(&[set], 5, 400).expect("one set");
        let paired = paired_bootstrap(&[&a], &[&b], 5, 400).expect("same sentences");
        assert!((test.difference - paired.difference).abs() < 1e-12);
        assert!((test.interval.low - paired.interval.low).abs() < 1e-9);
        assert!((test.interval.high - paired.interval.high).abs() < 1e-9);
    }

    #[test]
    fn what_is_not_paired_is_refused() {
        let (three, four) = (vec![counts(1); 3], vec![counts(1); 4]);
        let error =
            PooledSet::new(&[&three, &three], &[&three, &four]).expect_err("a sentence more");
        assert!(
            error.to_string().contains("expected 3 sentences"),
            "{error}"
        );
        let error = PooledSet::new(&[&three], &[&three, &three]).expect_err("a seed more");
        assert!(error.to_string().contains("expected 1 seed"), "{error}");
        let nothing = pooled_test(&[], 1, 10).expect("no set, no difference");
        assert_eq!((nothing.difference, nothing.p_value), (0.0, 1.0));
    }
}
