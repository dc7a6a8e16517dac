//! What can go wrong when two systems are compared.

/// An error of this crate. Scoring itself cannot fail; only a comparison of two systems can be asked wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The two systems were scored on a different number of sets.
    #[error(
        "paired bootstrap: expected the second system's counts of {expected} sets, found {found}"
    )]
    SetCount {
        /// Sets of the first system.
        expected: usize,
        /// Sets of the second system.
        found: usize,
    },
    /// The two systems were scored on a different number of sentences of one set.
    #[error(
        "paired bootstrap, set {set} (counted from 0): expected {expected} sentences, found {found}"
    )]
    SentenceCount {
        /// Position of the set, from 0.
        set: usize,
        /// Sentences of the first system.
        expected: usize,
        /// Sentences of the second system.
        found: usize,
    },
}
