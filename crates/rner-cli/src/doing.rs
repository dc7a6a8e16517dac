//! What the program is at, for the one who ends it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The parts that are under way, the innermost last.
static DOING: Mutex<Vec<Doing>> = Mutex::new(Vec::new());

/// Tells them apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Where a part is.
#[derive(Debug)]
pub(crate) struct Doing {
    pub(crate) number: u64,
    pub(crate) label: String,
    pub(crate) unit: &'static str,
    /// 0 where it is not known.
    pub(crate) total: usize,
    pub(crate) done: usize,
}

/// A number that no other part has.
pub(crate) fn number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// What the program is at, in words, if a part is under way.
pub(crate) fn words() -> Option<String> {
    with_parts(|parts| {
        let part = parts.last()?;
        let of = match part.total {
            0 => String::new(),
            total => format!("/{total}"),
        };
        Some(format!("{}: {}{of} {}", part.label, part.done, part.unit))
    })
}

pub(crate) fn with_parts<T>(change: impl FnOnce(&mut Vec<Doing>) -> T) -> T {
    change(&mut DOING.lock().unwrap_or_else(PoisonError::into_inner))
}
