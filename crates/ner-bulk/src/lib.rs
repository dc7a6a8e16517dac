//! Many texts through whatever finds entities in them, in parts that can be shared, killed and resumed.
//!
//! - [`Inputs`] finds the files: names, folders, patterns. [`Texts`] reads the texts of one.
//! - [`Job::run`] works on the parts of one [`Shard`] and writes each, complete, into a [`Folder`] that is claimed for
//!   one question. What is finished is compared with its input and passed over.
//! - [`Finder`] is whoever finds the entities. [`servers`] asks any number of OpenAI-compatible servers.
//! - [`print()`] is for texts that come and answers that go by, without a folder.
//!
#![doc = include_str!("../README.md")]

mod error;
mod finder;
mod folder;
mod form;
mod inputs;
mod job;
mod manifest;
mod observer;
mod part;
mod print;
mod run;
pub mod servers;
mod shard;
mod stream;
mod texts;
mod through;

pub use error::{Error, Result};
pub use finder::{BoxError, Finder};
pub use folder::{Claim, Folder, Question};
pub use form::{Open, OutputForm, Place};
pub use inputs::{Input, Inputs, STDIN};
pub use job::Job;
pub use manifest::Manifest;
pub use observer::Observer;
pub use print::print;
pub use run::Summary;
pub use shard::Shard;
pub use texts::{Text, TextOptions, Texts};
