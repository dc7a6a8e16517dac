//! Made-up names, from three pools that share no stem and no title.

use std::sync::LazyLock;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// How the names of a type are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameKind {
    /// First and last name.
    Person,
    /// A place, with or without a word such as `Port`.
    Place,
    /// An organisation, with or without a word such as `Works`.
    Org,
    /// A title made of ordinary words.
    Title,
    /// A coined technical name, possibly with a number.
    Code,
    /// One coined word.
    Word,
}

/// Where a name may be used. The pools are disjoint by construction: a stem or
/// a title belongs to the pool that its hash selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Text that the base model is pretrained on.
    Pretraining,
    /// Fine-tuning and reinforcement learning.
    Training,
    /// Evaluation.
    Evaluation,
}

const ONSETS: &[&str] = &[
    "b", "br", "c", "d", "dr", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "pr", "qu", "r",
    "s", "st", "t", "tr", "v", "w", "z",
];
const VOWELS: &[&str] = &["a", "e", "i", "o", "u", "ea", "ai"];
const CODAS: &[&str] = &["", "", "l", "n", "r", "s", "m", "ck", "nd", "x"];
const PLACE_BEFORE: &[&str] = &["Port", "Lake", "New", "Mount", "Saint"];
const PLACE_AFTER: &[&str] = &["Hill", "Falls", "Bay", "Cross", "Green"];
const ORG_AFTER: &[&str] = &["Works", "Group", "House", "Union", "Brothers", "Society"];
const ADJECTIVES: &[&str] = &[
    "Silent",
    "Golden",
    "Broken",
    "Hidden",
    "Northern",
    "Pale",
    "Burning",
    "Empty",
    "Crooked",
    "Distant",
    "Frozen",
    "Gentle",
    "Hollow",
    "Iron",
    "Last",
    "Little",
    "Lonely",
    "Restless",
    "Scarlet",
    "Wandering",
    "Velvet",
    "Bitter",
    "Second",
    "Quiet",
];
const NOUNS: &[&str] = &[
    "Lantern", "Mirror", "Winter", "Anchor", "Window", "Feather", "Ladder", "Shadow", "Meadow",
    "Candle", "Engine", "Harvest", "Compass", "Bell", "Thunder", "Door", "Wolf", "Ember", "Tide",
    "Crown", "Letter", "Stone", "Sparrow", "Clock", "Ribbon", "Needle", "Salt", "Garland",
];

/// How many ambiguous names a pool has.
const HOMONYMS: usize = 48;

/// The ambiguous names of a pool: single coined words, each of which stands for any type. That there are few of them
/// makes the same name occur as several types.
pub fn ambiguous_names(pool: Pool) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut names: Vec<String> = Vec::with_capacity(HOMONYMS);
    while names.len() < HOMONYMS {
        let name = stem(pool, &mut rng);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// An ambiguous name of a pool.
pub(crate) fn homonym(pool: Pool, rng: &mut ChaCha8Rng) -> String {
    static NAMES: LazyLock<[Vec<String>; 3]> = LazyLock::new(|| {
        [Pool::Pretraining, Pool::Training, Pool::Evaluation].map(ambiguous_names)
    });
    let names = &NAMES[pool as usize];
    names.choose(rng).cloned().unwrap_or_default()
}

/// A name of one kind from one pool.
pub(crate) fn name(kind: NameKind, pool: Pool, rng: &mut ChaCha8Rng) -> String {
    match kind {
        NameKind::Person => format!("{} {}", stem(pool, rng), stem(pool, rng)),
        NameKind::Place => place(pool, rng),
        NameKind::Org => org(pool, rng),
        NameKind::Title => title(pool, rng),
        NameKind::Code => code(pool, rng),
        NameKind::Word => stem(pool, rng),
    }
}

fn place(pool: Pool, rng: &mut ChaCha8Rng) -> String {
    let stem = stem(pool, rng);
    match rng.random_range(0..4) {
        0 => format!("{} {stem}", pick(PLACE_BEFORE, rng)),
        1 => format!("{stem} {}", pick(PLACE_AFTER, rng)),
        _ => stem,
    }
}

fn org(pool: Pool, rng: &mut ChaCha8Rng) -> String {
    let first = stem(pool, rng);
    match rng.random_range(0..3) {
        0 => first,
        1 => format!("{first} {}", pick(ORG_AFTER, rng)),
        _ => format!("{first} and {}", stem(pool, rng)),
    }
}

fn title(pool: Pool, rng: &mut ChaCha8Rng) -> String {
    loop {
        let adjective = pick(ADJECTIVES, rng);
        let noun = pick(NOUNS, rng);
        let text = match rng.random_range(0..4) {
            0 => format!("{adjective} {noun}"),
            1 => format!("The {adjective} {noun}"),
            2 => format!("{noun} of {}", stem(pool, rng)),
            _ => format!("{adjective} {noun} and {}", pick(NOUNS, rng)),
        };
        if belongs(&text, pool) {
            return text;
        }
    }
}

fn code(pool: Pool, rng: &mut ChaCha8Rng) -> String {
    let stem = stem(pool, rng);
    if rng.random_bool(0.5) {
        format!("{stem}-{}", rng.random_range(2..100))
    } else {
        stem
    }
}

/// A capitalised coined word of two or three syllables.
fn stem(pool: Pool, rng: &mut ChaCha8Rng) -> String {
    loop {
        let mut word = String::new();
        let syllables = if rng.random_bool(0.85) { 2 } else { 3 };
        for _ in 0..syllables {
            word.push_str(pick(ONSETS, rng));
            word.push_str(pick(VOWELS, rng));
        }
        word.push_str(pick(CODAS, rng));
        if belongs(&word, pool) {
            return capitalize(&word);
        }
    }
}

fn pick<'a>(words: &[&'a str], rng: &mut ChaCha8Rng) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}

/// Upper-cases the first letter.
pub(crate) fn capitalize(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// Half of all stems and titles are for pretraining, a quarter each for
/// training and evaluation.
fn belongs(text: &str, pool: Pool) -> bool {
    let bucket = blake3::hash(text.to_lowercase().as_bytes()).as_bytes()[0] % 4;
    match pool {
        Pool::Pretraining => bucket < 2,
        Pool::Training => bucket == 2,
        Pool::Evaluation => bucket == 3,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn pools_are_disjoint() {
        let draw = |pool, seed| -> HashSet<String> {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let kinds = [NameKind::Word, NameKind::Title, NameKind::Person];
            (0..2000)
                .map(|i| name(kinds[i % 3], pool, &mut rng).to_lowercase())
                .collect()
        };
        let training = draw(Pool::Training, 1);
        assert!(training.is_disjoint(&draw(Pool::Evaluation, 2)));
        assert!(training.is_disjoint(&draw(Pool::Pretraining, 3)));
        let ambiguous: HashSet<String> = ambiguous_names(Pool::Training).into_iter().collect();
        assert_eq!(ambiguous.len(), HOMONYMS);
        assert!(
            ambiguous_names(Pool::Evaluation)
                .iter()
                .all(|name| !ambiguous.contains(name))
        );
    }
}
