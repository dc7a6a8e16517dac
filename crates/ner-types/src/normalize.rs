//! The paper's normalisation of labels and of texts for matching.

use serde::{Deserialize, Serialize};
use unicode_normalization::char::is_combining_mark;

/// Lower-cases and trims a label.
pub fn normalize_label(label: &str) -> String {
    trim(label).to_lowercase()
}

/// Whether a normalised label stands for "none of the types" and is therefore
/// left out of schema and gold: empty, `na`, `n a`, `misc`, `else`, `other`,
/// `nan`.
pub fn is_dropped_label(normalized: &str) -> bool {
    matches!(
        normalized,
        "" | "na" | "n a" | "misc" | "else" | "other" | "nan"
    )
}

/// What becomes of the labels of [`is_dropped_label`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placeholders {
    /// They leave schema and gold, as in the paper.
    #[default]
    Drop,
    /// They are labels like any other; only the empty one is dropped.
    Keep,
}

impl Placeholders {
    /// Whether a normalised label stays.
    pub fn keep(self, normalized: &str) -> bool {
        match self {
            Self::Drop => !is_dropped_label(normalized),
            Self::Keep => !normalized.is_empty(),
        }
    }
}

/// The form in which entity texts are compared.
///
/// Lower case, ASCII punctuation removed, the words *a*, *an* and *the*
/// replaced by a space, white space collapsed: the normalisation of the SQuAD
/// scorer, which the paper and UniversalNER use. `C++`, `C#` and `C` become
/// equal, and "The" becomes the empty string.
pub fn normalize_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    if text.is_ascii() {
        let lower = text.bytes().map(|b| char::from(b.to_ascii_lowercase()));
        squeeze(lower, &mut out);
    } else if text.contains('Σ') {
        // The whole text at once: the small sigma depends on its neighbours.
        squeeze(text.to_lowercase().chars(), &mut out);
    } else {
        squeeze(text.chars().flat_map(char::to_lowercase), &mut out);
    }
    out
}

/// Removes punctuation and articles and collapses white space, in one pass over lower-cased characters.
fn squeeze(lower: impl Iterator<Item = char>, out: &mut String) {
    let mut word = None;
    let mut has_gap = false;
    for c in lower.filter(|c| !c.is_ascii_punctuation()).chain([' ']) {
        if is_word(c) {
            if word.is_none() {
                close_gap(&mut has_gap, out);
                word = Some(out.len());
            }
            out.push(c);
            continue;
        }
        if let Some(start) = word.take()
            && matches!(&out[start..], "a" | "an" | "the")
        {
            out.truncate(start - usize::from(out[..start].ends_with(' ')));
            has_gap = true;
        }
        if is_space(c) {
            has_gap = true;
        } else {
            close_gap(&mut has_gap, out);
            out.push(c);
        }
    }
}

/// Writes the one space that stands for the white space and the articles before the next character.
fn close_gap(has_gap: &mut bool, out: &mut String) {
    if std::mem::take(has_gap) && !out.is_empty() {
        out.push(' ');
    }
}

/// A word character in the sense of Python's `\w`; the underscore is punctuation and has already been removed.
///
/// Rust counts some marks and the circled letters as alphabetic, Python does not.
fn is_word(c: char) -> bool {
    let is_circled = matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    c.is_ascii_alphanumeric()
        || (!c.is_ascii() && c.is_alphanumeric() && !is_circled && !is_combining_mark(c))
}

/// White space in Python's sense: U+001C–U+001F belong to it, which Rust does not count.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Removes white space from both ends, as Python's `strip` does.
pub(crate) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        // Nearly always there is nothing to remove, and that is seen without decoding a character.
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim_matches(is_space),
    }
}

/// Removes white space from the start.
pub(crate) fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_as_the_paper_does() {
        for (text, expected) in [
            ("C++", "c"),
            ("U.S.", "us"),
            ("the A-Team", "ateam"),
            ("The", ""),
            ("A  Ledger\u{1c}of the Rain", "ledger of rain"),
            ("Theory of an Ant", "theory of ant"),
            ("“Quoted”", "“quoted”"),
            ("“the” Ant", "“ ” ant"),
            ("a\0the\0b", "\0 \0b"),
            ("a\u{301} x", "\u{301} x"),
            ("the the", ""),
            ("x the", "x"),
            ("ΟΔΟΣ", "οδος"),
            ("", ""),
        ] {
            assert_eq!(normalize_text(text), expected, "{text:?}");
        }
    }

    #[test]
    fn placeholders_are_recognised_after_normalisation() {
        assert!(is_dropped_label(&normalize_label(" N A ")));
        assert!(!is_dropped_label(&normalize_label("nation")));
        assert!(Placeholders::Keep.keep("misc"));
        assert!(!Placeholders::Keep.keep(""));
        assert!(!Placeholders::Drop.keep("misc"));
    }
}
