//! Whether a sentence for training stands in the evaluation data.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::hashing::hash_words;
use crate::near::NearDuplicates;
use crate::words::words;

/// Words of a run that two sentences may not share, the length that is usual in
/// reports of contamination (Brown et al. 2020).
const RUN: usize = 13;

/// Evaluation sentences of fewer words are not looked for inside of others:
/// "yes please" stands in many sentences that have nothing to do with it.
const MIN_CONTAINED: usize = 5;

/// How a sentence stands in the evaluation data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakKind {
    /// The same words in the same order.
    Exact,
    /// It shares 13 words in a row with an evaluation sentence, or contains the
    /// whole of one that has 5 to 12 words.
    Overlap,
    /// It is a near-duplicate.
    Near,
}

impl LeakKind {
    /// All kinds in the order of checking.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Overlap, Self::Near];

    /// The kind's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "leakage_exact",
            Self::Overlap => "leakage_overlap",
            Self::Near => "leakage_near",
        }
    }
}

impl fmt::Display for LeakKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A sentence of the evaluation data that a training sentence repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak<'a> {
    /// The evaluation set.
    pub set: &'a str,
    /// In which way.
    pub kind: LeakKind,
    /// The evaluation sentence as written.
    pub sentence: &'a str,
}

/// The evaluation data, for finding training sentences that stand in it.
///
/// Letter case, punctuation, white space and normal forms do not count. Of
/// several evaluation sentences the one that was added first is named. Memory per
/// evaluation sentence: its text, 16 bytes or so for each word beyond the
/// twelfth, and what [`NearDuplicates`] takes.
#[derive(Debug)]
pub struct Leakage {
    sets: Vec<String>,
    /// The set and the text of each sentence.
    sentences: Vec<(usize, String)>,
    /// The first sentence by the hash of all its words.
    exact: HashMap<u64, usize>,
    /// For each length the first sentence by the hash of so many words of it:
    /// whole sentences below [`RUN`], runs at it.
    runs: [HashMap<u64, usize>; RUN + 1],
    near: NearDuplicates,
}

impl Leakage {
    /// No evaluation data yet; `threshold` as for [`NearDuplicates::new`].
    ///
    /// # Errors
    /// If the threshold is not in 0 to 1.
    pub fn new(threshold: f64) -> Result<Self, Error> {
        Ok(Self {
            sets: Vec::new(),
            sentences: Vec::new(),
            exact: HashMap::new(),
            runs: Default::default(),
            near: NearDuplicates::new(threshold)?,
        })
    }

    /// Adds an evaluation set. Sentences without any word are passed over.
    pub fn add_set<'s>(&mut self, name: &str, sentences: impl IntoIterator<Item = &'s str>) {
        self.sets.push(name.into());
        for sentence in sentences {
            self.add(sentence);
        }
    }

    fn add(&mut self, sentence: &str) {
        let words = words(sentence);
        if words.is_empty() {
            return;
        }
        let at = self.sentences.len();
        self.sentences.push((self.sets.len() - 1, sentence.into()));
        self.exact.entry(hash_words(&words)).or_insert(at);
        let length = words.len().min(RUN);
        if length >= MIN_CONTAINED {
            for run in words.windows(length) {
                self.runs[length].entry(hash_words(run)).or_insert(at);
            }
        }
        self.near.insert_always(sentence);
    }

    /// Sentences for which the search for near-duplicates was ended early; see [`NearDuplicates::n_cut_short`].
    pub fn n_cut_short(&self) -> u64 {
        self.near.n_cut_short()
    }

    /// Sentences of the evaluation data.
    pub fn n_sentences(&self) -> usize {
        self.sentences.len()
    }

    /// How a sentence stands in the evaluation data, if it does.
    pub fn check(&self, sentence: &str) -> Option<Leak<'_>> {
        let words = words(sentence);
        if words.is_empty() {
            return None;
        }
        let exact = self.exact.get(&hash_words(&words)).copied();
        let found = (exact.map(|at| (LeakKind::Exact, at)))
            .or_else(|| Some((LeakKind::Overlap, self.overlap(&words)?)))
            .or_else(|| Some((LeakKind::Near, self.near.find(sentence)?)));
        let (kind, at) = found?;
        let (set, sentence) = &self.sentences[at];
        Some(Leak {
            set: &self.sets[*set],
            kind,
            sentence,
        })
    }

    fn overlap(&self, words: &[String]) -> Option<usize> {
        let lengths = MIN_CONTAINED..=RUN;
        let tables = lengths.map(|length| (length, &self.runs[length]));
        let of_length = |(length, table): (usize, &HashMap<u64, usize>)| {
            if table.is_empty() {
                return None;
            }
            let runs = words.windows(length);
            runs.filter_map(|run| table.get(&hash_words(run)).copied())
                .min()
        };
        tables.filter_map(of_length).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "On the third day of the fair Ann Lee of Brel sold her boat to a man from Oslin, who paid in salt.";

    fn leakage() -> Leakage {
        let mut leakage = Leakage::new(0.7).expect("a threshold");
        leakage.add_set(
            "brel-test",
            [LONG, "Bo sleeps in the hall.", "…", "yes please"],
        );
        leakage.add_set("oslin-test", ["Where is the Oslin Four tonight?", LONG]);
        leakage
    }

    #[track_caller]
    fn check(sentence: &str, expected: Option<(&str, LeakKind)>) {
        let leakage = leakage();
        let found = leakage.check(sentence);
        assert_eq!(
            found.as_ref().map(|leak| (leak.set, leak.kind)),
            expected,
            "{sentence:?}"
        );
    }

    #[test]
    fn equal_words_are_exact() {
        check(
            "BO sleeps in   “the hall”",
            Some(("brel-test", LeakKind::Exact)),
        );
        check("Yes, please!", Some(("brel-test", LeakKind::Exact)));
        check(LONG, Some(("brel-test", LeakKind::Exact)));
        check(
            "where is the Oslin four tonight",
            Some(("oslin-test", LeakKind::Exact)),
        );
    }

    #[test]
    fn shared_runs_and_contained_sentences_overlap() {
        let thirteen = "After the fair Ann Lee of Brel sold her boat to a man from Oslin.";
        check(thirteen, Some(("brel-test", LeakKind::Overlap)));
        check(
            "We saw that Bo sleeps in the hall, as ever.",
            Some(("brel-test", LeakKind::Overlap)),
        );
        check("He said that Ann Lee of Brel sold her boat to a man.", None);
        check("Oh yes please, Bo said.", None);
        check("Bo sleeps in the house.", None);
    }

    #[test]
    fn near_duplicates_are_found() {
        // 22 words in 20 shingles; one word in the middle of the first half costs three.
        let near = LONG.replace("fair", "feast");
        check(&near, Some(("brel-test", LeakKind::Overlap)));
        let near = LONG.replace("Brel", "Port");
        check(&near, Some(("brel-test", LeakKind::Near)));
        check("", None);
        check("…", None);
    }

    #[test]
    fn the_sentence_is_named_as_written() {
        let leakage = leakage();
        assert_eq!(leakage.n_sentences(), 5);
        let leak = leakage.check("bo sleeps in the hall").expect("a leak");
        assert_eq!(leak.sentence, "Bo sleeps in the hall.");
        assert_eq!(leak.kind.to_string(), "leakage_exact");
        assert!(Leakage::new(2.0).is_err());
    }
}
