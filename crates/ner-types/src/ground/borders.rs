//! Where words begin and end.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use unicode_normalization::char::is_combining_mark;

/// Whether a place must begin and end at word borders: between a letter or digit and anything else.
///
/// In scripts that are written without spaces every character is a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Borders {
    /// Places inside of words count only if there is no other: *Voss* is in *Vossler* unless it also stands alone.
    #[default]
    Prefer,
    /// Places inside of words do not count.
    Require,
    /// All places count.
    Ignore,
}

impl Borders {
    /// The places that count, ascending and without overlap. `places` must be ascending, and lie on character borders.
    pub(super) fn select(
        self,
        text: &str,
        places: impl Iterator<Item = Range<usize>>,
    ) -> Vec<Range<usize>> {
        let mut whole = Vec::new();
        let mut any = Vec::new();
        for place in places {
            if self != Self::Ignore && is_whole_words(text, &place) {
                push(&mut whole, place);
            } else if self != Self::Require && whole.is_empty() {
                push(&mut any, place);
            }
        }
        if whole.is_empty() { any } else { whole }
    }
}

fn push(places: &mut Vec<Range<usize>>, place: Range<usize>) {
    if places.last().is_none_or(|last| last.end <= place.start) {
        places.push(place);
    }
}

/// Whether a place, in bytes, begins and ends at borders of words, as [`Borders`] has them. The place must be one of
/// the text and lie on the borders of characters.
pub fn is_whole_words(text: &str, place: &Range<usize>) -> bool {
    is_border(text, place.start) && is_border(text, place.end)
}

fn is_border(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at..].chars().next();
    splits(before, after)
}

/// Whether a word ends or begins between two neighbours.
pub(super) fn splits(before: Option<char>, after: Option<char>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return true;
    };
    if is_combining_mark(after) {
        return false;
    }
    let joins = |c: char| is_part_of_word(c) && !stands_alone(c);
    !(joins(before) && joins(after))
}

/// Letters, digits and the marks on them.
pub(super) fn is_part_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || (!c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c)))
}

/// A letter of a script without spaces: Thai, Lao, Burmese, Khmer, kana and the ideographs.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}
