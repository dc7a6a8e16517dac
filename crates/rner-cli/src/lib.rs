//! The terminal side of `rner`, which its programs share: how a recipe is typed, what is shown while work goes on, what
//! a signal does, and how a program ends.
//!
//! The program `rner` itself lies beside this in `main.rs`; `rner-lab` is the other one.

/// Prints a line to stderr. Unlike `eprintln!` it goes on where nobody listens any more: a terminal that was closed is
/// no reason to lose a checkpoint.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($arg)*);
    }};
}

/// Says which files and folders have another name now, since this was called before.
pub fn say_set_aside() {
    for (path, old) in atomic_files::take_set_aside() {
        say!("kept: what was {} is {} now", path.display(), old.display());
    }
}

pub mod args;
mod doing;
pub mod exit;
pub mod interrupt;
pub mod logging;
pub mod progress;
pub mod reading;

pub use exit::start;
