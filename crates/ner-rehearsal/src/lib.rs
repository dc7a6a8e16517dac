//! The internet of a real run, on this machine: what stands in for the Hugging Face Hub, the homes of the datasets and
//! a teacher when the whole path is rehearsed.
//!
//! - [`World`] has synthetic datasets, each in the layout and at the address of a real one, and the catalogue with
//!   their hashes.
//! - [`Homes`] serves them, and a model's repository, as the real homes do: redirects to another host, entity tags, LFS
//!   pointers, ranges; and, where [`Faults`] say so, broken connections, refusals, changed and damaged content. It
//!   counts requests and bytes.
//! - [`Teacher`] answers as a reasoning model does, after some thousand tokens of thinking, wants a key, and counts
//!   requests by their content.
//! - [`Rehearsal`] is all of them with empty caches in one folder; it runs a program, and kills it at random moments.
//!
//! Nothing here is measured against the real servers; it is what their documentation and their clients' code say.

mod error;
mod faults;
mod homes;
mod http;
mod kills;
mod log;
mod rehearsal;
mod store;
mod teacher;
mod world;

pub use error::Error;
pub use faults::Faults;
pub use homes::Homes;
pub use kills::{Moment, Toll, findings, moments};
pub use log::{Sent, Served, Traffic};
pub use rehearsal::{BASE_MODEL, Rehearsal, Setting};
pub use store::{COMMIT, Store};
pub use teacher::{Manner, Teacher};
pub use world::{Size, World};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
