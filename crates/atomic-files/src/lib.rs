//! Files and folders that appear under their names complete or not at all.
//!
//! Everything is written beside its name, forced to the disk and renamed, and then the rename itself is forced to the
//! disk. Whatever happens in between, a full disk, a kill, a power failure, the name stands for the old content or for
//! the new one, never for a part, and never for nothing if there was something before.
//!
//! - [`write()`]: a file from bytes. [`AtomicFile`]: a file from a stream; it is a [`std::io::Write`].
//! - [`AtomicDir`]: a folder with everything in it, also in place of an older one.
//! - [`remove_dir`]: a folder disappears as a whole.
//! - [`Lock`]: a folder, or a file to be written, belongs to one process at a time; what dead ones left in it goes.
//! - [`Keep`]: files that are not replaced by others.
//! - [`rename`] and [`sync_dir`]: the steps, for files that have to be written under a name of their own, such as
//!   downloads that go on where they stopped. [`fs`] has the other operations for these.
//! - [`safe_name`] and [`safe_path`]: whether a name that comes from outside may become a file at all.
//! - [`Disk`]: all operations that change files, which a test can let fail one by one.
//!
//! The crate knows no formats: what stands in a file is up to its callers.
//!
#![doc = include_str!("../README.md")]

mod abandoned;
mod aside;
mod cache;
mod dir;
mod disk;
mod durable;
mod error;
mod file;
pub mod fs;
mod hidden;
mod keep;
mod lock;
mod remove;
mod safe_name;

pub use abandoned::clear_below;
pub use aside::{set_aside, take_set_aside};
pub use cache::forget_cached;
pub use dir::AtomicDir;
pub use disk::{Disk, Installed, RealDisk, disk, install};
pub use durable::{rename, sync_dir};
pub use error::Error;
pub use file::{AtomicFile, write};
pub use keep::Keep;
pub use lock::Lock;
pub use remove::remove_dir;
pub use safe_name::{UnsafeName, safe_name, safe_path};
