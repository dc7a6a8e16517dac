//! The words of a text, for comparing texts.

use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};

/// The words in lower case and in normal form; punctuation and white space only
/// separate them. Where a script writes no spaces, each letter is a word.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.nfkc().flat_map(char::to_lowercase) {
        let alone = !c.is_ascii() && is_unspaced(c);
        if (alone || !is_part(c)) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(c.into());
        } else if is_part(c) {
            word.push(c);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Combining marks belong to their letter; normalisation leaves those that have no joint form.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
}

fn is_unspaced(c: char) -> bool {
    let script = matches!(
        c.script(),
        Script::Han
            | Script::Hiragana
            | Script::Katakana
            | Script::Thai
            | Script::Lao
            | Script::Khmer
            | Script::Myanmar
    );
    script && c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_without_case_and_punctuation() {
        for (text, expected) in [
            ("Ann of  BREL, (1984)!", &["ann", "of", "brel", "1984"][..]),
            ("Zoe\u{308} Ａ", &["zoë", "a"]),
            ("left 小樽.", &["left", "小", "樽"]),
            ("prompt's", &["prompt", "s"]),
            (" … ", &[]),
        ] {
            assert_eq!(words(text), expected, "{text:?}");
        }
    }
}
