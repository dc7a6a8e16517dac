//! Borders of sentences and words.
//!
//! They are those of Unicode (UAX #29), except that no sentence ends behind an abbreviation of [`ABBREVIATIONS`] or an
//! initial. A border that is wrong all the same costs nothing but a window that begins in an odd place, because windows
//! overlap.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Behind these, the next word belongs to the same sentence, although it begins with a capital letter.
const ABBREVIATIONS: [&str; 36] = [
    "Dr", "Mr", "Mrs", "Ms", "Mx", "Prof", "St", "Rev", "Hon", "Gen", "Col", "Maj", "Capt", "Lt",
    "Sgt", "Sen", "Rep", "Gov", "Pres", "Mt", "Ft", "No", "Nr", "Fig", "Vol", "vs", "cf", "e.g",
    "i.e", "al", "Hr", "Fr", "Mme", "Mlle", "Sr", "Sra",
];

/// The sentences of a text, in bytes: adjacent, from its beginning to its end, each with the white space behind it.
///
/// ```
/// let text = "Dr. J. Voss left. She sails, e.g. to Halvek! 今日は。はい。";
/// let sentences: Vec<&str> = ner_documents::sentences(text).map(|bytes| &text[bytes]).collect();
/// assert_eq!(sentences, ["Dr. J. Voss left. ", "She sails, e.g. to Halvek! ", "今日は。", "はい。"]);
/// ```
pub fn sentences(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut parts = text.split_sentence_bound_indices().peekable();
    std::iter::from_fn(move || {
        let (start, mut part) = parts.next()?;
        let mut end = start + part.len();
        while goes_on(part) {
            let Some((_, next)) = parts.next() else { break };
            part = next;
            end += part.len();
        }
        Some(start..end)
    })
}

/// Whether a part of a sentence ends with an abbreviation or an initial, on the same line as what follows.
fn goes_on(part: &str) -> bool {
    let trimmed = part.trim_end();
    if part[trimmed.len()..].contains(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}']) {
        return false;
    }
    let Some(before) = trimmed.strip_suffix('.') else {
        return false;
    };
    let is_outside = |c: char| c.is_whitespace() || "([\"'“‘«".contains(c);
    let word = before.rsplit(is_outside).next().unwrap_or_default();
    let mut letters = word.chars();
    let is_initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none();
    is_initial || ABBREVIATIONS.contains(&word)
}

/// The same, divided behind every full stop too that ends no abbreviation, whatever follows: reasoning often goes on
/// with a small letter.
pub(crate) fn statements(text: &str) -> Vec<Range<usize>> {
    let mut statements = Vec::new();
    for sentence in sentences(text) {
        let mut start = sentence.start;
        let part = &text[sentence.clone()];
        for (at, stop) in part.match_indices(". ") {
            let end = sentence.start + at + stop.len();
            if !goes_on(&text[start..end]) {
                statements.push(start..end);
                start = end;
            }
        }
        if start < sentence.end {
            statements.push(start..sentence.end);
        }
    }
    statements
}

/// The words of a text, in bytes: adjacent, from its beginning to its end, each with the white space before it and the
/// punctuation around it. White space at the end is a word of its own.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut parts = text.split_word_bounds().peekable();
    let mut end = 0;
    std::iter::from_fn(move || {
        let start = end;
        let mut has_letters = false;
        while let Some(part) = parts.peek() {
            let is_word = part.contains(char::is_alphanumeric);
            if has_letters && (is_word || part.starts_with(char::is_whitespace)) {
                break;
            }
            has_letters |= is_word;
            end += part.len();
            parts.next();
        }
        (start < end).then_some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = sentences(text).map(|bytes| &text[bytes]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn abbreviations_and_initials_end_no_sentence() {
        check(
            "Dr. Voss left. J. R. Brel slept.",
            &["Dr. Voss left. ", "J. R. Brel slept."],
        );
        check("(Mr. Osk) Yes.", &["(Mr. Osk) Yes."]);
        check(
            "See e.g. Halvek. No. 7 is Mt. Osk.",
            &["See e.g. Halvek. ", "No. 7 is Mt. Osk."],
        );
        check(
            "It cost 3.5 crowns! Then?",
            &["It cost 3.5 crowns! ", "Then?"],
        );
        check("Signed, J.\nZoë", &["Signed, J.\n", "Zoë"]);
        check("今日は。はい。", &["今日は。", "はい。"]);
        check("Dr.", &["Dr."]);
        check("", &[]);
    }

    #[test]
    fn words_have_the_space_before_them_and_their_punctuation() {
        let of =
            |text: &'static str| -> Vec<&str> { words(text).map(|word| &text[word]).collect() };
        let words = ["Ada", "  Brel,", " 小", "樽", " "];
        assert_eq!(of("Ada  Brel, 小樽 "), words);
        assert_eq!(of("A (very) - wide!"), ["A", " (very)", " - wide!"]);
        assert_eq!(of(" \n "), [" \n "]);
        assert_eq!(of(""), [""; 0]);
    }
}
