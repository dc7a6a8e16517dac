//! The normal forms of `ner-types`, appended to a buffer.
//!
//! [`ner_types::normalize_text`] and [`ner_types::normalize_label`] define the forms; what is here gives the same
//! bytes without allocating for ASCII, which nearly all entities are.

use ner_types::{normalize_label, normalize_text};

/// What the normalisation does with a byte: its lower case, or one of the three below.
const CLASS: [u8; 256] = classes();
const DROP: u8 = 0;
const SPACE: u8 = 1;
const OTHER: u8 = 2;

const fn classes() -> [u8; 256] {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() {
            classes[byte] = b.to_ascii_lowercase();
        } else if b.is_ascii_punctuation() {
            classes[byte] = DROP;
        } else if matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1c..=0x1f) {
            classes[byte] = SPACE;
        }
        byte += 1;
    }
    classes
}

/// A buffer to append forms to. It keeps its length when it is cleared, since filling it with zeros again for every
/// entity would take longer than the forms themselves.
#[derive(Clone, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    used: usize,
}

impl Buffer {
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// What was appended.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    /// Appends the form in which labels are compared.
    pub(crate) fn push_label(&mut self, label: &str) {
        match write_ascii_label(label.as_bytes(), self.room(label.len())) {
            Some(length) => self.used += length,
            None => self.push(&normalize_label(label)),
        }
    }

    /// Appends the form in which texts are compared.
    pub(crate) fn push_text(&mut self, text: &str) {
        // The form is never longer than the text and the space behind its last word.
        match write_ascii_text(text.as_bytes(), self.room(text.len() + 1)) {
            Some(length) => self.used += length,
            None => self.push(&normalize_text(text)),
        }
    }

    fn push(&mut self, form: &str) {
        self.room(form.len()).copy_from_slice(form.as_bytes());
        self.used += form.len();
    }

    /// The next bytes, whatever they hold.
    fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.used + length;
        if self.bytes.len() < end {
            self.bytes.resize(end.next_power_of_two(), 0);
        }
        &mut self.bytes[self.used..end]
    }
}

/// Writes the form of a text to the start of `out`, which is longer than the text, and gives its length; `None`, with
/// rubbish written, if the text has bytes other than ASCII letters, digits, punctuation and white space.
fn write_ascii_text(text: &[u8], out: &mut [u8]) -> Option<usize> {
    let (mut word, mut end) = (0, 0);
    for &byte in text {
        match CLASS[usize::from(byte)] {
            DROP => {}
            SPACE => {
                end = end_word(out, word, end);
                word = end;
            }
            OTHER => return None,
            letter => {
                out[end] = letter;
                end += 1;
            }
        }
    }
    let end = end_word(out, word, end);
    // Behind the last word there is a space.
    Some(end.saturating_sub(1))
}

/// Ends the word that lies between two places: articles go, any other word gets a space. Gives the new end.
fn end_word(out: &mut [u8], word: usize, end: usize) -> usize {
    match &out[word..end] {
        b"" | b"a" | b"an" | b"the" => word,
        _ => {
            out[end] = b' ';
            end + 1
        }
    }
}

/// Writes the form of a label to the start of `out`, which is as long as the label, and gives its length; `None`, with
/// rubbish written, if the label is not ASCII.
fn write_ascii_label(label: &[u8], out: &mut [u8]) -> Option<usize> {
    let label = trim(label);
    let mut all = 0;
    for (to, byte) in out.iter_mut().zip(label) {
        *to = byte.to_ascii_lowercase();
        all |= byte;
    }
    all.is_ascii().then_some(label.len())
}

/// Removes ASCII white space, as Python sees it, from both ends.
fn trim(text: &[u8]) -> &[u8] {
    let is_solid = |&byte: &u8| CLASS[usize::from(byte)] != SPACE;
    let start = text.iter().position(is_solid).unwrap_or(text.len());
    let end = text.iter().rposition(is_solid).map_or(start, |at| at + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Twice, so that the second form is written over the rubbish that the first one may have left.
    fn check(text: &str) {
        let mut out = Buffer::default();
        for _ in 0..2 {
            out.clear();
            out.push_text(text);
            let middle = out.len();
            out.push_label(text);
            let read = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let (form, label) = out.as_slice().split_at(middle);
            assert_eq!(read(form), normalize_text(text), "{text:?}");
            assert_eq!(read(label), normalize_label(text), "{text:?}");
        }
    }

    #[test]
    fn the_forms_are_those_of_ner_types() {
        for text in [
            "",
            "The",
            "a  an",
            "the A-Team",
            "U.S. of a",
            "\u{1}a\u{1}",
            "A\u{1c}b",
            " x_y ",
            "ÖZE the",
            "a.",
            "\u{0b}The\u{7f}",
            "İa",
        ] {
            check(text);
        }
    }

    proptest! {
        #[test]
        fn the_forms_are_those_of_ner_types_for_any_text(text in "\\PC*", ascii in "[ aAtThHeEn.'\\-\t\u{1}\u{1f}x9_]*") {
            check(&text);
            check(&ascii);
        }
    }
}
