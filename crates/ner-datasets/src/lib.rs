//! Readers and writers of NER datasets, and the seeded synthetic corpus.
//!
//! Every reader gives [`ner_types::Example`]s with sentence, schema and entities *as written*;
//! [`ner_types::Example::normalized`] turns them into what the paper's loader sees. A fault is an [`Error`] that names
//! the file and the line.
//!
//! - [`open_data_dir`] finds the paper's seven benchmark sets under a folder;
//! - [`instruct_uie`] reads `<dataset>/{train,dev,test}.json` with `labels.json`;
//! - [`read_bio`] reads CrossNER's and the MIT corpora's token files;
//! - [`read_examples`] reads NER-CoT, as a JSON array or as JSON lines; [`write_json`] and [`write_jsonl`] write it,
//!   so that a file appears only when complete.
//!
//! The crate does not download anything.

mod bio;
mod data_dir;
mod dataset;
mod error;
mod examples;
mod files;
pub mod instruct_uie;
pub mod synthetic;

pub use bio::{BioColumns, read_bio};
pub use data_dir::{BENCHMARK_SETS, DataDir, Layout, open_data_dir};
pub use dataset::{Dataset, Split};
pub use error::Error;
pub use examples::{read_examples, read_json, read_jsonl, write_json, write_jsonl};
pub use files::write_atomic;
