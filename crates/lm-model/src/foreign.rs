//! Parsers that others wrote, and that may panic on a damaged file: the panic becomes an error with the file's name.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

use crate::error::{Error, Result};

thread_local! {
    /// Whether this thread is inside of such a parser.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What `parse` gives, or an error if it panics. What it worked on must not be used again then.
///
/// Nothing is written to standard error about the panic: the error says it all. Panics elsewhere are reported as
/// before.
pub(crate) fn guarded<T>(path: &Path, parse: impl FnOnce() -> T) -> Result<T> {
    silence_once();
    let before = INSIDE.replace(true);
    let parsed = catch_unwind(AssertUnwindSafe(parse));
    INSIDE.set(before);
    parsed.map_err(|panic| {
        let reason = format!(
            "the parser gave up: {}; the file is damaged",
            words(&*panic)
        );
        Error::BadTokenizer {
            path: path.to_owned(),
            reason,
        }
    })
}

fn silence_once() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = take_hook();
        set_hook(Box::new(move |panic| {
            if !INSIDE.get() {
                report(panic);
            }
        }));
    });
}

/// The message of a panic.
fn words(panic: &(dyn Any + Send)) -> &str {
    let fixed = panic.downcast_ref::<&str>().copied();
    let made = panic.downcast_ref::<String>().map(String::as_str);
    fixed.or(made).unwrap_or("it panicked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_the_path() {
        let path = Path::new("tokenizer.json");
        assert_eq!(guarded(path, || 7).expect("no panic"), 7);
        let numbers = [1, 2, 3];
        let index = std::hint::black_box(9);
        let error = guarded(path, || numbers[index]).expect_err("a panic");
        let error = error.to_string();
        for part in ["tokenizer.json", "index out of bounds", "damaged"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!INSIDE.get());
    }
}
