//! Whether a reasoning goes round in circles.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::agree::split_sentences;
use crate::words::words;

/// Sentences of fewer words, such as the lines `type: person` of a list, may be repeated.
const MIN_SENTENCE_WORDS: usize = 4;

/// Names the first sentence, or else the first run of `run` words, that stands
/// in the reasoning `repeats + n_entities` times.
///
/// Good reasoning explains each entity in much the same words, such as a
/// sentence "Its type is city." behind each, so every entity excuses one
/// repetition. A model that loops goes on to its cap and is found all the same.
pub(crate) fn repeated(
    reasoning: &str,
    repeats: usize,
    run: usize,
    n_entities: usize,
) -> Option<String> {
    let repeats = repeats.max(2) + n_entities;
    let sentences = split_sentences(reasoning).into_iter().map(words);
    let sentences = sentences.filter(|words| words.len() >= MIN_SENTENCE_WORDS);
    let again = first_repeated(sentences, repeats);
    if let Some(words) = again {
        let words = words.join(" ");
        return Some(format!(
            "the sentence {words:?} stands there {repeats} times"
        ));
    }
    let words = words(reasoning);
    let run = first_repeated(words.windows(run.max(1)), repeats)?.join(" ");
    Some(format!("the words {run:?} stand there {repeats} times"))
}

/// The first item that is met for the `repeats`-th time.
fn first_repeated<T: Eq + std::hash::Hash + Clone>(
    items: impl Iterator<Item = T>,
    repeats: usize,
) -> Option<T> {
    let mut counts = HashMap::new();
    for item in items {
        let count = match counts.entry(item.clone()) {
            Entry::Occupied(count) => count.into_mut(),
            Entry::Vacant(count) => count.insert(0),
        };
        *count += 1;
        if *count == repeats {
            return Some(item);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

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
