//! Words of a sentence that differ from a text by a few edits.
//!
//! The edit distance of the text to the best stretch before every place is computed with bit vectors (Myers 1999, in
//! the form of Hyyrö 2003), one step for each character of the sentence. String crates compare two strings but do not
//! search one in the other; a window for every word would cost the square of the text's length each time.

use std::collections::HashMap;
use std::ops::Range;

use super::borders::{is_part_of_word, splits};

/// One bit for each character of the text.
type Bits = u128;

/// The best stretches of a search.
pub(super) struct Found {
    /// Their common distance to the text.
    pub(super) edits: usize,
    /// Their bytes in the sentence, ascending.
    pub(super) places: Vec<Range<usize>>,
}

/// Looks for the stretches from the beginning of a word to the end of one with the fewest edits, which are at most
/// `edits_per_char` for each character of the text, rounded down. `None` if there is none.
pub(super) fn search(sentence: &str, text: &str, edits_per_char: f64) -> Option<Found> {
    let text: Vec<char> = text.chars().collect();
    // A cast of a float saturates, and NaN becomes 0.
    let max_edits = (text.len() as f64 * edits_per_char) as usize;
    let max_edits = max_edits.min(text.len().saturating_sub(1));
    if max_edits == 0 || text.len() > Bits::BITS as usize {
        return None;
    }
    let sentence = Letters::new(sentence);
    let ends = ends(&sentence, &Pattern::new(text.iter().copied()), max_edits);
    let backwards = Pattern::new(text.iter().rev().copied());
    let stretches = ends.filter_map(|end| stretch(&sentence, &backwards, end, max_edits));
    best(&sentence, stretches)
}

/// Keeps the stretches with the fewest edits.
fn best(
    sentence: &Letters,
    stretches: impl Iterator<Item = (usize, Range<usize>)>,
) -> Option<Found> {
    let mut best: Option<Found> = None;
    for (edits, stretch) in stretches {
        let place = sentence.bytes(stretch);
        match &mut best {
            Some(best) if best.edits < edits => {}
            Some(best) if best.edits == edits => best.places.push(place),
            _ => {
                let places = vec![place];
                best = Some(Found { edits, places });
            }
        }
    }
    best
}

/// The ends of words before which some stretch is near enough.
fn ends(
    sentence: &Letters,
    pattern: &Pattern,
    max_edits: usize,
) -> impl Iterator<Item = usize> + use<> {
    let mut distance = Distance::new(pattern, false);
    let mut ends = Vec::new();
    for (idx, &c) in sentence.chars.iter().enumerate() {
        if distance.step(c) <= max_edits && sentence.is_word_end(idx + 1) {
            ends.push(idx + 1);
        }
    }
    ends.into_iter()
}

/// The stretch with this end, from the beginning of a word, that is nearest to the text, and its distance.
fn stretch(
    sentence: &Letters,
    backwards: &Pattern,
    end: usize,
    max_edits: usize,
) -> Option<(usize, Range<usize>)> {
    let mut distance = Distance::new(backwards, true);
    let longest = backwards.len + max_edits;
    let mut nearest: Option<(usize, Range<usize>)> = None;
    for start in (end.saturating_sub(longest)..end).rev() {
        let edits = distance.step(sentence.chars[start]);
        let is_nearer = nearest.as_ref().is_none_or(|&(least, _)| edits < least);
        if edits <= max_edits && is_nearer && sentence.is_word_start(start) {
            nearest = Some((edits, start..end));
        }
    }
    nearest
}

/// A sentence by characters.
struct Letters {
    chars: Vec<char>,
    /// First byte of each character, and the length at the end.
    starts: Vec<usize>,
}

impl Letters {
    fn new(text: &str) -> Self {
        let starts = text.char_indices().map(|(at, _)| at);
        Letters {
            chars: text.chars().collect(),
            starts: starts.chain([text.len()]).collect(),
        }
    }

    fn bytes(&self, chars: Range<usize>) -> Range<usize> {
        self.starts[chars.start]..self.starts[chars.end]
    }

    fn is_word_start(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map(|before| self.chars[before]);
        is_part_of_word(self.chars[at]) && splits(before, Some(self.chars[at]))
    }

    fn is_word_end(&self, at: usize) -> bool {
        let last = self.chars[at - 1];
        is_part_of_word(last) && splits(Some(last), self.chars.get(at).copied())
    }
}

/// For each character the positions of the text at which it stands, as bits.
struct Pattern {
    len: usize,
    positions: HashMap<char, Bits>,
}

impl Pattern {
    fn new(text: impl Iterator<Item = char>) -> Self {
        let mut pattern = Pattern {
            len: 0,
            positions: HashMap::new(),
        };
        for c in text {
            *pattern.positions.entry(c).or_default() |= 1 << pattern.len;
            pattern.len += 1;
        }
        pattern
    }
}

/// The distance of a pattern to the stretch read so far, or to the best end of it.
struct Distance<'p> {
    pattern: &'p Pattern,
    /// Where the last column of the table rises and falls from row to row.
    rises: Bits,
    falls: Bits,
    distance: usize,
    /// 1 if the stretch must begin where the reading began, 0 if it may begin anywhere.
    anchor: Bits,
}

impl<'p> Distance<'p> {
    fn new(pattern: &'p Pattern, is_anchored: bool) -> Self {
        Distance {
            pattern,
            rises: Bits::MAX,
            falls: 0,
            distance: pattern.len,
            anchor: Bits::from(is_anchored),
        }
    }

    /// Reads one more character and gives the distance then.
    fn step(&mut self, c: char) -> usize {
        let equal = self.pattern.positions.get(&c).copied().unwrap_or(0);
        let vertical = equal | self.falls;
        let carry = (equal & self.rises).wrapping_add(self.rises);
        let horizontal = (carry ^ self.rises) | equal;
        let right_rises = self.falls | !(horizontal | self.rises);
        let right_falls = self.rises & horizontal;
        let last = 1 << (self.pattern.len - 1);
        self.distance += usize::from(right_rises & last != 0);
        self.distance -= usize::from(right_falls & last != 0);
        let right_rises = (right_rises << 1) | self.anchor;
        self.rises = (right_falls << 1) | !(vertical | right_rises);
        self.falls = right_rises & vertical;
        self.distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Both forms of the distance agree with the table that defines it.
        #[test]
        fn bit_vectors_give_the_edit_distance(text in "[abcé]{1,128}", sentence in "[abcé]{0,60}") {
            let letters: Vec<char> = sentence.chars().collect();
            let pattern = Pattern::new(text.chars());
            let (mut free, mut anchored) = (Distance::new(&pattern, false), Distance::new(&pattern, true));
            for end in 1..=letters.len() {
                let to = |start: usize| letters[start..end].iter().collect::<String>();
                let distance = |start: usize| strsim::levenshtein(&text, &to(start));
                proptest::prop_assert_eq!(anchored.step(letters[end - 1]), distance(0));
                let least = (0..=end).map(distance).min();
                proptest::prop_assert_eq!(Some(free.step(letters[end - 1])), least);
            }
        }
    }
}
