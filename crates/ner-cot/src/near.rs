//! Finding sentences that are nearly the same.
//!
//! Sentences are compared by the Jaccard index of their word 3-shingles; of
//! character 3-shingles where there are fewer than five words. Candidates come
//! from MinHash (Broder 1997) with 128 permutations cut into bands (locality-
//! sensitive hashing), and each is verified: exactly where both sentences have at
//! most 128 shingles, by the signatures otherwise.
//!
//! A crate of its own is not used: those that there are keep whole signatures,
//! know no verification, or bring a database or linear algebra with them.

use std::collections::{BTreeSet, HashMap};

use crate::error::Error;
use crate::hashing::{hash_words, mix};
use crate::words::words;

/// Permutations of the signature.
const N_PERMUTATIONS: usize = 128;

/// Most shingles that are kept as they are; they then take no more room than a signature.
const MAX_EXACT: usize = N_PERMUTATIONS;

/// Words of a shingle, and characters of one in short sentences.
const SHINGLE: usize = 3;

/// Sentences of fewer words are compared by characters.
const MIN_WORDS: usize = 5;

/// Least chance that a pair which is exactly at the threshold becomes a candidate.
const MIN_RECALL: f64 = 0.999;

/// End of a chain of rows.
const NONE: u32 = u32::MAX;

/// Sentences seen so far, for finding those that are nearly the same.
///
/// The outcome depends on the sentences and their order only: the first one of a
/// group of near-duplicates is the one that is kept.
///
/// Memory per kept sentence, at the default threshold of 0.9 (16 bands): 4 bytes
/// for each different shingle but at most 512 (about 100 for 25 words), 32 bytes of
/// bookkeeping, 64 for the chains and 165 to 330 in the tables of the bands, in
/// all 400 bytes as measured on 200,000 sentences of 25 words.
#[derive(Debug)]
pub struct NearDuplicates {
    threshold: f64,
    /// Rows of the signature in a band.
    band_rows: usize,
    /// For each band the newest kept sentence by the band's hash.
    bands: Vec<HashMap<u32, u32>>,
    /// For each kept sentence and band the next older one in the same place.
    chains: Vec<u32>,
    kept: Vec<Kept>,
    /// Sentences seen, duplicates included.
    n_seen: usize,
}

#[derive(Debug)]
struct Kept {
    /// Its number among the sentences seen.
    index: usize,
    features: Features,
}

/// What a sentence is compared by.
#[derive(Debug, PartialEq)]
enum Features {
    /// The hashes of all shingles, sorted.
    Exact(Box<[u32]>),
    /// The least hash of the shingles under each permutation.
    Signature(Box<[u32]>),
}

impl NearDuplicates {
    /// The threshold that is usual for deduplication of training data.
    pub const DEFAULT_THRESHOLD: f64 = 0.9;

    /// An empty collection. Sentences whose Jaccard index is at least `threshold`
    /// are near-duplicates; at 1 those whose shingles are the same.
    ///
    /// A pair at the threshold is found with a chance of 99.9 % or more, except
    /// below about 0.1: sentences that share next to nothing have no common hash.
    ///
    /// # Errors
    /// If the threshold is not in 0 to 1.
    pub fn new(threshold: f64) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Error::Setting {
                field: "near_duplicates",
                expected: "a threshold from 0 to 1",
                found: threshold.to_string(),
            });
        }
        let band_rows = band_rows(threshold);
        Ok(Self {
            threshold,
            band_rows,
            bands: vec![HashMap::new(); N_PERMUTATIONS / band_rows],
            chains: Vec::new(),
            kept: Vec::new(),
            n_seen: 0,
        })
    }

    /// Gives the index of the earliest kept sentence that this one nearly repeats,
    /// or keeps it. Indices count the calls, from 0.
    pub fn insert(&mut self, sentence: &str) -> Option<usize> {
        let shingles = shingles(sentence);
        let signature = signature(&shingles);
        let found = self.earliest(&shingles, &signature);
        if found.is_none() {
            self.keep(shingles, signature);
        }
        self.n_seen += 1;
        found
    }

    /// As [`NearDuplicates::insert`], without keeping the sentence or counting it.
    pub fn find(&self, sentence: &str) -> Option<usize> {
        let shingles = shingles(sentence);
        self.earliest(&shingles, &signature(&shingles))
    }

    /// Keeps a sentence even if it is a near-duplicate, so that later ones are
    /// compared with it as well.
    pub(crate) fn insert_always(&mut self, sentence: &str) {
        let shingles = shingles(sentence);
        let signature = signature(&shingles);
        self.keep(shingles, signature);
        self.n_seen += 1;
    }

    fn earliest(&self, shingles: &[u32], signature: &[u32]) -> Option<usize> {
        let candidates = self.candidates(signature);
        let mut kept = candidates.into_iter().map(|at| &self.kept[at as usize]);
        let found = kept.find(|kept| kept.features.jaccard(shingles, signature) >= self.threshold);
        found.map(|kept| kept.index)
    }

    /// Kept sentences that share a band, oldest first.
    fn candidates(&self, signature: &[u32]) -> BTreeSet<u32> {
        let mut candidates = BTreeSet::new();
        for (band, rows) in signature.chunks(self.band_rows).enumerate() {
            let head = self.bands[band].get(&band_hash(rows));
            let mut at = head.copied().unwrap_or(NONE);
            while at != NONE {
                candidates.insert(at);
                at = self.chains[at as usize * self.bands.len() + band];
            }
        }
        candidates
    }

    fn keep(&mut self, shingles: Vec<u32>, signature: Vec<u32>) {
        // Four thousand million sentences do not fit in memory by far.
        let at = u32::try_from(self.kept.len()).unwrap_or(NONE - 1);
        for (table, rows) in self.bands.iter_mut().zip(signature.chunks(self.band_rows)) {
            let older = table.insert(band_hash(rows), at);
            self.chains.push(older.unwrap_or(NONE));
        }
        let features = match shingles.len() {
            0..=MAX_EXACT => Features::Exact(shingles.into()),
            _ => Features::Signature(signature.into()),
        };
        let index = self.n_seen;
        self.kept.push(Kept { index, features });
    }
}

impl Features {
    fn jaccard(&self, shingles: &[u32], signature: &[u32]) -> f64 {
        match self {
            Self::Exact(own) if shingles.len() <= MAX_EXACT => jaccard(own, shingles),
            Self::Exact(own) => agreement(&self::signature(own), signature),
            Self::Signature(own) => agreement(own, signature),
        }
    }
}

/// The widest bands that still find a pair at the threshold almost surely:
/// the wider they are, the fewer candidates must be verified.
fn band_rows(threshold: f64) -> usize {
    let recall = |rows: usize| {
        let bands = (N_PERMUTATIONS / rows) as f64;
        1.0 - (1.0 - threshold.powf(rows as f64)).powf(bands)
    };
    let widths = [128, 64, 32, 16, 8, 4, 2];
    let widest = widths.into_iter().find(|&rows| recall(rows) >= MIN_RECALL);
    widest.unwrap_or(1)
}

/// The hashes of a sentence's shingles, sorted, each once; never empty.
fn shingles(sentence: &str) -> Vec<u32> {
    let words = words(sentence);
    let mut hashes: Vec<u32> = if words.len() >= MIN_WORDS {
        words.windows(SHINGLE).map(short_hash).collect()
    } else {
        of_characters(&words)
    };
    if hashes.is_empty() {
        // Nothing but punctuation, or next to nothing: the text itself.
        hashes.push(short_hash(&[sentence.trim().to_lowercase()]));
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn of_characters(words: &[String]) -> Vec<u32> {
    let letters: Vec<String> = words.join(" ").chars().map(String::from).collect();
    letters.windows(SHINGLE).map(short_hash).collect()
}

/// Half of the hash: two shingles of different sentences collide once in 4e9.
fn short_hash(words: &[String]) -> u32 {
    (hash_words(words) >> 32) as u32
}

/// The least hash under each of the permutations `x -> mix(x, seed)`.
fn signature(shingles: &[u32]) -> Vec<u32> {
    let least = |seed: u64| {
        let permuted = shingles
            .iter()
            .map(|&s| (mix(u64::from(s) ^ seed) >> 32) as u32);
        permuted.min().unwrap_or(u32::MAX)
    };
    let seeds = (1..=N_PERMUTATIONS as u64).map(|i| mix(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    seeds.map(least).collect()
}

fn band_hash(rows: &[u32]) -> u32 {
    let fold = |hash: u64, &row: &u32| mix(hash ^ u64::from(row)).wrapping_add(1);
    (rows.iter().fold(0, fold) >> 32) as u32
}

/// The Jaccard index of two sorted sets.
fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let (mut i, mut j, mut shared) = (0, 0, 0_usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        shared += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    let all = a.len() + b.len() - shared;
    shared as f64 / all.max(1) as f64
}

/// The share of equal rows, which estimates the Jaccard index.
fn agreement(a: &[u32], b: &[u32]) -> f64 {
    let equal = a.iter().zip(b).filter(|(x, y)| x == y).count();
    equal as f64 / N_PERMUTATIONS as f64
}

#[cfg(test)]
mod tests;
