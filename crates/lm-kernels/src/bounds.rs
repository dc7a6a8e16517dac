//! Where each sequence of a packed batch begins and ends.

use std::ops::Range;
use std::sync::Arc;

/// Cumulative lengths of packed sequences.
///
/// The sequences of a batch are laid end to end along one dimension of `T` tokens. The bounds hold `0` followed by the
/// end of every sequence, so the last value is `T`. Cloning is cheap: the values are shared.
///
/// The keys of a sequence may begin before its queries, as the tokens of a prompt do that was computed before: see
/// [`SeqBounds::with_context`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeqBounds {
    queries: Arc<[usize]>,
    keys: Arc<[usize]>,
}

/// The tokens of one sequence, as rows of the packed queries and keys. The last query belongs to the last key, so query
/// `i` sees all keys but the `queries.len() - 1 - i` last ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Rows of its queries.
    pub queries: Range<usize>,
    /// Rows of its keys and values, at least as many.
    pub keys: Range<usize>,
}

impl Span {
    /// Keys before the first query.
    pub fn context(&self) -> usize {
        self.keys.len() - self.queries.len()
    }
}

impl SeqBounds {
    /// Bounds of sequences of the given lengths, in order. A length of zero is an empty sequence and is kept.
    pub fn from_lengths(lengths: &[usize]) -> Self {
        let queries = cumulative(lengths.iter().copied());
        let keys = queries.clone();
        Self { queries, keys }
    }

    /// Bounds of sequences with `(context, length)` each: `length` queries, and `context + length` keys, of which the
    /// first `context` have no query.
    pub fn with_context(sequences: &[(usize, usize)]) -> Self {
        Self {
            queries: cumulative(sequences.iter().map(|(_, length)| *length)),
            keys: cumulative(sequences.iter().map(|(context, length)| context + length)),
        }
    }

    /// The half-open range `(start, end)` of the queries of every sequence.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (usize, usize)> + '_ {
        self.queries.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// The queries and keys of every sequence.
    pub fn spans(&self) -> impl ExactSizeIterator<Item = Span> + '_ {
        let keys = self.keys.windows(2).map(|pair| pair[0]..pair[1]);
        self.iter().zip(keys).map(|((start, end), keys)| Span {
            queries: start..end,
            keys,
        })
    }

    /// Number of queries of all sequences together, `T`.
    pub fn total(&self) -> usize {
        self.queries.last().copied().unwrap_or(0)
    }

    /// Number of keys of all sequences together; `T` unless a sequence has a context.
    pub fn total_keys(&self) -> usize {
        self.keys.last().copied().unwrap_or(0)
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.queries.len() - 1
    }

    /// Whether there is no sequence at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys of the longest sequence, 0 without any.
    pub fn max_len(&self) -> usize {
        self.spans().map(|span| span.keys.len()).max().unwrap_or(0)
    }
}

fn cumulative(lengths: impl Iterator<Item = usize>) -> Arc<[usize]> {
    let ends = lengths.scan(0, |total, length| {
        *total += length;
        Some(*total)
    });
    std::iter::once(0).chain(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_ranges() {
        let bounds = SeqBounds::from_lengths(&[2, 0, 3]);
        assert_eq!(bounds.iter().collect::<Vec<_>>(), [(0, 2), (2, 2), (2, 5)]);
        assert_eq!((bounds.total(), bounds.len(), bounds.max_len()), (5, 3, 3));
        assert!(bounds.spans().all(|span| span.queries == span.keys));
    }

    #[test]
    fn a_context_has_keys_only() {
        let bounds = SeqBounds::with_context(&[(0, 3), (3, 2), (3, 1)]);
        let spans: Vec<Span> = bounds.spans().collect();
        assert_eq!(
            (spans[1].queries.clone(), spans[1].keys.clone()),
            (3..5, 3..8)
        );
        assert_eq!(
            (spans[2].queries.clone(), spans[2].keys.clone()),
            (5..6, 8..12)
        );
        assert_eq!((spans[0].context(), spans[2].context()), (0, 3));
        assert_eq!(
            (bounds.total(), bounds.total_keys(), bounds.max_len()),
            (6, 12, 5)
        );
    }

    #[test]
    fn no_sequence_is_empty() {
        let bounds = SeqBounds::from_lengths(&[]);
        assert!(bounds.is_empty());
        assert_eq!((bounds.total(), bounds.max_len()), (0, 0));
    }
}
