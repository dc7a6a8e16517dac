//! Whether a reasoning goes round in circles.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use crate::hashing::mix;
use crate::words::Words;

/// Sentences of fewer words, such as the lines `type: person` of a list, may be repeated.
const MIN_SENTENCE_WORDS: usize = 4;

/// Names the first sentence, or else the first run of `run` words, that stands
/// in the reasoning `repeats + n_entities` times.
///
/// Good reasoning explains each entity in much the same words, such as a
/// sentence "Its type is city." behind each, so every entity excuses one
/// repetition. A model that loops goes on to its cap and is found all the same.
pub(crate) fn repeated(
    reasoning: &Words,
    repeats: usize,
    run: usize,
    n_entities: usize,
) -> Option<String> {
    let repeats = repeats.max(2) + n_entities;
    let text = |range| reasoning.range(range).collect::<Vec<_>>().join(" ");
    let hashes: Vec<u64> = reasoning.range(0..reasoning.len()).map(hash).collect();
    let sentences = reasoning.sentences();
    let sentences = sentences.filter(|words| words.len() >= MIN_SENTENCE_WORDS);
    if let Some(again) = first_repeated(reasoning, &hashes, sentences, repeats) {
        let words = text(again);
        return Some(format!(
            "the sentence {words:?} stands there {repeats} times"
        ));
    }
    let run = run.max(1);
    let runs = (0..(reasoning.len() + 1).saturating_sub(run)).map(|at| at..at + run);
    let run = text(first_repeated(reasoning, &hashes, runs, repeats)?);
    Some(format!("the words {run:?} stand there {repeats} times"))
}

/// The first of the places whose words are met for the `repeats`-th time.
///
/// Words are counted by their hashes, which is much faster than by their letters. Only where that finds something
/// are they compared.
fn first_repeated(
    words: &Words,
    hashes: &[u64],
    places: impl Iterator<Item = Range<usize>> + Clone,
    repeats: usize,
) -> Option<Range<usize>> {
    let room = places.size_hint().0;
    let mut counts: HashMap<u64, u32, BuildHasherDefault<Ready>> =
        HashMap::with_capacity_and_hasher(room, BuildHasherDefault::default());
    for place in places.clone() {
        let joined = hashes[place.clone()].iter();
        let joined = joined.fold(0_u64, |sum, &hash| mix(sum.rotate_left(5) ^ hash));
        let count = counts.entry(joined).or_default();
        *count += 1;
        if *count as usize >= repeats {
            let same = |other: &Range<usize>| {
                other.end <= place.end && words.range(other.clone()).eq(words.range(place.clone()))
            };
            if places.clone().filter(same).count() >= repeats {
                return Some(place);
            }
        }
    }
    None
}

/// FNV-1a.
fn hash(word: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    word.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Takes a hash for what it is.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agree::split_sentences;

    fn repeated(text: &str, repeats: usize, run: usize, n_entities: usize) -> Option<String> {
        super::repeated(&Words::of(split_sentences(text)), repeats, run, n_entities)
    }

    #[test]
    fn a_repeated_sentence_is_a_loop() {
        let text = "Wait, let me check Brel again. ".repeat(5);
        let found = repeated(&text, 5, 8, 0).expect("a loop");
        assert!(found.contains("wait let me check brel again"), "{found}");
        let text = "Wait, let me check Brel again. ".repeat(4);
        assert_eq!(repeated(&text, 5, 80, 0), None);
    }

    #[test]
    fn a_run_of_words_without_sentences_is_a_loop() {
        let text = "or maybe the city of Brel is a person, ".repeat(5);
        let found = repeated(&text, 5, 8, 0).expect("a loop");
        assert!(found.contains("or maybe the city of brel is a"), "{found}");
    }

    #[test]
    fn an_explanation_of_each_entity_is_no_loop() {
        let step = |n| format!("\"Ann{n}\" is a person because it is the name of a person. ");
        let text: String = (0..6).map(step).collect();
        assert_eq!(repeated(&text, 5, 8, 6), None);
        assert!(repeated(&text, 5, 8, 0).is_some());
        let text = "\"Brel\" is near. Its type is city.\n".repeat(6);
        assert_eq!(repeated(&text, 5, 8, 6), None);
        assert!(repeated(&text.repeat(2), 5, 8, 6).is_some());
        assert_eq!(repeated(&"type: person\n".repeat(9), 5, 80, 0), None);
        assert_eq!(repeated("", 5, 8, 0), None);
    }
}
