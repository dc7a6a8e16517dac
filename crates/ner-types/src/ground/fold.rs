//! The form in which spelling variants are alike, with the way back to the sentence.

use std::ops::Range;

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use crate::normalize::is_space;

/// A text after NFKC, in lower case, quotes and dashes unified, white space collapsed, invisible characters removed.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) text: String,
    /// For each byte of the text the segment that it comes from.
    segment_of: Vec<usize>,
    /// Bytes of the original that were folded together.
    segments: Vec<Range<usize>>,
}

impl Folded {
    /// The bytes of the original that were folded to these. `None` if they are a part only of what one segment became,
    /// such as the second letter of a ligature.
    pub(super) fn original(&self, place: Range<usize>) -> Option<Range<usize>> {
        let first = *self.segment_of.get(place.start)?;
        let last = *self.segment_of.get(place.end.checked_sub(1)?)?;
        let cuts_first = place.start > 0 && self.segment_of[place.start - 1] == first;
        let cuts_last = self.segment_of.get(place.end) == Some(&last);
        (!cuts_first && !cuts_last).then(|| self.segments[first].start..self.segments[last].end)
    }

    fn push_segment(&mut self, original: &str, segment: Range<usize>) {
        let before = self.text.len();
        let piece = &original[segment.clone()];
        if piece.is_ascii() {
            self.push_folded(piece.chars().flat_map(char::to_lowercase));
        } else {
            self.push_folded(piece.nfkc().flat_map(char::to_lowercase));
        }
        if self.text.len() > before {
            self.segment_of.resize(self.text.len(), self.segments.len());
            self.segments.push(segment);
        } else if piece.starts_with(is_space)
            && let Some(last) = self.segments.last_mut()
        {
            // More white space after a space.
            last.end = segment.end;
        }
    }

    fn push_folded(&mut self, chars: impl Iterator<Item = char>) {
        for c in chars.filter_map(unify) {
            if c != ' ' || !(self.text.is_empty() || self.text.ends_with(' ')) {
                self.text.push(c);
            }
        }
    }
}

/// Folds a text. White space at its start is lost, at its end it is one space.
pub(super) fn fold(text: &str) -> Folded {
    let mut folded = Folded::default();
    let mut start = 0;
    for (at, c) in text.char_indices().skip(1) {
        if begins_segment(c) {
            folded.push_segment(text, start..at);
            start = at;
        }
    }
    if start < text.len() {
        folded.push_segment(text, start..text.len());
    }
    folded
}

/// Whether normalisation never joins this character with those before it.
fn begins_segment(c: char) -> bool {
    let composes = || is_nfkc_quick(std::iter::once(c)) == IsNormalized::Maybe;
    c.is_ascii() || (canonical_combining_class(c) == 0 && !composes())
}

/// One character for its typographic variants; `None` for what cannot be seen.
fn unify(c: char) -> Option<char> {
    match c {
        'a'..='z' => Some(c),
        '‘' | '’' | '‚' | '‛' | '′' | '´' | '`' => Some('\''),
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => Some('"'),
        '\u{2010}'..='\u{2015}' | '−' => Some('-'),
        'ς' => Some('σ'),
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => None,
        _ if is_space(c) => Some(' '),
        _ => Some(c),
    }
}
