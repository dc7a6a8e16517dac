//! The words of a text, for comparing texts.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};

/// The words in lower case and in normal form; punctuation and white space only
/// separate them. Where a script writes no spaces, each letter is a word.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each_word(text, &mut |word| words.push(word.into()));
    words
}

/// The words of a text in one piece of memory, with the ends of its sentences.
#[derive(Debug, Default)]
pub(crate) struct Words {
    letters: String,
    /// Where each word ends in `letters`.
    ends: Vec<usize>,
    /// How many words there are up to the end of each sentence.
    sentences: Vec<usize>,
}

impl Words {
    /// The words of the sentences, one sentence after the other.
    pub(crate) fn of<'t>(sentences: impl IntoIterator<Item = &'t str>) -> Self {
        let mut all = Self::default();
        for sentence in sentences {
            let Self { letters, ends, .. } = &mut all;
            each_word(sentence, &mut |word| {
                letters.push_str(word);
                ends.push(letters.len());
            });
            all.sentences.push(all.ends.len());
        }
        all
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// One of them.
    pub(crate) fn get(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.letters[start..self.ends[at]]
    }

    /// Some of them.
    pub(crate) fn range(&self, range: Range<usize>) -> impl Iterator<Item = &str> {
        range.map(|at| self.get(at))
    }

    /// Those of each sentence.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = Range<usize>> + Clone + '_ {
        let starts = std::iter::once(0).chain(self.sentences.iter().copied());
        starts.zip(&self.sentences).map(|(start, &end)| start..end)
    }
}

/// Calls `each` with the words.
///
/// White space neither takes part in normalisation nor in the change of case, so that the pieces between can be
/// looked at one by one, and nearly all of them are ASCII, for which both are cheap.
fn each_word(text: &str, each: &mut dyn FnMut(&str)) {
    let mut word = String::new();
    for piece in text.split_ascii_whitespace() {
        if piece.is_ascii() {
            for part in piece.split(|c: char| !c.is_ascii_alphanumeric()) {
                if !part.is_empty() {
                    word.push_str(part);
                    word.make_ascii_lowercase();
                    each(&word);
                    word.clear();
                }
            }
        } else {
            each_word_of(piece, &mut word, each);
        }
    }
}

/// The same for a piece of any letters; `word` is empty before and after.
fn each_word_of(piece: &str, word: &mut String, each: &mut dyn FnMut(&str)) {
    for c in piece.nfkc().flat_map(char::to_lowercase) {
        let alone = !c.is_ascii() && is_unspaced(c);
        if (alone || !is_part(c)) && !word.is_empty() {
            each(word);
            word.clear();
        }
        if alone || is_part(c) {
            word.push(c);
        }
        if alone {
            each(word);
            word.clear();
        }
    }
    if !word.is_empty() {
        each(word);
        word.clear();
    }
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

    #[test]
    fn pieces_give_the_words_of_the_whole() {
        let text =
            "Ann\u{a0}of BREL.\n \u{308}x \u{3000}Zoe\u{308} \u{1680} ﬁn ... Σ-ΣΑΣ 小樽 a\u{2028}b";
        let mut whole = Vec::new();
        each_word_of(text, &mut String::new(), &mut |word| {
            whole.push(word.to_owned())
        });
        assert_eq!(words(text), whole);
        let all = Words::of(["One two.", "", "Three"]);
        let sentences: Vec<_> = all.sentences().collect();
        assert_eq!(sentences, [0..2, 2..2, 2..3]);
        assert_eq!(all.range(0..3).collect::<Vec<_>>(), ["one", "two", "three"]);
    }
}
