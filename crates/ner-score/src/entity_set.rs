//! Entities of one sentence as the set that is compared.

use ner_types::{Entity, normalize_label, normalize_text};

use crate::Counts;

/// The distinct (normalised label, normalised text) pairs of a sentence.
///
/// Build it once where one gold answer is compared with many completions, as in a group of GRPO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntitySet {
    /// Sorted and without duplicates, so that two sets are compared in one pass and without hashing.
    pairs: Vec<(String, String)>,
}

impl EntitySet {
    /// Normalises the entities and removes duplicates. Never fails: a text made of punctuation and articles alone
    /// normalises to the empty string and is kept as such, as the paper's scorer keeps it.
    pub fn new(entities: &[Entity]) -> Self {
        let mut pairs: Vec<_> = entities
            .iter()
            .map(|entity| (normalize_label(&entity.label), normalize_text(&entity.text)))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        EntitySet { pairs }
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
        self.pairs
            .iter()
            .map(|(label, text)| (label.as_str(), text.as_str()))
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
        let mut others = other.pairs.iter().peekable();
        let found_in_others = |pair: &&(String, String)| {
            while others.next_if(|next| next < pair).is_some() {}
            others.next_if(|next| next == pair).is_some()
        };
        self.pairs.iter().filter(found_in_others).count()
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
            .map(|(text, label)| Entity {
                text: (*text).into(),
                label: (*label).into(),
            })
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
}
