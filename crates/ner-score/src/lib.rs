//! Scorers for named entity recognition: presets of published evaluators, error analysis, intervals and tests.
//!
//! - [`count`] and [`EntitySet`]: the default rule and the fast path. An answer is a *set* of (normalised text,
//!   normalised label) pairs per sentence: duplicates collapse, positions do not matter, and a sentence with neither
//!   gold nor predicted entities adds nothing. This is what rewards and the benchmark use.
//! - [`score_sentence`] and [`ReportBuilder`]: any [`Scorer`], with every error classified and all tables.
//! - [`structures`]: relations and events, strict and relaxed.
//! - [`bootstrap`], [`randomization`], and [`pooled`] for several seeds: what a number is worth. They take the
//!   [`Counts`] of sentences, whatever preset they come from, so that counting is separate from resampling.
//!
//! The crate knows nothing about prompts, JSON or files.
//!
#![doc = include_str!("../README.md")]

pub mod analysis;
pub mod bootstrap;
pub mod buckets;
pub mod filter;
pub mod mean;
pub mod metrics;
pub mod pooled;
pub mod randomization;
pub mod report;
pub mod structures;
pub mod student;
pub mod uie;

mod align;
mod counts;
mod entity_set;
mod error;
mod error_class;
mod holm;
mod normal;
mod place;
mod scorer;
mod sentence;
mod view;

pub use analysis::{ErrorClass, score_sentence};
pub use bootstrap::Interval;
pub use counts::{Counts, total};
pub use entity_set::{EntitySet, count};
pub use error::Error;
pub use filter::Filtered;
pub use holm::holm;
pub use metrics::Metrics;
pub use report::{Report, ReportBuilder, ReportOptions};
pub use scorer::Scorer;
pub use sentence::Sentence;
