//! Where each sequence of a packed batch begins and ends.

use std::sync::Arc;

/// Cumulative lengths of packed sequences.
///
/// The sequences of a batch are laid end to end along one dimension of `T`
/// tokens. The bounds hold `0` followed by the end of every sequence, so the
/// last value is `T`. Cloning is cheap: the values are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeqBounds(Arc<[usize]>);

impl SeqBounds {
    /// Bounds of sequences of the given lengths, in order. A length of zero is
    /// an empty sequence and is kept.
    pub fn from_lengths(lengths: &[usize]) -> Self {
        let ends = lengths.iter().scan(0, |total, &length| {
            *total += length;
            Some(*total)
        });
        Self(std::iter::once(0).chain(ends).collect())
    }

    /// The half-open range `(start, end)` of every sequence.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (usize, usize)> + '_ {
        self.0.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Number of tokens of all sequences together, `T`.
    pub fn total(&self) -> usize {
        self.0.last().copied().unwrap_or(0)
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.0.len() - 1
    }

    /// Whether there is no sequence at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of the longest sequence, 0 without any.
    pub fn max_len(&self) -> usize {
        self.iter()
            .map(|(start, end)| end - start)
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_ranges() {
        let bounds = SeqBounds::from_lengths(&[2, 0, 3]);
        assert_eq!(bounds.iter().collect::<Vec<_>>(), [(0, 2), (2, 2), (2, 5)]);
        assert_eq!((bounds.total(), bounds.len(), bounds.max_len()), (5, 3, 3));
    }

    #[test]
    fn no_sequence_is_empty() {
        let bounds = SeqBounds::from_lengths(&[]);
        assert!(bounds.is_empty());
        assert_eq!((bounds.total(), bounds.max_len()), (0, 0));
    }
}
