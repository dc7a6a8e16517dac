//! Entities of one sentence as the set that is compared.

use std::fmt;

use ner_types::Entity;

use crate::counts::Counts;
use crate::normal::Buffer;

/// The distinct (normalised label, normalised text) pairs of a sentence.
///
/// Build it once where one gold answer is compared with many completions, as in a group of GRPO. Where many sets are
/// built one after another, [`EntitySet::refill`] keeps their memory.
#[derive(Clone, Default)]
pub struct EntitySet {
    /// All labels and texts end to end. Each is valid UTF-8, since it was copied from a string.
    bytes: Buffer,
    /// Without duplicates, and sorted by hash and then by label and text, so that two sets are compared in one pass
    /// that hardly ever looks at a byte.
    pairs: Vec<Pair>,
}

/// Where a pair lies in the bytes: its label, and its text right after it.
#[derive(Clone, Copy)]
struct Pair {
    hash: u64,
    start: usize,
    text: usize,
    end: usize,
}

impl Pair {
    fn label_and_text(self, bytes: &[u8]) -> (&[u8], &[u8]) {
        (&bytes[self.start..self.text], &bytes[self.text..self.end])
    }
}

impl EntitySet {
    /// Normalises the entities and removes duplicates. Never fails: a text made of punctuation and articles alone
    /// normalises to the empty string and is kept as such, as the paper's scorer keeps it.
    pub fn new(entities: &[Entity]) -> Self {
        let mut set = EntitySet::default();
        set.refill(entities);
        set
    }

    /// The set of other entities, in the memory of this one.
    pub fn refill(&mut self, entities: &[Entity]) {
        self.refill_with(|add| {
            for entity in entities {
                add(&entity.label, &entity.text);
            }
        });
    }

    /// The set of the entities that `fill` hands over as label and text, in the memory of this one.
    ///
    /// With [`ner_types::visit_entities`] an answer becomes a set without a string being copied on the way:
    ///
    /// ```
    /// use ner_score::EntitySet;
    /// use ner_types::{ReadMode, visit_entities};
    ///
    /// let mut set = EntitySet::default();
    /// let completion = r#"{"entities": {"City": ["Port Halvek", "port halvek!"]}}"#;
    /// set.refill_with(|add| {
    ///     visit_entities(completion, ReadMode::Reference, add);
    /// });
    /// assert_eq!(set.iter().collect::<Vec<_>>(), [("city", "port halvek")]);
    /// ```
    pub fn refill_with(&mut self, fill: impl FnOnce(&mut dyn FnMut(&str, &str))) {
        self.bytes.clear();
        self.pairs.clear();
        fill(&mut |label, text| self.push(label, text));
        self.sort();
    }

    fn push(&mut self, label: &str, text: &str) {
        let start = self.bytes.len();
        self.bytes.push_label(label);
        let middle = self.bytes.len();
        self.bytes.push_text(text);
        self.pairs.push(Pair {
            hash: hash(&self.bytes.as_slice()[start..]),
            start,
            text: middle,
            end: self.bytes.len(),
        });
    }

    fn sort(&mut self) {
        let bytes = self.bytes.as_slice();
        self.pairs.sort_unstable_by(|a, b| {
            let by_hash = a.hash.cmp(&b.hash);
            by_hash.then_with(|| a.label_and_text(bytes).cmp(&b.label_and_text(bytes)))
        });
        self.pairs.dedup_by(|a, b| {
            a.hash == b.hash && a.label_and_text(bytes) == b.label_and_text(bytes)
        });
    }

    /// Number of distinct pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no pair at all.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The pairs as (label, text), in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.pairs.iter();
        let mut pairs: Vec<_> = pairs
            .map(|pair| pair.label_and_text(self.bytes.as_slice()))
            .collect();
        pairs.sort_unstable();
        let read = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        pairs
            .into_iter()
            .map(move |(label, text)| (read(label), read(text)))
    }

    /// The pairs in the order of their hashes.
    fn keys(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs
            .iter()
            .map(|pair| pair.label_and_text(self.bytes.as_slice()))
    }

    /// Compares this gold set with a prediction.
    pub fn compare(&self, predicted: &EntitySet) -> Counts {
        Counts {
            tp: self.common(predicted),
            predicted: predicted.len(),
            gold: self.len(),
        }
    }

    fn common(&self, other: &EntitySet) -> usize {
        let mut n_common = 0;
        let (mut these, mut those) = (self.pairs.as_slice(), other.pairs.as_slice());
        while let ([a, rest_a @ ..], [b, rest_b @ ..]) = (these, those) {
            let order = a.hash.cmp(&b.hash).then_with(|| {
                let text = b.label_and_text(other.bytes.as_slice());
                a.label_and_text(self.bytes.as_slice()).cmp(&text)
            });
            n_common += usize::from(order.is_eq());
            these = if order.is_le() { rest_a } else { these };
            those = if order.is_ge() { rest_b } else { those };
        }
        n_common
    }
}

/// A hash in the manner of FxHash, eight bytes at a time. It only puts pairs in an order, so that one who provokes
/// equal hashes gains nothing but a comparison of the bytes.
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words
        .iter()
        .fold(0, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let rest = rest
        .iter()
        .fold(0, |rest, &byte| rest << 8 | u64::from(byte));
    mix(hash, rest)
}

impl PartialEq for EntitySet {
    /// Whether both hold the same pairs.
    fn eq(&self, other: &EntitySet) -> bool {
        self.keys().eq(other.keys())
    }
}

impl Eq for EntitySet {}

impl fmt::Debug for EntitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Compares the gold entities of one sentence with the predicted ones, each taken as an [`EntitySet`].
pub fn count(gold: &[Entity], predicted: &[Entity]) -> Counts {
    EntitySet::new(gold).compare(&EntitySet::new(predicted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entities(pairs: &[(&str, &str)]) -> Vec<Entity> {
        pairs
            .iter()
            .map(|(text, label)| Entity::new(*text, *label))
            .collect()
    }

    fn check(gold: &[(&str, &str)], predicted: &[(&str, &str)], expected: [usize; 3]) {
        let counts = count(&entities(gold), &entities(predicted));
        assert_eq!(
            [counts.tp, counts.predicted, counts.gold],
            expected,
            "{gold:?} against {predicted:?}"
        );
    }

    #[test]
    fn counts_pairs() {
        check(&[], &[], [0, 0, 0]);
        check(&[("Ann", "person")], &[], [0, 0, 1]);
        check(
            &[("Ann", "person"), ("Rome", "city")],
            &[("Rome", "city"), ("Ann", "city")],
            [1, 2, 2],
        );
        check(
            &[("a1", "x"), ("c3", "x"), ("e5", "x")],
            &[("b2", "x"), ("c3", "x"), ("e5", "x"), ("f", "x")],
            [2, 4, 3],
        );
    }

    #[test]
    fn duplicates_collapse_after_normalisation() {
        check(
            &[("The Ann", "Person")],
            &[("ann", "person "), ("ANN", "PERSON"), ("Ann.", "person")],
            [1, 1, 1],
        );
    }

    #[test]
    fn the_empty_text_is_a_pair() {
        check(
            &[("The", "book")],
            &[("a", "book"), ("!", "book")],
            [1, 1, 1],
        );
    }

    /// Pairs whose bytes are the same end to end have the same hash, and are told apart all the same.
    #[test]
    fn pairs_of_equal_hash_are_told_apart() {
        check(
            &[("cd", "ab"), ("d", "abc"), ("x", "z")],
            &[("bcd", "a"), ("d", "abc"), ("", "abcd")],
            [1, 3, 3],
        );
    }

    #[test]
    fn a_set_refilled_is_that_of_the_new_entities() {
        let mut set = EntitySet::new(&entities(&[("Ann", "person"), ("Rome", "city")]));
        let other = entities(&[("小樽", "City"), ("The Ann", "person"), ("ann", "person")]);
        set.refill(&other);
        assert_eq!(set, EntitySet::new(&other));
        let pairs: Vec<_> = set.iter().collect();
        assert_eq!(pairs, [("city", "小樽"), ("person", "ann")]);
    }
}
