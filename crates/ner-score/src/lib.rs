//! Scorers for named entity recognition: presets of published evaluators, error analysis, intervals and tests.
//!
//! - [`count`] and [`EntitySet`]: the default rule and the fast path. An answer is a *set* of (normalised text,
//!   normalised label) pairs per sentence: duplicates collapse, positions do not matter, and a sentence with neither
//!   gold nor predicted entities adds nothing. This is what rewards and the benchmark use.
//! - [`score_sentence`] and [`ReportBuilder`]: any [`Scorer`], with every error classified and all tables.
//! - [`bootstrap`], [`paired_bootstrap`], [`approximate_randomization`]: what a number is worth. They take the
//!   [`Counts`] of sentences, whatever preset they come from, so that counting is separate from resampling.
//!
//! The crate knows nothing about prompts, JSON or files.
//!
#![doc = include_str!("../README.md")]

mod align;
mod analysis;
mod bootstrap;
mod buckets;
mod counts;
mod entity_set;
mod error;
mod mean;
mod metrics;
mod normal;
mod place;
mod randomization;
mod report;
mod scorer;
mod sentence;
mod uie;
mod view;

pub use analysis::{EntityError, ErrorClass, ScoredItem, SentenceScore, Tally, score_sentence};
pub use bootstrap::{
    Bootstrap, Interval, PairedTest, bootstrap, bootstrap_interval, paired_bootstrap,
};
pub use buckets::{BucketBy, BucketTable, Seen};
pub use counts::{Counts, total};
pub use entity_set::{EntitySet, count};
pub use error::Error;
pub use mean::{mean_f1, paper_mean_f1_percent, round_2};
pub use metrics::{Metrics, Row};
pub use randomization::{RandomizationTest, approximate_randomization};
pub use report::{ConfusionCell, ErrorRow, Report, ReportBuilder, ReportOptions};
pub use scorer::Scorer;
pub use sentence::Sentence;
pub use uie::{b2ner_items, instruct_uie_items};
