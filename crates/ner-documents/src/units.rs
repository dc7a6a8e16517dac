//! What windows are filled with: sentences, or parts of one that is too long.

use std::ops::Range;

use crate::sentences::{sentences, words};

/// Tells how many tokens a text has.
pub(crate) type Count<'c> = &'c dyn Fn(&str) -> usize;

/// A text of more bytes for each token of the limit is not even counted: hardly a token has so many, and a tokenizer
/// may take long for a word of megabytes.
const MOST_BYTES_A_TOKEN: usize = 64;

/// A part of a text that is never divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) bytes: Range<usize>,
    pub(crate) tokens: usize,
}

/// The number of tokens of a text, if it is at most a limit.
pub(crate) fn within(text: &str, limit: usize, count: Count<'_>) -> Option<usize> {
    if text.len() > limit.saturating_mul(MOST_BYTES_A_TOKEN) {
        return None;
    }
    Some(count(text)).filter(|&tokens| tokens <= limit)
}

/// The units of a text, of at most so many tokens each, and how many sentences had to be cut.
pub(crate) fn units(text: &str, limit: usize, count: Count<'_>) -> (Vec<Unit>, usize) {
    let mut units = Vec::new();
    let mut n_cut = 0;
    for bytes in sentences(text) {
        match within(&text[bytes.clone()], limit, count) {
            Some(tokens) => units.push(Unit { bytes, tokens }),
            None => {
                n_cut += 1;
                cut_sentence(text, bytes, limit, count, &mut units);
            }
        }
    }
    (units, n_cut)
}

/// A sentence by words; a word that is still too long by characters.
fn cut_sentence(
    text: &str,
    sentence: Range<usize>,
    limit: usize,
    count: Count<'_>,
    units: &mut Vec<Unit>,
) {
    for word in words(&text[sentence.clone()]) {
        let bytes = sentence.start + word.start..sentence.start + word.end;
        match within(&text[bytes.clone()], limit, count) {
            Some(tokens) => units.push(Unit { bytes, tokens }),
            None => cut_word(text, bytes, limit, count, units),
        }
    }
}

/// A word by characters. An eighth of the limit in bytes is at most as many tokens, and leaves parts for an overlap.
fn cut_word(text: &str, word: Range<usize>, limit: usize, count: Count<'_>, units: &mut Vec<Unit>) {
    let mut start = word.start;
    while start < word.end {
        let next = text.ceil_char_boundary(start + 1);
        let end = text
            .floor_char_boundary(start + limit / 8)
            .clamp(next, word.end);
        units.push(Unit {
            bytes: start..end,
            tokens: count(&text[start..end]),
        });
        start = end;
    }
}
