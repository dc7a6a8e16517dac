//! What is looked for in a reasoning: the types of the schema, the texts of the answer, the words of the sentence.

use ner_types::normalize_label;
use unicode_script::{Script, UnicodeScript};

/// What the tokens are found by.
pub(super) struct Lexer<'a> {
    /// The sentence that is asked about.
    sentence: &'a str,
    /// The texts of the answer, longest first.
    answered: Vec<&'a str>,
    /// Normalised types, and each without anything but letters and digits.
    labels: Vec<(String, String)>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(schema: &[String], sentence: &'a str, answered: &[&'a str]) -> Self {
        let mut answered = answered.to_vec();
        answered.retain(|text| !text.trim().is_empty());
        answered.sort_by_key(|text| std::cmp::Reverse(text.len()));
        answered.dedup();
        let label = |label: &String| {
            let label = normalize_label(label);
            let bare = bare(&label);
            (label, bare)
        };
        let mut labels: Vec<_> = schema.iter().map(label).collect();
        labels.retain(|(_, bare)| !bare.is_empty());
        Self {
            sentence,
            answered,
            labels,
        }
    }

    /// Bytes of the longest text that can be a name: all of the sentence, or a text of the answer.
    pub(super) fn longest_name(&self) -> usize {
        let longest = self.answered.first().map_or(0, |text| text.len());
        longest.max(self.sentence.len())
    }

    /// Whether the answer has this text.
    pub(super) fn is_answered(&self, text: &str) -> bool {
        self.answered.contains(&text)
    }

    /// Whether the sentence begins with this phrase.
    pub(super) fn opens_sentence(&self, phrase: &str) -> bool {
        self.sentence.starts_with(phrase)
    }

    /// Whether the sentence has this phrase, as whole words.
    pub(super) fn in_sentence(&self, phrase: &str) -> bool {
        let mut places = self.sentence.match_indices(phrase);
        places.any(|(at, _)| is_whole(self.sentence, at, at + phrase.len()))
    }

    /// The longest text of the answer that begins here, as whole words.
    pub(super) fn answered_at(&self, text: &str, at: usize) -> Option<&'a str> {
        let found = |answer: &&&str| {
            text[at..].starts_with(**answer) && is_whole(text, at, at + answer.len())
        };
        self.answered.iter().find(found).copied()
    }

    /// The type that a phrase is, in whatever spelling.
    pub(super) fn label_of(&self, phrase: &str) -> Option<&str> {
        let phrase = bare(&phrase.to_lowercase());
        let found = self
            .labels
            .iter()
            .find(|(_, label)| is_form(&phrase, label));
        found.map(|(label, _)| label.as_str())
    }

    /// The type that begins here, in up to four words, and its length.
    pub(super) fn label_at(&self, text: &str, at: usize) -> Option<(&str, usize)> {
        let rest = &text[at..];
        let first = rest.chars().next()?;
        if is_unspaced(first) {
            let labels = self
                .labels
                .iter()
                .filter(|(label, _)| rest.starts_with(label));
            let longest = labels.max_by_key(|(label, _)| label.len())?;
            return Some((&longest.0, longest.0.len()));
        }
        let (mut joined, mut end, mut found) = (String::new(), 0, None);
        for _ in 0..4 {
            let word = rest[end..]
                .find(|c: char| !is_part(c))
                .map_or(rest.len(), |n| end + n);
            if word == end {
                break;
            }
            joined.push_str(&rest[end..word].to_lowercase());
            let same = self
                .labels
                .iter()
                .find(|(_, label)| is_form(&joined, label));
            if let Some((label, _)) = same.filter(|_| is_whole(rest, 0, word)) {
                found = Some((label.as_str(), word));
            }
            let gap = rest[word..].starts_with([' ', '_', '-']);
            end = word + usize::from(gap);
            if !gap {
                break;
            }
        }
        found
    }
}

/// Letters and digits only.
fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Whether a word is a label, or several of it.
fn is_form(word: &str, label: &str) -> bool {
    if word.len() == label.len() {
        return word == label;
    }
    let plural = word
        .strip_prefix(label)
        .is_some_and(|end| matches!(end, "s" | "es"));
    let stem = label
        .strip_suffix('y')
        .and_then(|stem| word.strip_prefix(stem));
    plural || stem == Some("ies")
}

/// Whether no letter stands beside the place, where the script has spaces.
pub(super) fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    let first = text[start..end].chars().next();
    let last = text[start..end].chars().next_back();
    let joined = |a: Option<char>, b: Option<char>| {
        let letter = |c: char| is_part(c) && !is_unspaced(c);
        a.is_some_and(letter) && b.is_some_and(letter)
    };
    !joined(before, first) && !joined(last, after)
}

/// Whether a character is a part of a word.
pub(super) fn is_part(c: char) -> bool {
    c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
}

pub(super) fn is_unspaced(c: char) -> bool {
    !c.is_ascii()
        && matches!(
            c.script(),
            Script::Han | Script::Hiragana | Script::Katakana | Script::Thai
        )
}
