//! What must hold for any input of any reader of the workspace.
//!
//! A [`Target`] is a name and a body, a function that reads some bytes and panics if what is promised does not hold:
//! that every input gives a value or an error, that places lie inside their texts, that what is written is read back.
//! The same bodies run in two ways:
//!
//! - `cargo test -p rner-fuzz` with the stable compiler: over the stored inputs of `fixtures/fuzz` and some hundred
//!   changes of them, the same in every run ([`mutate`]);
//! - the program `rner-fuzz` under libFuzzer, which looks for inputs that reach new code. It needs the feature
//!   `libfuzzer`, a C++ compiler, and crates that are compiled with `scripts/rustc/coverage`.

mod bodies;
pub mod mutate;
mod scratch;
mod target;

#[cfg(feature = "models")]
pub use bodies::loader::FOLDER;
pub use target::{MAX_BYTES, TARGETS, Target, find};
