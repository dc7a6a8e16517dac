//! Set-based micro-F1 and bootstrap intervals for named entity recognition.
//!
//! An answer is scored as a *set* of (normalised text, normalised label) pairs per sentence, which is what the
//! paper's scorer does: duplicates collapse, positions do not matter, and a sentence with neither gold nor predicted
//! entities adds nothing. Three numbers per sentence, [`Counts`], are all that any later figure needs:
//!
//! ```
//! use ner_score::{bootstrap, count, total};
//! use ner_types::Entity;
//!
//! let gold = [Entity::new("The U.S.", "country")];
//! let predicted = [Entity::new("us", "Country"), Entity::new("Ada", "person")];
//! let sentences = [count(&gold, &predicted)];
//! let f1 = total(&sentences).f1();
//! assert!((f1 - 2.0 / 3.0).abs() < 1e-12);
//!
//! // How far the score would move had other sentences been drawn: resample the sentences with replacement.
//! let intervals = bootstrap(&[&sentences], 42, 1_000);
//! assert!(intervals.mean.contains(f1));
//! ```
//!
//! Counting is separate from resampling, so that a benchmark counts each sentence once and a caller may keep the
//! counts on disk. The crate knows nothing about prompts, JSON or files.

mod bootstrap;
mod counts;
mod entity_set;
mod error;
mod mean;

pub use bootstrap::{
    Bootstrap, Interval, PairedTest, bootstrap, bootstrap_interval, paired_bootstrap,
};
pub use counts::{Counts, total};
pub use entity_set::{EntitySet, count};
pub use error::Error;
pub use mean::{mean_f1, paper_mean_f1_percent, round_2};
