//! The paper's sample for reinforcement learning: 20 in-domain training sets, in proportion to their capped sizes.
//!
//! The set d with n_d rows gives ⌊N · min(n_d, C) / Σ min(n, C)⌋ of the N rows, C being the cap; its rows are shuffled
//! and the first of them taken. Rounding down leaves up to one row a set unused, as in the paper's script. The order is
//! drawn from a stream of its own for each set, so leaving a set out changes the quotas of the others but not their
//! order.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::splits::dataset::source_name;

/// The 20 in-domain sets that the paper samples from, as InstructUIE's folders are named.
pub const IN_DOMAIN_SETS: [&str; 20] = [
    "ACE 2005",
    "AnatEM",
    "bc2gm",
    "bc4chemd",
    "bc5cdr",
    "broad_tweet_corpus",
    "CoNLL 2003",
    "FabNER",
    "FindVehicle",
    "GENIA_NER",
    "HarveyNER",
    "mit-movie",
    "mit-restaurant",
    "MultiNERD",
    "ncbi",
    "Ontonotes",
    "PolyglotNER",
    "TweetNER7",
    "WikiANN en",
    "WikiNeural",
];

/// The two of [`IN_DOMAIN_SETS`] that are benchmark sets too. With them in the sample they are not out-of-domain.
pub const MIT_SETS: [&str; 2] = ["mit-movie", "mit-restaurant"];

/// How the sample is drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SampleConfig {
    /// Rows asked for, N.
    pub total: usize,
    /// Rows of a set that count, C.
    pub cap: usize,
    /// Seed of all draws.
    pub seed: u64,
    /// Whether the rows of all sets are mixed; else they stand set by set.
    pub shuffle: bool,
}

impl Default for SampleConfig {
    /// The values of the paper's script.
    fn default() -> Self {
        SampleConfig {
            total: 5_000,
            cap: 10_000,
            seed: 42,
            shuffle: false,
        }
    }
}

/// A row of the sample: the index of its set and its index in the set, both from 0.
pub type Draw = (usize, usize);

/// How many rows each set gives; no more than it has.
pub fn quotas(sizes: &[usize], total: usize, cap: usize) -> Vec<usize> {
    let all: u128 = sizes.iter().map(|&size| size.min(cap) as u128).sum();
    let quota = |&size: &usize| {
        let share = total as u128 * size.min(cap) as u128;
        // `all` is 0 only if every share is.
        let quota = share.checked_div(all).unwrap_or(0);
        usize::try_from(quota).map_or(size, |quota| quota.min(size))
    };
    sizes.iter().map(quota).collect()
}

/// The most rows that each of `n_missing` further sets would give: those of a set with at least `cap` rows, if all of
/// them were there.
pub fn missing_quota(sizes: &[usize], n_missing: usize, config: &SampleConfig) -> usize {
    let all: Vec<usize> = sizes
        .iter()
        .copied()
        .chain(std::iter::repeat_n(config.cap, n_missing))
        .collect();
    let quotas = quotas(&all, config.total, config.cap);
    quotas.get(sizes.len()).copied().unwrap_or(0)
}

/// Draws the sample from sets of the given names and sizes, in the order in which it is to be used.
pub fn draw(sets: &[(&str, usize)], config: &SampleConfig) -> Vec<Draw> {
    let sizes: Vec<usize> = sets.iter().map(|(_, size)| *size).collect();
    let quotas = quotas(&sizes, config.total, config.cap);
    let mut draws = Vec::with_capacity(quotas.iter().sum());
    for (i, ((name, size), quota)) in sets.iter().zip(quotas).enumerate() {
        let mut rows: Vec<usize> = (0..*size).collect();
        rows.shuffle(&mut stream(config.seed, name));
        draws.extend(rows.into_iter().take(quota).map(|row| (i, row)));
    }
    if config.shuffle {
        draws.shuffle(&mut stream(config.seed, ""));
    }
    draws
}

/// The generator of one set: its stream is the beginning of the hash of its key.
fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut stream = [0; 8];
    stream.copy_from_slice(&blake3::hash(set_key(name).as_bytes()).as_bytes()[..8]);
    random.set_stream(u64::from_le_bytes(stream));
    random
}

/// A set's name without case, blanks and punctuation, by which folders are matched: `Broad Tweet Corpus` and
/// `broad_tweet_corpus_sample_15000` have the same key.
pub fn set_key(name: &str) -> String {
    source_name(name)
        .chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_proportional_and_rounded_down() {
        assert_eq!(
            quotas(&[30_000, 10_000, 5_000], 5_000, 10_000),
            [2_000, 2_000, 1_000]
        );
        assert_eq!(
            quotas(&[3, 3, 3], 10, 10_000),
            [3, 3, 3],
            "no more than there are"
        );
        assert_eq!(quotas(&[1, 1, 1], 2, 10), [0, 0, 0], "rounded down");
        assert_eq!(quotas(&[7, 2], 5, 10), [3, 1]);
        assert_eq!(quotas(&[], 5, 10), [0; 0]);
        let config = SampleConfig::default();
        assert_eq!(missing_quota(&[10_000, 5_000], 1, &config), 2_000);
        assert_eq!(missing_quota(&[10_000], 0, &config), 0);
        assert_eq!(quotas(&[0, 0], 5, 10), [0, 0]);
        assert_eq!(quotas(&[usize::MAX, 1], usize::MAX, usize::MAX).len(), 2);
    }

    #[test]
    fn a_seed_gives_one_sample_and_another_seed_another() {
        let sets = [("a", 400), ("b", 200)];
        let config = SampleConfig {
            total: 60,
            ..SampleConfig::default()
        };
        let first = draw(&sets, &config);
        assert_eq!(first, draw(&sets, &config));
        assert_eq!(first.iter().filter(|(set, _)| *set == 0).count(), 40);
        let distinct: std::collections::HashSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), 60);
        let other = SampleConfig {
            seed: 43,
            ..config.clone()
        };
        assert_ne!(first, draw(&sets, &other));
        let mixed = SampleConfig {
            shuffle: true,
            ..config
        };
        let mut mixed = draw(&sets, &mixed);
        assert_ne!(first, mixed);
        mixed.sort_unstable();
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, mixed, "the same rows in another order");
    }

    #[test]
    fn leaving_a_set_out_keeps_the_order_of_the_others() {
        let config = SampleConfig {
            total: 30,
            ..SampleConfig::default()
        };
        let with = draw(&[("a", 100), ("mit-movie", 200)], &config);
        let without = draw(&[("a", 100)], &config);
        let of_first: Vec<_> = with.iter().filter(|(set, _)| *set == 0).collect();
        assert_eq!((of_first.len(), without.len()), (10, 30));
        assert!(of_first.iter().zip(&without).all(|(a, b)| **a == *b));
    }

    #[test]
    fn names_are_matched_loosely() {
        assert_eq!(
            set_key("Broad Tweet Corpus"),
            set_key("broad_tweet_corpus_sample_15000")
        );
        assert_ne!(set_key("bc2gm"), set_key("bc5cdr"));
        let keys: std::collections::HashSet<_> = IN_DOMAIN_SETS.map(set_key).into_iter().collect();
        assert_eq!(keys.len(), 20);
        assert!(MIT_SETS.iter().all(|name| IN_DOMAIN_SETS.contains(name)));
    }
}
