//! Whether a text speaks of an annotation that it should not know of.
//!
//! A teacher that was given the gold annotation teaches a student to refer to what it will never see. Talk of the
//! instructions is no leak: every teacher has them, and those that think aloud speak of them.

use std::sync::LazyLock;

use crate::words::{Words, words};

/// The phrases in words, and the longer phrases that they are harmless in.
struct Phrases {
    leaks: Vec<Vec<String>>,
    harmless: Vec<Vec<String>>,
    /// The words that leaks begin with, by their first byte: nearly every word of a text is none of them.
    first_words: Vec<Vec<String>>,
}

static PHRASES: LazyLock<Phrases> = LazyLock::new(|| Phrases::read(include_str!("leak.txt")));

impl Phrases {
    /// One phrase a line; `!` before a harmless one, `#` before a remark.
    fn read(list: &str) -> Self {
        let lines = list.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (harmless, leaks): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with('!'));
        let read = |lines: Vec<&str>| lines.into_iter().map(words).collect();
        let leaks: Vec<Vec<String>> = read(leaks);
        let mut first_words = vec![Vec::new(); 256];
        for first in leaks.iter().filter_map(|phrase| phrase.first()) {
            let same: &mut Vec<String> = &mut first_words[usize::from(first.as_bytes()[0])];
            if !same.contains(first) {
                same.push(first.clone());
            }
        }
        Self {
            leaks,
            harmless: read(harmless),
            first_words,
        }
    }

    /// The first phrase that `text` has, not as a part of a harmless one, and `source` has not.
    fn find(&self, text: &Words, source: impl FnOnce() -> Words) -> Option<&[String]> {
        let starts = self.starts(text);
        let harmless = |at: usize, phrase: &[String]| {
            self.harmless.iter().any(|longer| {
                // The longer phrase begins no later, and no more than its length earlier.
                let first = (at + phrase.len()).saturating_sub(longer.len());
                (first..=at).any(|start| stands_at(text, start, longer))
            })
        };
        let mut found: Vec<usize> = Vec::new();
        for at in starts {
            for (number, phrase) in self.leaks.iter().enumerate() {
                if stands_at(text, at, phrase) && !harmless(at, phrase) {
                    found.push(number);
                }
            }
        }
        if found.is_empty() {
            return None;
        }
        found.sort_unstable();
        let source = source();
        // A phrase does not go on from the sentence into a label.
        let stands_in_source = |phrase: &[String]| {
            let mut texts = source.sentences();
            texts.any(|text| {
                let last = (text.end + 1).saturating_sub(phrase.len());
                (text.start..last).any(|at| stands_at(&source, at, phrase))
            })
        };
        let phrases = found
            .into_iter()
            .map(|number| self.leaks[number].as_slice());
        phrases.into_iter().find(|phrase| !stands_in_source(phrase))
    }

    /// Where a word stands that a phrase begins with.
    fn starts(&self, text: &Words) -> Vec<usize> {
        let is_first = |word: &str| {
            let initial = word.as_bytes().first().copied().unwrap_or_default();
            let words = &self.first_words[usize::from(initial)];
            words.iter().any(|first| first == word)
        };
        (0..text.len())
            .filter(|&at| is_first(text.get(at)))
            .collect()
    }
}

/// Whether a phrase stands at a place of a text.
fn stands_at(text: &Words, at: usize, phrase: &[String]) -> bool {
    at + phrase.len() <= text.len() && text.range(at..at + phrase.len()).eq(phrase)
}

/// The phrase by which `text` speaks of a given annotation.
///
/// A phrase that the sentence or the schema has itself is no leak.
pub(crate) fn leak(text: &Words, schema: &[String], sentence: &str) -> Option<String> {
    let source = || Words::of(std::iter::once(sentence).chain(schema.iter().map(String::as_str)));
    Some(PHRASES.find(text, source)?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, sentence: &str) -> Option<String> {
        let schema = ["person", "gold standard"].map(String::from);
        leak(&Words::of([text]), &schema, sentence)
    }

    #[test]
    fn references_to_an_annotation_are_found() {
        for text in [
            "The given annotation says that Ann is a person.",
            "This matches the GROUND\ntruth.",
            "In the ground-truth, Ann is a person.",
            "The reference answer has Ann.",
            "The gold annotations list Ann.",
            "This is what the gold standard lists.",
            "Das steht so in der Musterlösung.",
            "Es lo que dice la respuesta de referencia.",
            "这与标准答案一致。",
            "The provided entities include Ann.",
        ] {
            assert!(found(text, "Ann sings.").is_some(), "{text:?}");
        }
    }

    #[test]
    fn ordinary_sentences_are_not() {
        for text in [
            "The given name is Ann.",
            "\"Ann\" is given as the singer, so it is a person.",
            "Ann won gold, and the truth is on the ground.",
            "The schema asks for person, and the sentence names Ann.",
            "The provided sentence names Ann.",
            "I copy Ann exactly as provided in the sentence.",
            "A gold standard is asked for.",
            "Golden annotation of Ann.",
            "The prompt’s instructions say to quote Ann.",
            "According to the instructions, Ann is quoted.",
            "The prompt says to use the types of the schema. The expected output is JSON.",
            "Ann is already labelled as person, so I go on.",
            "I don't have the ground truth, so I go by the words.",
            "The final answer, given the schema, has Ann. Annotation guidelines often leave titles out.",
            "",
        ] {
            assert_eq!(found(text, "Ann sings."), None, "{text:?}");
        }
    }

    #[test]
    fn a_phrase_of_the_sentence_is_no_leak() {
        let text = "\"Ground Truth\" is a band.";
        assert_eq!(found(text, "Ann of Ground Truth sings."), None);
        assert_eq!(found(text, "Ann sings.").as_deref(), Some("ground truth"));
    }

    #[test]
    fn each_line_of_the_list_is_words() {
        let empty = |phrase: &Vec<String>| phrase.len() < 2;
        assert!(!PHRASES.leaks.iter().any(empty) && !PHRASES.harmless.iter().any(empty));
        assert!(PHRASES.leaks.len() > 20);
    }
}
