//! A row of a dataset: the example, the line it stood at, and the places of its mentions and words.

use std::ops::Range;

use ner_types::{Entity, Example, Span};

/// A stretch of a sentence in bytes; always on the borders of characters.
pub type ByteSpan = Range<usize>;

/// One example as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Line at which the row begins, from 1; in Parquet the number of the row, from 1.
    pub line: usize,
    /// The example, labels and texts as written.
    pub example: Example,
    /// Place of each entity of the example, in the same order and number; `None` where the format does not state it.
    pub spans: Vec<Option<ByteSpan>>,
    /// The words of the sentence, if the source is tokenised, else empty.
    pub words: Vec<ByteSpan>,
}

impl Row {
    /// A row of an example, with the places that its entities state and that give their texts.
    pub fn new(example: Example) -> Self {
        let stated = |entity: &Entity| {
            let span = entity.span.as_ref()?;
            let bytes = span.byte_start..span.byte_end;
            (example.sentence.get(bytes.clone()) == Some(&entity.text)).then_some(bytes)
        };
        Row {
            line: 0,
            spans: example.entities.iter().map(stated).collect(),
            words: Vec::new(),
            example,
        }
    }

    /// The example with the known places as the spans of its entities.
    pub fn into_spanned(mut self) -> Example {
        let offsets = Offsets::new(&self.example.sentence);
        for (entity, place) in self.example.entities.iter_mut().zip(self.spans) {
            entity.span = place.map(|bytes| Span {
                byte_start: bytes.start,
                byte_end: bytes.end,
                char_start: offsets.character(bytes.start),
                char_end: offsets.character(bytes.end),
            });
        }
        self.example
    }

    /// The words of the sentence: the source's own, or the pieces between white space.
    pub fn words(&self) -> Vec<ByteSpan> {
        if self.words.is_empty() {
            split_words(&self.example.sentence)
        } else {
            self.words.clone()
        }
    }

    /// How many words the sentence has, counted as in [`Row::words`].
    pub fn n_words(&self) -> usize {
        match self.words.len() {
            0 => self.example.sentence.split_whitespace().count(),
            n => n,
        }
    }

    /// The place of each entity: the stated one, or else found in the sentence; `None` if the text does not occur.
    ///
    /// Longer texts are placed first, each at its first occurrence that shares nothing with a place already given, so
    /// equal texts are placed one after the other and a short one not inside of a long one, unless it occurs nowhere
    /// else. Occurrences between the borders of words come before others.
    pub fn located(&self) -> Vec<Option<ByteSpan>> {
        let entities = &self.example.entities;
        let mut places = self.spans.clone();
        places.resize(entities.len(), None);
        let mut open: Vec<usize> = (0..places.len()).filter(|&i| places[i].is_none()).collect();
        open.sort_by_key(|&i| std::cmp::Reverse(entities[i].text.len()));
        for i in open {
            let found = occurrences(&self.example.sentence, &entities[i].text);
            let is_free = |span: &&ByteSpan| {
                let mut taken = places.iter().flatten();
                !taken.any(|other| other.start < span.end && span.start < other.end)
            };
            places[i] = found.iter().find(is_free).or(found.first()).cloned();
        }
        places
    }

    pub(crate) fn push(&mut self, text: &str, label: impl Into<String>, span: Option<ByteSpan>) {
        self.example.entities.push(Entity::new(text, label));
        self.spans.push(span);
    }

    /// Makes room for so many entities.
    pub(crate) fn reserve(&mut self, n_entities: usize) {
        self.example.entities.reserve_exact(n_entities);
        self.spans.reserve_exact(n_entities);
    }

    /// Drops the entities for which `keep` is false, and their places.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Entity) -> bool) {
        let kept: Vec<bool> = self.example.entities.iter().map(keep).collect();
        let mut flags = kept.iter();
        self.example
            .entities
            .retain(|_| flags.next().copied().unwrap_or(true));
        let mut flags = kept.iter();
        self.spans.retain(|_| flags.next().copied().unwrap_or(true));
    }
}

/// The pieces of a sentence between white space.
fn split_words(sentence: &str) -> Vec<ByteSpan> {
    let start = sentence.as_ptr() as usize;
    sentence
        .split_whitespace()
        .map(|word| {
            let at = word.as_ptr() as usize - start;
            at..at + word.len()
        })
        .collect()
}

/// Occurrences of a text, left to right and not overlapping; only those between borders of words, if there are any.
fn occurrences(sentence: &str, text: &str) -> Vec<ByteSpan> {
    if text.is_empty() {
        return Vec::new();
    }
    let all: Vec<ByteSpan> = sentence
        .match_indices(text)
        .map(|(at, found)| at..at + found.len())
        .collect();
    let between: Vec<ByteSpan> = all
        .iter()
        .filter(|span| is_between_words(sentence, span))
        .cloned()
        .collect();
    if between.is_empty() { all } else { between }
}

fn is_between_words(sentence: &str, span: &ByteSpan) -> bool {
    let before = sentence[..span.start].chars().next_back();
    let after = sentence[span.end..].chars().next();
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

/// Translates between bytes and characters of one sentence, both ways in constant time when it is ASCII.
#[derive(Debug)]
pub(crate) struct Offsets {
    /// Start of each character in bytes, and the length of the text; `None` for ASCII.
    starts: Option<Vec<usize>>,
    length: usize,
}

impl Offsets {
    pub(crate) fn new(text: &str) -> Self {
        let starts = (!text.is_ascii()).then(|| {
            let starts = text.char_indices().map(|(at, _)| at);
            starts.chain([text.len()]).collect()
        });
        Offsets {
            starts,
            length: text.len(),
        }
    }

    /// The byte offset of a character offset, which may be the end of the text.
    pub(crate) fn byte(&self, character: usize) -> Option<usize> {
        match &self.starts {
            Some(starts) => starts.get(character).copied(),
            None => (character <= self.length).then_some(character),
        }
    }

    /// The character offset of a byte offset on the border of a character.
    pub(crate) fn character(&self, byte: usize) -> usize {
        match &self.starts {
            Some(starts) => starts.partition_point(|&start| start < byte),
            None => byte,
        }
    }

    /// A span in bytes as a pair of character offsets.
    pub(crate) fn characters(&self, span: &ByteSpan) -> [usize; 2] {
        [self.character(span.start), self.character(span.end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_translated() {
        let text = "é小x";
        let offsets = Offsets::new(text);
        assert_eq!(
            (0..5).map(|i| offsets.byte(i)).collect::<Vec<_>>(),
            [Some(0), Some(2), Some(5), Some(6), None]
        );
        assert_eq!(offsets.characters(&(2..6)), [1, 3]);
        assert_eq!(Offsets::new("ab").byte(2), Some(2));
        assert_eq!(Offsets::new("ab").byte(3), None);
    }

    #[test]
    fn mentions_are_located_between_words_and_one_after_the_other() {
        let entities = ["art", "art", "start", "none"].map(|text| Entity::new(text, "x"));
        let row = Row::new(Example {
            sentence: "start art, art!".into(),
            entities: entities.to_vec(),
            ..Example::default()
        });
        let expected = [Some(6..9), Some(11..14), Some(0..5), None];
        assert_eq!(row.located(), expected);
        let row = Row {
            spans: row.located(),
            ..row
        };
        let example = row.clone().into_spanned();
        assert_eq!(
            example.entities[1].span.as_ref().map(|span| span.char_end),
            Some(14)
        );
        assert_eq!(Row::new(example).spans, row.spans);
        assert_eq!(row.words(), [0..5, 6..10, 11..15]);
    }
}
