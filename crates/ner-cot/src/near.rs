//! Finding sentences that are nearly the same.
//!
//! Sentences are compared by the Jaccard index of their word 3-shingles; of character 3-shingles where there are fewer
//! than five words. What is found is what comparing all pairs would find: a sentence that has at least the share `t` of
//! its shingles in common with another lacks at most `(1 − t) · n` of its own `n` there, so that of any `(1 − t) · n +
//! 1` of them the other one has one (the prefix filter of Chaudhuri, Ganti and Kaushik, 2006). Those are taken that are
//! in the fewest sentences so far, and their sentences are compared exactly.
//!
//! A crate of its own is not used: those that there are estimate by MinHash, whose candidates are nearly all rows where
//! rows are made from a few patterns, or bring a database or linear algebra with them.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::hashing::hash_words;
use crate::words::words;

/// Words of a shingle, and characters of one in short sentences.
const SHINGLE: usize = 3;

/// Sentences of fewer words are compared by characters.
const MIN_WORDS: usize = 5;

/// Places of rare shingles that are looked at for one sentence, so that no text makes the search quadratic.
const MAX_PLACES: u64 = 1_000;

/// End of a list of places.
const NONE: u32 = u32::MAX;

/// Sentences seen so far, for finding those that are nearly the same.
///
/// The outcome depends on the sentences and their order only: the first one of a
/// group of near-duplicates is the one that is kept.
///
/// Memory per kept sentence: 12 bytes for each different shingle (about 280 for 25 words) and 24 of bookkeeping, and 13
/// to 26 bytes once for each shingle that no sentence before had.
#[derive(Debug)]
pub struct NearDuplicates {
    threshold: f64,
    /// Where each shingle stands.
    lists: HashMap<u32, List>,
    places: Vec<Place>,
    kept: Vec<Kept>,
    /// Sentences seen, duplicates included.
    n_seen: usize,
    work: Work,
}

/// The places of a shingle, the newest first.
#[derive(Clone, Copy, Debug)]
struct List {
    newest: u32,
    length: u32,
}

/// A kept sentence that has the shingle of a list.
#[derive(Debug)]
struct Place {
    /// Its number among those kept.
    at: u32,
    /// The next older place of the list.
    older: u32,
}

#[derive(Debug)]
struct Kept {
    /// Its number among the sentences seen.
    index: usize,
    /// The hashes of its shingles, sorted.
    shingles: Box<[u32]>,
}

/// What the search has cost.
#[derive(Debug, Default)]
struct Work {
    /// Shingles looked up, places looked at and shingles compared.
    steps: AtomicU64,
    /// Sentences for which there were too many places.
    cut_short: AtomicU64,
}

impl NearDuplicates {
    /// The threshold that is usual for deduplication of training data.
    pub const DEFAULT_THRESHOLD: f64 = 0.9;

    /// An empty collection. Sentences whose Jaccard index is at least `threshold`
    /// are near-duplicates; at 1 those whose shingles are the same, at 0 those that share any.
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
        Ok(Self {
            threshold,
            lists: HashMap::new(),
            places: Vec::new(),
            kept: Vec::new(),
            n_seen: 0,
            work: Work::default(),
        })
    }

    /// Gives the index of the earliest kept sentence that this one nearly repeats,
    /// or keeps it. Indices count the calls, from 0.
    pub fn insert(&mut self, sentence: &str) -> Option<usize> {
        let shingles = shingles(sentence);
        let found = self.earliest(&shingles);
        if found.is_none() {
            self.keep(shingles);
        }
        self.n_seen += 1;
        found
    }

    /// As [`NearDuplicates::insert`], without keeping the sentence or counting it.
    pub fn find(&self, sentence: &str) -> Option<usize> {
        self.earliest(&shingles(sentence))
    }

    /// Sentences whose search was ended, because even their rarest shingles stand in more than a thousand others:
    /// a near-duplicate of them may have been passed over.
    pub fn n_cut_short(&self) -> u64 {
        self.work.cut_short.load(Ordering::Relaxed)
    }

    /// What all searches so far have cost: shingles looked up, places looked at and shingles compared.
    pub fn n_steps(&self) -> u64 {
        self.work.steps.load(Ordering::Relaxed)
    }

    /// Keeps a sentence even if it is a near-duplicate, so that later ones are
    /// compared with it as well.
    pub(crate) fn insert_always(&mut self, sentence: &str) {
        self.keep(shingles(sentence));
        self.n_seen += 1;
    }

    fn earliest(&self, shingles: &[u32]) -> Option<usize> {
        let candidates = self.candidates(shingles);
        let mut kept = candidates.into_iter().map(|at| &self.kept[at as usize]);
        let found = kept.find(|kept| {
            let both = kept.shingles.len() + shingles.len();
            self.work.steps.fetch_add(both as u64, Ordering::Relaxed);
            jaccard(&kept.shingles, shingles) >= self.threshold
        });
        found.map(|kept| kept.index)
    }

    /// Kept sentences that may be near enough, oldest first.
    fn candidates(&self, shingles: &[u32]) -> BTreeSet<u32> {
        let mut lists: Vec<List> = shingles
            .iter()
            .map(|shingle| self.lists.get(shingle).copied().unwrap_or(List::EMPTY))
            .collect();
        lists.sort_unstable_by_key(|list| list.length);
        // Rounding must not leave one out.
        let may_lack = (1.0 - self.threshold) * shingles.len() as f64 + 1e-9;
        lists.truncate(may_lack as usize + 1);
        let places = lists.into_iter().flat_map(|list| self.places_of(list));
        let mut candidates = BTreeSet::new();
        let mut n_places = 0;
        let looked_up = shingles.len() as u64;
        for at in places {
            if n_places == MAX_PLACES {
                self.work.cut();
                break;
            }
            n_places += 1;
            if self.has_like_length(at, shingles.len()) {
                candidates.insert(at);
            }
        }
        self.work
            .steps
            .fetch_add(looked_up + n_places, Ordering::Relaxed);
        candidates
    }

    fn places_of(&self, list: List) -> impl Iterator<Item = u32> {
        let place = |at: u32| self.places.get(at as usize);
        let newest = place(list.newest);
        std::iter::successors(newest, move |found| place(found.older)).map(|found| found.at)
    }

    /// Sets whose sizes differ too much cannot share enough.
    fn has_like_length(&self, at: u32, length: usize) -> bool {
        let own = self.kept[at as usize].shingles.len();
        own.min(length) as f64 >= self.threshold * own.max(length) as f64
    }

    fn keep(&mut self, shingles: Vec<u32>) {
        // Four thousand million places do not fit in memory by far.
        let at = u32::try_from(self.kept.len()).unwrap_or(NONE - 1);
        for &shingle in &shingles {
            let list = self.lists.entry(shingle).or_insert(List::EMPTY);
            self.places.push(Place {
                at,
                older: list.newest,
            });
            let newest = u32::try_from(self.places.len() - 1).unwrap_or(NONE - 1);
            let length = list.length + 1;
            *list = List { newest, length };
        }
        self.kept.push(Kept {
            index: self.n_seen,
            shingles: shingles.into(),
        });
    }
}

impl List {
    const EMPTY: Self = Self {
        newest: NONE,
        length: 0,
    };
}

impl Work {
    /// Counts a search that was ended; the first one is worth a word.
    fn cut(&self) {
        if self.cut_short.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                "near-duplicates: some sentences have no rare words; each is compared with the {MAX_PLACES} newest \
                 that share its rarest ones"
            );
        }
    }
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

#[cfg(test)]
mod tests;
