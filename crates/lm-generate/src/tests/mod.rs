//! Tests that need more than one module, or reference values.

mod draft;
mod generator;
mod mask;
mod observer;
mod session;
mod slots;
mod thought;

use crate::Sampling;

/// Plain sampling: temperature 1, nothing cut off, no stop token.
pub(crate) fn plain(max_new_tokens: usize) -> Sampling {
    Sampling {
        max_new_tokens,
        ..Sampling::default()
    }
}
