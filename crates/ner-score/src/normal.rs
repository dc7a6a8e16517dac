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

/// Appends the form in which texts are compared.
pub(crate) fn push_text(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    // The form is never longer than the text and the space behind its last word.
    out.resize(start + text.len() + 1, 0);
    let length = write_ascii_text(text, &mut out[start..]);
    out.truncate(start + length.unwrap_or(0));
    if length.is_none() {
        out.extend_from_slice(normalize_text(text).as_bytes());
    }
}

/// Writes the form to the start of `out` and gives its length; `None`, with rubbish written, if the text has bytes other
/// than ASCII letters, digits, punctuation and white space.
fn write_ascii_text(text: &str, out: &mut [u8]) -> Option<usize> {
    let (mut word, mut end) = (0, 0);
    for &byte in text.as_bytes() {
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

/// Appends the form in which labels are compared.
pub(crate) fn push_label(label: &str, out: &mut Vec<u8>) {
    if label.is_ascii() {
        let start = out.len();
        out.extend_from_slice(trim(label.as_bytes()));
        out[start..].make_ascii_lowercase();
    } else {
        out.extend_from_slice(normalize_label(label).as_bytes());
    }
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

    fn check(text: &str) {
        let mut out = b"x ".to_vec();
        push_text(text, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out[2..]),
            normalize_text(text),
            "{text:?}"
        );
        let mut out = b"X".to_vec();
        push_label(text, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out[1..]),
            normalize_label(text),
            "{text:?}"
        );
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
