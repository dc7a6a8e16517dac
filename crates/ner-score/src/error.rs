//! What can go wrong when two systems are compared.

/// An error of this crate. Scoring itself cannot fail; only a preset can be named wrongly, and a comparison of two
/// systems be asked wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no preset of this name.
    #[error("scorer {name:?}: expected one of {}", names())]
    UnknownScorer {
        /// The name.
        name: String,
    },
    /// The two systems were scored on a different number of sets.
    #[error(
        "comparison of two systems: expected the second system's counts of {expected} sets, found {found}"
    )]
    SetCount {
        /// Sets of the first system.
        expected: usize,
        /// Sets of the second system.
        found: usize,
    },
    /// The two systems were scored on a different number of sentences of one set.
    #[error(
        "comparison of two systems, set {set} (counted from 0): expected {expected} sentences, found {found}"
    )]
    SentenceCount {
        /// Position of the set, from 0.
        set: usize,
        /// Sentences of the first system.
        expected: usize,
        /// Sentences of the second system.
        found: usize,
    },
    /// Two methods, or two sets of one comparison, have different numbers of seeds.
    #[error("comparison over seeds: expected {expected} seed(s), found {found}")]
    SeedCount {
        /// Seeds of the first.
        expected: usize,
        /// Seeds of the other.
        found: usize,
    },
    /// The seeds of two methods were scored on different numbers of sentences of a set.
    #[error("comparison over seeds: expected {expected} sentences of the set, found {found}")]
    PooledSentences {
        /// Sentences of the first seed.
        expected: usize,
        /// Sentences of the other.
        found: usize,
    },
}

fn names() -> String {
    crate::scorer::Scorer::ALL
        .map(crate::scorer::Scorer::name)
        .join(", ")
}
