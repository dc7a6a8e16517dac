//! A row of a dataset: the example, the line it stood at, and the places of its mentions and words.

use std::ops::Range;
use std::path::Path;

use ner_types::{CharIndex, Entity, Example, Span};

use crate::error::Error;

/// A stretch of a sentence in bytes; always on the borders of characters.
pub type ByteSpan = Range<usize>;

/// One example as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Line at which the row begins, from 1; in Parquet the number of the row, from 1.
    pub line: usize,
    /// The example, labels and texts as written. An entity has a span where the format states its place.
    pub example: Example,
    /// The words of the sentence, if the source is tokenised, else empty.
    pub words: Vec<ByteSpan>,
}

impl Row {
    /// A row of an example.
    pub fn new(example: Example) -> Self {
        Row {
            line: 0,
            words: Vec::new(),
            example,
        }
    }

    /// The example as a set of texts and labels, which is what the paper's method and its scorers work on: without
    /// the places, so that the same annotation is equal whichever format it came from.
    pub fn into_unplaced(mut self) -> Example {
        for entity in &mut self.example.entities {
            entity.span = None;
        }
        self.example
    }

    /// The row, if it is one of entities: for those who would pass over the relations or events of another.
    ///
    /// # Errors
    ///
    /// If it is one of relations or of events.
    pub fn of_entities(self, path: &Path) -> Result<Self, Error> {
        let task = self.example.task();
        if task.is_entities() {
            return Ok(self);
        }
        let found = format!("{task} at line {}", self.line);
        Err(Error::missing(path, "rows of entities", found))
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
        let mut places: Vec<Option<ByteSpan>> =
            entities.iter().map(|entity| self.stated(entity)).collect();
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

    /// The place that an entity states, if its text stands there.
    fn stated(&self, entity: &Entity) -> Option<ByteSpan> {
        let span = entity.span?;
        let is_there = span.text(&self.example.sentence) == Some(&entity.text);
        is_there.then(|| span.bytes())
    }

    pub(crate) fn push(&mut self, text: &str, label: impl Into<String>, span: Option<Span>) {
        let entity = Entity::new(text, label);
        self.example.entities.push(Entity { span, ..entity });
    }
}

/// The pieces of a sentence between white space.
pub(crate) fn split_words(sentence: &str) -> Vec<ByteSpan> {
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

/// A place in bytes as a pair of character offsets.
pub(crate) fn characters(index: &CharIndex, place: &ByteSpan) -> Option<[usize; 2]> {
    let span = index.span_of_bytes(place.clone())?;
    Some([span.char_start, span.char_end])
}

/// The entities with a place, and their offsets in characters.
pub(crate) fn stated_of<'a>(
    row: &'a Row,
    located: &'a [Option<ByteSpan>],
) -> impl Iterator<Item = (&'a Entity, [usize; 2])> {
    let index = CharIndex::new(&row.example.sentence);
    let entities = row.example.entities.iter().zip(located);
    entities.filter_map(move |(entity, span)| Some((entity, characters(&index, span.as_ref()?)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_translated() {
        let index = CharIndex::new("é小x");
        assert_eq!(characters(&index, &(2..6)), Some([1, 3]));
        assert_eq!(characters(&index, &(1..6)), None, "inside of the é");
        assert_eq!(characters(&CharIndex::new("ab"), &(2..2)), Some([2, 2]));
        assert_eq!(characters(&CharIndex::new("ab"), &(2..3)), None);
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
        assert_eq!(row.words(), [0..5, 6..10, 11..15]);
    }

    #[test]
    fn stated_places_are_believed_if_their_text_stands_there() {
        let sentence = "art is art";
        let index = CharIndex::new(sentence);
        let at = |place| {
            let span = index.span_of_bytes(place).expect("in the sentence");
            Entity::new("art", "x").at(span)
        };
        let row = Row::new(Example {
            sentence: sentence.into(),
            entities: vec![at(7..10), at(4..6)],
            ..Example::default()
        });
        assert_eq!(row.located(), [Some(7..10), Some(0..3)]);
        let entities = row.into_unplaced().entities;
        assert_eq!(entities, [(); 2].map(|()| Entity::new("art", "x")));
    }
}
