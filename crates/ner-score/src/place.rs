//! Placing entities that come without a span, and the words of GLiNER.

use std::collections::HashMap;

use ner_types::{Entity, Span};

/// A stretch of a sentence in characters (Unicode scalar values), end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Chars {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Chars {
    /// Number of characters that both cover.
    pub(crate) fn overlap(self, other: Chars) -> usize {
        let end = self.end.min(other.end);
        end.saturating_sub(self.start.max(other.start))
    }
}

impl From<Span> for Chars {
    fn from(span: Span) -> Self {
        Chars {
            start: span.char_start,
            end: span.char_end,
        }
    }
}

/// The characters of a sentence in a form in which mentions are looked up.
pub(crate) struct Text {
    chars: Vec<char>,
    /// Lower case, one character for each of `chars`: the first of its lower-case form.
    lower: Vec<char>,
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let lower = chars.iter().copied().map(lower).collect();
        Text { chars, lower }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    /// All places of a text, left to right and without overlap: the literal ones that begin and end at word borders,
    /// else the literal ones, else those that differ in case only.
    pub(crate) fn places(&self, text: &str) -> Vec<Chars> {
        let wanted: Vec<char> = text.trim().chars().collect();
        let literal = find(&self.chars, &wanted);
        let at_words: Vec<Chars> = literal
            .iter()
            .copied()
            .filter(|&span| self.is_at_word_borders(span))
            .collect();
        if !at_words.is_empty() {
            return at_words;
        }
        if !literal.is_empty() {
            return literal;
        }
        let wanted: Vec<char> = wanted.into_iter().map(lower).collect();
        find(&self.lower, &wanted)
    }

    fn is_at_word_borders(&self, span: Chars) -> bool {
        let joins = |at: usize| {
            at > 0
                && at < self.chars.len()
                && self.chars[at - 1].is_alphanumeric()
                && self.chars[at].is_alphanumeric()
        };
        !joins(span.start) && !joins(span.end)
    }

    /// The words of GLiNER's splitter, `\w+(?:[-_]\w+)*|\S`.
    pub(crate) fn words(&self) -> Vec<Chars> {
        let mut words = Vec::new();
        let mut at = 0;
        while at < self.chars.len() {
            let end = self.word_end(at);
            if !self.chars[at].is_whitespace() {
                words.push(Chars { start: at, end });
            }
            at = end;
        }
        words
    }

    fn word_end(&self, start: usize) -> usize {
        let is_word = |at: usize| self.chars.get(at).copied().is_some_and(is_word);
        if !is_word(start) {
            return start + 1;
        }
        let mut end = start;
        while is_word(end) || (self.chars.get(end) == Some(&'-') && is_word(end + 1)) {
            end += 1;
        }
        end
    }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// Python's `\w`, up to marks that Rust counts as alphabetic.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Occurrences without overlap. Candidates are found by the first character, so the time is that of a naive search:
/// the sentence's length, times the mention's in the worst case.
fn find(text: &[char], wanted: &[char]) -> Vec<Chars> {
    let Some(&first) = wanted.first() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at + wanted.len() <= text.len() {
        if text[at] == first && text[at..].starts_with(wanted) {
            let end = at + wanted.len();
            found.push(Chars { start: at, end });
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

/// One span for each mention: its own, or the k-th place of its text for the k-th entity of the same text and label
/// (the last place if there are fewer), or none.
pub(crate) fn place(text: &Text, entities: &[Entity]) -> Vec<Option<Chars>> {
    let mut taken = Taken::default();
    let one = |entity| taken.place(text, entity);
    entities.iter().map(one).collect()
}

/// The places of each text and label met, and how many are taken.
#[derive(Default)]
struct Taken<'a>(HashMap<(&'a str, &'a str), (Vec<Chars>, usize)>);

impl<'a> Taken<'a> {
    fn place(&mut self, text: &Text, entity: &'a Entity) -> Option<Chars> {
        if let Some(span) = entity.span {
            return Some(span.into());
        }
        let key = (entity.text.trim(), entity.label.trim());
        let places = || (text.places(key.0), 0);
        let (places, taken) = self.0.entry(key).or_insert_with(places);
        let place = places.get(*taken).or(places.last()).copied();
        *taken += 1;
        place
    }
}

#[cfg(test)]
mod tests {
    use ner_types::CharIndex;

    use super::*;

    fn spans(pairs: &[(usize, usize)]) -> Vec<Chars> {
        pairs
            .iter()
            .map(|&(start, end)| Chars { start, end })
            .collect()
    }

    #[test]
    fn places_prefer_whole_words_then_literal_then_case() {
        let text = Text::new("Oslin and Os, os in ÖSLIN");
        assert_eq!(text.places("Os"), spans(&[(10, 12)]));
        assert_eq!(text.places("sli"), spans(&[(1, 4)]));
        assert_eq!(text.places("öslin"), spans(&[(20, 25)]));
        assert_eq!(text.places("Brel"), []);
        assert_eq!(text.places(" "), []);
    }

    #[test]
    fn words_are_those_of_gliners_expression() {
        let words = |text: &str| -> Vec<String> {
            let chars: Vec<char> = text.chars().collect();
            Text::new(text)
                .words()
                .iter()
                .map(|w| chars[w.start..w.end].iter().collect())
                .collect()
        };
        assert_eq!(
            words("Port-Halvek's a_b -c d- U.S."),
            [
                "Port-Halvek",
                "'",
                "s",
                "a_b",
                "-",
                "c",
                "d",
                "-",
                "U",
                ".",
                "S",
                "."
            ]
        );
        assert_eq!(words("  小樽 \n"), ["小樽"]);
    }

    #[test]
    fn repeated_entities_take_the_places_in_turn() {
        let text = Text::new("Brel saw Brel");
        let own = CharIndex::new("Brel saw Brel")
            .span_of_chars(2..3)
            .expect("inside");
        let entities = [
            Entity::new("Brel", "x"),
            Entity::new("Brel", "y"),
            Entity::new("Brel ", "x"),
            Entity::new("Brel", "x"),
            Entity::new("Oslin", "x"),
            Entity::new("Oslin", "x").at(own),
        ];
        let expected = [
            Some((0, 4)),
            Some((0, 4)),
            Some((9, 13)),
            Some((9, 13)),
            None,
            Some((2, 3)),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|place| place.map(|(start, end)| Chars { start, end }))
            .collect();
        assert_eq!(place(&text, &entities), expected);
    }
}
