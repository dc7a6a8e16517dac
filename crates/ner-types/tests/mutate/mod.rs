//! Mutations of a corpus, as a fuzzer makes them, for a test that needs no fuzzer.

use proptest::prelude::*;
use proptest::sample::Index;

/// One change of some bytes.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    /// Cuts the rest off.
    Cut(Index),
    /// Takes a stretch out.
    Remove(Index, usize),
    /// Puts other bytes in.
    Insert(Index, Vec<u8>),
    /// Changes one byte.
    Change(Index, u8),
    /// Says a stretch twice.
    Repeat(Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        1 => at().prop_map(Edit::Cut),
        2 => (at(), 0..40_usize).prop_map(|(at, n)| Edit::Remove(at, n)),
        3 => (at(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, new)| Edit::Insert(at, new)),
        3 => (at(), any::<u8>()).prop_map(|(at, new)| Edit::Change(at, new)),
        2 => (at(), 0..40_usize).prop_map(|(at, n)| Edit::Repeat(at, n)),
    ]
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: &Index| at.index(bytes.len() + 1);
        let stretch = |at: &Index, n: usize| place(at)..(place(at) + n).min(bytes.len());
        match self {
            Edit::Cut(at) => bytes.truncate(place(at)),
            Edit::Remove(at, n) => drop(bytes.drain(stretch(at, *n))),
            Edit::Insert(at, new) => {
                let at = place(at);
                drop(bytes.splice(at..at, new.iter().copied()));
            }
            Edit::Change(at, new) => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = *new;
                }
            }
            Edit::Repeat(at, n) => {
                let stretch = stretch(at, *n);
                let (again, end) = (bytes[stretch.clone()].to_vec(), stretch.end);
                drop(bytes.splice(end..end, again));
            }
        }
    }
}

/// A seed, or pieces of two seeds, with up to eight edits.
pub(crate) fn mutated(seeds: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let seed = || prop::sample::select(seeds);
    let start = (seed(), seed(), any::<Index>(), any::<bool>());
    let edits = prop::collection::vec(edit(), 0..8);
    (start, edits).prop_map(|((first, second, at, is_joined), edits)| {
        let mut bytes = first.to_vec();
        if is_joined {
            bytes.truncate(at.index(first.len() + 1));
            bytes.extend_from_slice(second);
        }
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        bytes
    })
}
