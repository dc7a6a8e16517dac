//! All places of many texts at once.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use ner_types::is_whole_words;

/// For each name its places in a text, ascending, where it stands literally and is not a part of a word. The time is
/// linear in the text, the names and the places. `None` if the names are too many for the automaton, billions of bytes.
pub(crate) fn occurrences(text: &str, names: &[&str]) -> Option<Vec<Vec<Range<usize>>>> {
    let mut places = vec![Vec::new(); names.len()];
    if names.is_empty() {
        return Some(places);
    }
    let automaton = AhoCorasick::new(names).ok()?;
    for found in automaton.find_overlapping_iter(text) {
        let place = found.range();
        if !place.is_empty() && is_whole_words(text, &place) {
            places[found.pattern().as_usize()].push(place);
        }
    }
    Some(places)
}
