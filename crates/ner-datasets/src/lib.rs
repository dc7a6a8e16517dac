//! Readers and writers of NER datasets.
//!
//! Every reader gives [`ner_types::Example`]s with sentence, schema and entities *as written*;
//! [`ner_types::Example::normalized`] turns them into what the paper's loader sees. A fault is an [`Error`] that names
//! the file and the line.
//!
//! - [`open`] streams the [`Row`]s of a file in any [`Format`] in constant memory; a [`Policy`] says which faults are
//!   fatal, and a [`FaultReport`] counts them. [`write_rows`] writes them in another format.
//! - [`open_data_dir`] finds the paper's seven benchmark sets under a folder; [`instruct_uie`], [`read_bio`] and
//!   [`read_examples`] read whole splits.
//! - [`tags`] turns BIO tags into mentions and back, [`Stats`] counts, [`draw`] draws the paper's sample for
//!   reinforcement learning.
//! - [`divide`] holds a share of a file out, no sentence of which is in the rest; [`scan_types`] and [`Types`] say what
//!   rows are asked for that state no types.
//! - [`export`] writes what was found in texts for people and for other programs.
//! - [`sets_in`] finds the sets of a folder of any layout; a [`LabelMap`] puts other names in place of labels.
//! - [`export`] writes what a model found in texts.
//! - [`Catalogue`] lists public datasets. With the feature `fetch`, `fetch` downloads them; without it the crate has no
//!   HTTP client. Parquet needs the feature `parquet`.
//!
//! A file that the crate writes appears only when complete.
//!
//! ```
//! use ner_datasets::{Format, Policy, ReadOptions, from_reader, write_rows};
//!
//! let bio = "Ardela\tB-person\nVoss\tI-person\nleft\tO\n";
//! let rows = from_reader("a.txt".as_ref(), bio.as_bytes(), Format::Bio, ReadOptions::default())?;
//! let path = std::env::temp_dir().join("ner-datasets-head.jsonl");
//! let written = write_rows(&path, Format::Plain, rows, Policy::default())?;
//! assert_eq!((written.n_rows, written.faults.total()), (1, 0));
//! let text = std::fs::read_to_string(&path)?;
//! assert!(text.starts_with(r#"{"text":"Ardela Voss left","labels":["person"],"entities":[{"text":"Ardela Voss""#));
//! # std::fs::remove_file(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod catalogue;
mod checks;
mod divide;
mod error;
pub mod export;
mod fault;
#[cfg(feature = "fetch")]
mod fetch;
mod files;
#[cfg(feature = "parquet")]
mod foreign;
mod format;
mod formats;
mod hash;
mod json_rows;
mod label_map;
mod labels;
mod lines;
mod reader;
mod recorder;
mod row;
mod sample;
mod splits;
mod stats;
pub mod tags;
mod throughput;
mod types;
mod words;
mod writer;

pub use cache::default_cache;
pub use catalogue::{Catalogue, CatalogueEntry, CatalogueFile, Group, Member};
pub use divide::{Conflict, DivideOptions, Division, Part, divide};
pub use error::Error;
pub use fault::{Fault, FaultKind, FaultReport, Policy};
#[cfg(feature = "fetch")]
pub use fetch::{Checked, Endpoints, FetchOptions, Fetched, Progress, Receipt, fetch, hash_file};
pub use files::write_atomic;
pub use format::Format;
pub use formats::bio::BioColumns;
#[cfg(feature = "parquet")]
pub use formats::parquet_texts::{ParquetText, ParquetTexts, parquet_columns};
pub use label_map::LabelMap;
pub use labels::read_labels;
pub use ner_types::Offsets;
pub use reader::{ReadOptions, RowReader, from_reader, open};
pub use row::{ByteSpan, Row};
pub use sample::{
    Draw, IN_DOMAIN_SETS, MIT_SETS, SampleConfig, draw, missing_quota, quotas, set_key,
};
pub use splits::bio::read_bio;
pub use splits::data_dir::{BENCHMARK_SETS, DataDir, Layout, open_data_dir};
pub use splits::dataset::{Dataset, Split};
pub use splits::examples::{read_examples, read_json, read_jsonl, write_json, write_jsonl};
pub use splits::folder::sets_in;
pub use splits::instruct_uie;
pub use splits::labels::{ScannedTypes, scan_labels, scan_types};
pub use splits::on_disk::{SetOnDisk, SetRows};
pub use stats::{Filtered, Stats};
pub use throughput::{Throughput, measure_reading};
pub use types::Types;
pub use writer::{Written, write_rows};

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
