//! What can go wrong when the simulated teacher is set up.

/// An error of this crate. Generating text cannot fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A rate of mistakes is no share.
    #[error("mistake rates: expected 0 to 1, found {found}")]
    Rate {
        /// The rate.
        found: f64,
    },
    /// An answer has at most one mistake, but the shares say otherwise.
    #[error("mistake rates: expected a sum of at most 1, found {found}")]
    RateSum {
        /// The sum.
        found: f64,
    },
    /// The server has no port.
    #[error("cannot open a port for the simulated teacher")]
    Port(#[source] std::io::Error),
}
