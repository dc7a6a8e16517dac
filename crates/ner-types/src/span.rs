//! Where a mention stands in its sentence: in bytes and in characters.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A stretch of a sentence, ends exclusive.
///
/// Bytes are those of UTF-8, which Rust slices by; characters are Unicode scalar values, which Python and the
/// datasets count in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Span {
    /// First byte.
    pub byte_start: usize,
    /// Byte after the last one.
    pub byte_end: usize,
    /// First character.
    pub char_start: usize,
    /// Character after the last one.
    pub char_end: usize,
}

impl Span {
    /// The bytes, for slicing the sentence.
    pub fn bytes(&self) -> Range<usize> {
        self.byte_start..self.byte_end
    }

    /// The characters.
    pub fn chars(&self) -> Range<usize> {
        self.char_start..self.char_end
    }

    /// What stands there, or `None` if the span is not one of this sentence.
    pub fn text<'s>(&self, sentence: &'s str) -> Option<&'s str> {
        sentence.get(self.bytes())
    }

    /// Whether the two share a byte.
    pub fn overlaps(&self, other: &Span) -> bool {
        self.byte_start < other.byte_end && other.byte_start < self.byte_end
    }
}

/// Converts between the byte and the character offsets of one text.
///
/// Built once in a pass over the text; an ASCII text needs no table, since its offsets are the same.
///
/// ```
/// use ner_types::CharIndex;
///
/// let index = CharIndex::new("Zoë in Köln");
/// let span = index.span_of_chars(7..11).unwrap();
/// assert_eq!(span.bytes(), 8..13);
/// assert_eq!(span.text("Zoë in Köln"), Some("Köln"));
/// assert_eq!(index.span_of_bytes(2..3), None, "inside of the ë");
/// ```
#[derive(Clone, Debug)]
pub struct CharIndex {
    len: usize,
    /// First byte of each character; `None` for ASCII.
    starts: Option<Vec<usize>>,
}

impl CharIndex {
    /// Reads the text once.
    pub fn new(text: &str) -> Self {
        let starts = || text.char_indices().map(|(at, _)| at).collect();
        CharIndex {
            len: text.len(),
            starts: (!text.is_ascii()).then(starts),
        }
    }

    /// Number of characters.
    pub fn char_count(&self) -> usize {
        self.starts.as_ref().map_or(self.len, Vec::len)
    }

    /// The byte at which a character begins; the length of the text for the end; `None` beyond it.
    pub fn byte_of(&self, char: usize) -> Option<usize> {
        match &self.starts {
            _ if char == self.char_count() => Some(self.len),
            Some(starts) => starts.get(char).copied(),
            None => (char < self.len).then_some(char),
        }
    }

    /// The character that begins at a byte; `None` inside of a character or beyond the end.
    pub fn char_of(&self, byte: usize) -> Option<usize> {
        match &self.starts {
            _ if byte == self.len => Some(self.char_count()),
            Some(starts) => starts.binary_search(&byte).ok(),
            None => (byte < self.len).then_some(byte),
        }
    }

    /// The span of a range of bytes; `None` if it is reversed, ends beyond the text or cuts a character.
    pub fn span_of_bytes(&self, bytes: Range<usize>) -> Option<Span> {
        let chars = self.char_of(bytes.start)?..self.char_of(bytes.end)?;
        (bytes.start <= bytes.end).then(|| span(bytes, chars))
    }

    /// The span of a range of characters; `None` if it is reversed or ends beyond the text.
    pub fn span_of_chars(&self, chars: Range<usize>) -> Option<Span> {
        let bytes = self.byte_of(chars.start)?..self.byte_of(chars.end)?;
        (chars.start <= chars.end).then(|| span(bytes, chars))
    }
}

fn span(bytes: Range<usize>, chars: Range<usize>) -> Span {
    Span {
        byte_start: bytes.start,
        byte_end: bytes.end,
        char_start: chars.start,
        char_end: chars.end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_convert_both_ways_or_not_at_all() {
        for text in ["", "plain", "小樽 x", "a\u{301}é"] {
            let index = CharIndex::new(text);
            assert_eq!(index.char_count(), text.chars().count());
            for byte in 0..text.len() + 2 {
                let expected = text.get(..byte).map(|before| before.chars().count());
                assert_eq!(index.char_of(byte), expected, "{text:?} at {byte}");
                if let Some(char) = expected {
                    assert_eq!(index.byte_of(char), Some(byte), "{text:?} at {char}");
                }
            }
            assert_eq!(index.byte_of(text.chars().count() + 1), None);
        }
    }

    #[test]
    fn reversed_ranges_are_refused() {
        let index = CharIndex::new("abc");
        let (start, end) = (2, 1);
        assert_eq!(index.span_of_bytes(start..end), None);
        assert_eq!(index.span_of_chars(start..end), None);
    }
}
