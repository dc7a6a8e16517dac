//! The types that a row asks for where it states none: those of its dataset, or its own beside absent ones.
//!
//! The types of a row's own mentions alone would tell the answer, and would never ask for what is not there.

use std::collections::BTreeSet;

use ner_types::normalize_label;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

/// The types of rows that state none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Types {
    /// All of these.
    All(Vec<String>),
    /// Those of the row's mentions, and some of the others, drawn by the seed and the sentence: the same sentence with
    /// the same mentions has the same types, wherever it stands.
    Sampled {
        /// The types of the dataset.
        of: Vec<String>,
        /// How many absent types a row asks for.
        negatives: usize,
        /// Seed of the draw.
        seed: u64,
    },
}

impl Types {
    /// The types of a row with this sentence and, sorted, these labels of its own.
    pub(crate) fn of_row(&self, sentence: &str, mut own: Vec<String>) -> Vec<String> {
        let (of, negatives, seed) = match self {
            Types::All(types) => return types.clone(),
            Types::Sampled {
                of,
                negatives,
                seed,
            } => (of, *negatives, *seed),
        };
        let present: BTreeSet<String> = own.iter().map(|label| normalize_label(label)).collect();
        let mut random = ChaCha8Rng::from_seed(seed_of(seed, sentence));
        // As many more as are present, which may be among the drawn ones.
        let n = (negatives + present.len()).min(of.len());
        let drawn = index::sample(&mut random, of.len(), n).into_iter();
        let absent = drawn.map(|i| &of[i]);
        let absent = absent.filter(|label| !present.contains(&normalize_label(label)));
        own.extend(absent.take(negatives).cloned());
        own.sort_unstable();
        own
    }
}

fn seed_of(seed: u64, sentence: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(sentence.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| (*label).to_owned()).collect()
    }

    #[test]
    fn negatives_are_absent_as_many_as_asked_for_and_the_same_for_the_same_sentence() {
        let of: Vec<String> = (0..1000).map(|i| format!("type {i}")).collect();
        let types = |seed| Types::Sampled {
            of: of.clone(),
            negatives: 5,
            seed,
        };
        let own = texts(&["Type 3 ", "type 7"]);
        let drawn = types(1).of_row("Brel sleeps.", own.clone());
        assert_eq!(drawn.len(), 7);
        assert!(own.iter().all(|label| drawn.contains(label)), "{drawn:?}");
        assert!(!drawn.contains(&"type 3".to_owned()), "{drawn:?}");
        assert_eq!(types(1).of_row("Brel sleeps.", own.clone()), drawn);
        assert_ne!(types(2).of_row("Brel sleeps.", own.clone()), drawn);
        assert_ne!(types(1).of_row("Brel wakes.", own.clone()), drawn);
        assert_eq!(types(1).of_row("So it goes.", Vec::new()).len(), 5);
    }

    #[test]
    fn more_negatives_than_types_are_all_of_them() {
        let types = Types::Sampled {
            of: texts(&["city", "person"]),
            negatives: 9,
            seed: 0,
        };
        let both = texts(&["city", "person"]);
        assert_eq!(types.of_row("Brel", texts(&["city"])), both);
        assert_eq!(types.of_row("so", Vec::new()), both);
        assert_eq!(Types::All(both.clone()).of_row("so", Vec::new()), both);
    }
}
