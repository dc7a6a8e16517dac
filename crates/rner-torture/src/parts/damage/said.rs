//! Panics that are caught: kept in place of printed.

use std::panic;
use std::sync::{Mutex, PoisonError};

static LAST: Mutex<String> = Mutex::new(String::new());

/// Panics are not printed while it lives.
pub(super) struct Quiet;

impl Quiet {
    pub(super) fn begin() -> Self {
        panic::set_hook(Box::new(|info| {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
        }));
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        drop(panic::take_hook());
    }
}

/// What the last panic said, and where.
pub(super) fn last() -> String {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
