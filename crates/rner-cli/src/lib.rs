//! The terminal side of `rner`, which its programs share: how a recipe is typed, what is shown while work goes on, what
//! a signal does, and how a program ends.
//!
//! The program `rner` itself lies beside this in `main.rs`; `rner-lab` is the other one.

pub mod args;
pub mod exit;
pub mod interrupt;
pub mod logging;
pub mod progress;

pub use exit::start;
