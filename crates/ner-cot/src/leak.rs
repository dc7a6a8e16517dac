//! Whether a text speaks of an annotation that it should not know of.
//!
//! A teacher that was given the gold annotation, or that reasons about its
//! instructions, teaches a student to refer to what it will never see.

use std::sync::LazyLock;

use ner_types::Example;

use crate::words::words;

/// The phrases in words, and the longer phrases that they are harmless in.
struct Phrases {
    leaks: Vec<Vec<String>>,
    harmless: Vec<Vec<String>>,
}

static PHRASES: LazyLock<Phrases> = LazyLock::new(|| Phrases::read(include_str!("leak.txt")));

impl Phrases {
    /// One phrase a line; `!` before a harmless one, `#` before a remark.
    fn read(list: &str) -> Self {
        let lines = list.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (harmless, leaks): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with('!'));
        let read = |lines: Vec<&str>| lines.into_iter().map(words).collect();
        Self {
            leaks: read(leaks),
            harmless: read(harmless),
        }
    }

    /// The first phrase that `text` has, not as a part of a harmless one, and `source` has not.
    fn find(&self, text: &[String], source: &[String]) -> Option<&[String]> {
        let stands_in =
            |words: &[String], phrase: &[String]| places(words, phrase).next().is_some();
        let harmless = |at: usize, phrase: &[String]| {
            self.harmless.iter().any(|longer| {
                places(text, longer)
                    .any(|start| start <= at && at + phrase.len() <= start + longer.len())
            })
        };
        let found = self.leaks.iter().find(|phrase| {
            places(text, phrase).any(|at| !harmless(at, phrase)) && !stands_in(source, phrase)
        });
        found.map(Vec::as_slice)
    }
}

/// Where a phrase stands in a text of words.
fn places<'a>(text: &'a [String], phrase: &'a [String]) -> impl Iterator<Item = usize> + 'a {
    let windows = text.windows(phrase.len().max(1)).enumerate();
    windows
        .filter(move |(_, window)| *window == phrase)
        .map(|(at, _)| at)
}

/// The phrase by which `text` speaks of a given annotation or of instructions.
///
/// A phrase that the sentence or the schema of `example` has itself is no leak.
pub(crate) fn leak(text: &str, example: &Example) -> Option<String> {
    let mut source = words(&example.sentence);
    for label in &example.schema {
        // A word that no phrase has keeps labels apart.
        source.push("\n".into());
        source.extend(words(label));
    }
    Some(PHRASES.find(&words(text), &source)?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, sentence: &str) -> Option<String> {
        let example = Example {
            sentence: sentence.into(),
            schema: vec!["person".into(), "gold standard".into()],
            ..Example::default()
        };
        leak(text, &example)
    }

    #[test]
    fn references_to_an_annotation_are_found() {
        for text in [
            "The given annotation says that Ann is a person.",
            "This matches the GROUND\ntruth.",
            "In the ground-truth, Ann is a person.",
            "Ann is a person, as provided.",
            "The reference answer has Ann.",
            "The gold annotations list Ann.",
            "The prompt’s instructions say to quote Ann.",
            "According to the instructions, Ann is quoted.",
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
            "The reference answers nothing.",
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
