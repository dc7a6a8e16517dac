//! Files and folders that appear under their names complete or not at all.
//!
//! Everything is written beside its name, forced to the disk and renamed, and then the rename itself is forced to the
//! disk. Whatever happens in between, a full disk, a kill, a power failure, the name stands for the old content or for
//! the new one, never for a part, and never for nothing if there was something before.
//!
//! - [`write()`]: a file from bytes. [`AtomicFile`]: a file from a stream; it is a [`std::io::Write`].
//! - [`AtomicDir`]: a folder with everything in it, also in place of an older one.
//! - [`remove_dir`]: a folder disappears as a whole.
//! - [`rename`] and [`sync_dir`]: the steps, for files that have to be written under a name of their own, such as
//!   downloads that go on where they stopped.
//! - [`safe_name`] and [`safe_path`]: whether a name that comes from outside may become a file at all.
//!
//! The crate knows no formats: what stands in a file is up to its callers.
//!
#![doc = include_str!("../README.md")]

mod cache;
mod dir;
mod durable;
mod error;
mod file;
mod hidden;
mod remove;
mod safe_name;

pub use cache::forget_cached;
pub use dir::AtomicDir;
pub use durable::{rename, sync_dir};
pub use error::Error;
pub use file::{AtomicFile, write};
pub use remove::remove_dir;
pub use safe_name::{UnsafeName, safe_name, safe_path};
