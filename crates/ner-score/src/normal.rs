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
    if push_ascii_text(text, out).is_none() {
        out.truncate(start);
        out.extend_from_slice(normalize_text(text).as_bytes());
    }
}

/// The fast form; `None`, with rubbish appended, if the text has bytes other than ASCII letters, digits, punctuation
/// and white space.
fn push_ascii_text(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let mut word = start;
    for &byte in text.as_bytes() {
        match CLASS[byte as usize] {
            DROP => {}
            SPACE => word = end_word(out, word),
            OTHER => return None,
            letter => out.push(letter),
        }
    }
    end_word(out, word);
    if out.len() > start && out.ends_with(b" ") {
        out.pop();
    }
    Some(())
}

/// Ends the word that began at `word`: articles go, any other word gets a space. Gives the start of the next word.
fn end_word(out: &mut Vec<u8>, word: usize) -> usize {
    match &out[word..] {
        b"" => {}
        b"a" | b"an" | b"the" => out.truncate(word),
        _ => out.push(b' '),
    }
    out.len()
}

/// Appends the form in which labels are compared.
pub(crate) fn push_label(label: &str, out: &mut Vec<u8>) {
    if label.is_ascii() {
        let start = out.len();
        let is_space = |c: char| u8::try_from(c).is_ok_and(|b| CLASS[usize::from(b)] == SPACE);
        out.extend_from_slice(label.trim_matches(is_space).as_bytes());
        out[start..].make_ascii_lowercase();
    } else {
        out.extend_from_slice(normalize_label(label).as_bytes());
    }
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
