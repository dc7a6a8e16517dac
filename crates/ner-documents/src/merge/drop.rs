//! Entities that are dropped: rests of a cut, and what lies across longer ones.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use ner_types::normalize_label;

use super::collect::Found;

/// An entity that is dropped, and the one that stands in its place.
pub(super) struct Dropped {
    pub(super) what: Found,
    pub(super) by: (String, Range<usize>),
}

/// Takes out what touches the border of a window and lies inside of a longer entity of the same type. `found` is in the
/// order of the text, the longer first.
pub(super) fn fragments(found: &mut Vec<Found>) -> Vec<Dropped> {
    let mut longest: HashMap<String, Range<usize>> = HashMap::new();
    take(found, |it, bytes| {
        let label = normalize_label(&it.label);
        let longer = longest
            .get(&label)
            .filter(|longer| longer.end >= bytes.end && **longer != *bytes);
        let by = longer
            .filter(|_| it.is_at_border)
            .map(|longer| (it.label.clone(), longer.clone()));
        if longest
            .get(&label)
            .is_none_or(|longer| longer.end < bytes.end)
        {
            longest.insert(label, bytes.clone());
        }
        by
    })
}

/// Takes out what shares letters with a longer entity that is kept.
pub(super) fn overlapping(found: &mut Vec<Found>) -> Vec<Dropped> {
    let mut order: Vec<(usize, Range<usize>)> = Vec::new();
    for (idx, it) in found.iter().enumerate() {
        order.extend(it.bytes.clone().map(|bytes| (idx, bytes)));
    }
    // The sort is stable: of equally long ones the first in the text comes first.
    order.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.len()));
    let mut kept: BTreeMap<usize, (usize, Range<usize>)> = BTreeMap::new();
    let mut dropped: HashMap<usize, (String, Range<usize>)> = HashMap::new();
    for (idx, bytes) in order {
        // Those that are kept share no letter, so the last one that begins before the end is the only one to look at.
        let before = kept.range(..bytes.end).next_back();
        let across = before
            .map(|(_, it)| it)
            .filter(|(_, other)| other.end > bytes.start);
        if let Some((by, other)) = across {
            dropped.insert(idx, (found[*by].label.clone(), other.clone()));
        } else {
            kept.insert(bytes.start, (idx, bytes));
        }
    }
    let mut idx = 0..;
    take(found, |_, _| dropped.remove(&idx.next()?))
}

/// Takes out what `by` names another one for; what has no place stays.
fn take(
    found: &mut Vec<Found>,
    mut by: impl FnMut(&Found, &Range<usize>) -> Option<(String, Range<usize>)>,
) -> Vec<Dropped> {
    let mut dropped = Vec::new();
    for it in std::mem::take(found) {
        let other = it.bytes.as_ref().and_then(|bytes| by(&it, bytes));
        match other {
            Some(by) => dropped.push(Dropped { what: it, by }),
            None => found.push(it),
        }
    }
    dropped
}
