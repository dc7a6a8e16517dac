//! In what offsets are counted, and how bytes become the others.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// In what offsets are counted.
///
/// Python counts characters, JavaScript (so every annotation tool that runs in a browser) and Java count UTF-16 units,
/// Go and Rust bytes. The three differ behind the first letter that is not ASCII: an emoji is one character, two units
/// and four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Offsets {
    /// Unicode scalar values.
    #[default]
    Characters,
    /// Units of UTF-16.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

impl Offsets {
    /// All of them.
    pub const ALL: [Offsets; 3] = [Offsets::Characters, Offsets::Utf16, Offsets::Bytes];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Offsets::Characters => "characters",
            Offsets::Utf16 => "utf16",
            Offsets::Bytes => "bytes",
        }
    }
}

impl fmt::Display for Offsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Offsets {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Offsets::ALL.into_iter().find(|unit| unit.name() == name);
        found.ok_or_else(|| format!("expected characters, utf16 or bytes, found {name:?}"))
    }
}

/// Bytes between the marks of an index.
const STEP: usize = 1 << 10;

/// Converts byte offsets of one text to other units.
///
/// It is built in a pass over the text and keeps a mark for each kilobyte, so that an index of a text of 50 MB has
/// 1 MB; a conversion counts from the last mark before the byte. [`crate::CharIndex`] keeps the place of every
/// character, and converts back too.
///
/// ```
/// use ner_types::{OffsetIndex, Offsets};
///
/// let index = OffsetIndex::new("🦀 Zoë");
/// assert_eq!(index.at(8, Offsets::Characters), None, "inside of the ë");
/// assert_eq!(index.at(9, Offsets::Characters), Some(5));
/// assert_eq!(index.at(9, Offsets::Utf16), Some(6));
/// ```
#[derive(Clone, Debug)]
pub struct OffsetIndex<'t> {
    text: &'t str,
    /// None for ASCII, whose offsets are the same in every unit.
    marks: Vec<Mark>,
}

/// What stands before a byte.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    byte: usize,
    chars: usize,
    utf16: usize,
}

impl<'t> OffsetIndex<'t> {
    /// Reads the text once.
    pub fn new(text: &'t str) -> Self {
        let mut marks = Vec::new();
        if !text.is_ascii() {
            let mut last = Mark::default();
            for at in (0..=text.len()).step_by(STEP) {
                last = last.moved_to(text, text.floor_char_boundary(at));
                marks.push(last);
            }
        }
        Self { text, marks }
    }

    /// The offset in a unit at which a byte stands; `None` inside of a character or beyond the end.
    pub fn at(&self, byte: usize, unit: Offsets) -> Option<usize> {
        if !self.text.is_char_boundary(byte) {
            return None;
        }
        let Some(mark) = self.marks.get(byte / STEP) else {
            return Some(byte);
        };
        let mark = mark.moved_to(self.text, byte);
        Some(match unit {
            Offsets::Characters => mark.chars,
            Offsets::Utf16 => mark.utf16,
            Offsets::Bytes => byte,
        })
    }
}

impl Mark {
    /// The mark at a later border of characters.
    fn moved_to(self, text: &str, byte: usize) -> Self {
        let passed = text.get(self.byte..byte).unwrap_or_default();
        Self {
            byte,
            chars: self.chars + passed.chars().count(),
            utf16: self.utf16 + passed.chars().map(char::len_utf16).sum::<usize>(),
        }
    }
}
